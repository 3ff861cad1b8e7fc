package server

import (
	"io"
	"net/http"

	"connectrpc.com/connect"

	"proscenium/fault"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
)

// drainBytes are read of a body that is too large, so that an ordinary client gets to read the answer; the connection of one that sends
// more is closed.
const drainBytes = 32 << 20

// sized refuses bodies that say that they are too large before anything is read into memory, and ends those that do not say and do not end.
// The handlers bound each message on their own.
func sized(report *reporter, next http.Handler) http.Handler {
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > MaxRequestBytes {
			_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
			err := report.fail(r.Context(), failedCall{procedure: procedureOf(r.URL.Path), header: r.Header}, fault.New(fault.ResourceExhausted, "REQUEST_TOO_LARGE",
				"the request has %d bytes; at most %d are read: ask for fewer items at once", r.ContentLength, MaxRequestBytes))
			// The caller may be gone; there is nobody else to tell.
			_ = writer.Write(w, r, err)
			return
		}
		if r.ContentLength < 0 {
			r.Body = http.MaxBytesReader(w, r.Body, drainBytes)
		}
		next.ServeHTTP(w, r)
	})
}

// procedureOf is the path, if it is one that can be counted: a caller can invent any other.
func procedureOf(path string) string {
	switch path {
	case pricingv1connect.PricingServiceGetPromotionInfoProcedure,
		pricingv1connect.PricingServiceDeletePriceStockCacheProcedure,
		pricingv1connect.PricingServiceDeletePriceSoldOutCacheProcedure:
		return path
	default:
		return "other"
	}
}
