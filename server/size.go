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
// Gzip is bounded where it is decompressed.
func sized(report *reporter, next http.Handler) http.Handler {
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > MaxRequestBytes {
			_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
			err := report.fail(r.Context(), failedCall{procedure: procedureOf(r.URL.Path), header: r.Header}, tooLarge())
			// The caller may be gone; there is nobody else to tell.
			_ = writer.Write(w, r, err)
			return
		}
		if r.ContentLength < 0 {
			r.Body = http.MaxBytesReader(w, r.Body, drainBytes)
			if procedure := procedureOf(r.URL.Path); procedure != otherProcedure {
				ctx, call := r.Context(), failedCall{procedure: procedure, header: r.Header}
				r.Body = &boundedBody{ReadCloser: r.Body, left: MaxRequestBytes + envelopeBytes + 1, refuse: func() error {
					return report.fail(ctx, call, tooLarge())
				}}
			}
		}
		next.ServeHTTP(w, r)
	})
}

func tooLarge() error {
	return fault.New(fault.ResourceExhausted, "REQUEST_TOO_LARGE",
		"the request is too large: at most %d bytes are read, decompressed; ask for fewer items at once", MaxRequestBytes)
}

// envelopeBytes stand before a message of gRPC and gRPC-Web.
const envelopeBytes = 5

// boundedBody is the body of one message that does not say how long it is. The rest of one that is too large is read and dropped, so that
// an ordinary client gets to read the answer.
type boundedBody struct {
	io.ReadCloser
	left   int64
	refuse func() error
	err    error
}

// Read returns the error of refuse once the body has gone beyond the bound.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left > 0 {
		return n, err
	}
	_, _ = io.Copy(io.Discard, b.ReadCloser) // bounded itself
	b.err = b.refuse()
	return n, b.err
}

// otherProcedure stands for all that are not counted by name.
const otherProcedure = "other"

// procedureOf is the path, if it is one that can be counted: a caller can invent any other.
func procedureOf(path string) string {
	switch path {
	case pricingv1connect.PricingServiceGetPromotionInfoProcedure,
		pricingv1connect.PricingServiceDeletePriceStockCacheProcedure,
		pricingv1connect.PricingServiceDeletePriceSoldOutCacheProcedure:
		return path
	default:
		return otherProcedure
	}
}
