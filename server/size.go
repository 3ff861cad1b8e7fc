package server

import (
	"io"
	"net/http"

	"connectrpc.com/connect"

	"proscenium/fault"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	"proscenium/gen/proscenium/pricing/v1/pricingv1connect"
)

// drainBytes are read of a body that is too large, so that an ordinary client gets to read the answer; the connection of one that sends
// more is closed.
const drainBytes = 32 << 20

// bound is how large a request may be.
type bound struct {
	bytes int64
	// instead is what to do where it is larger.
	instead string
}

// ofPrices bounds the requests of the main port.
var ofPrices = bound{MaxRequestBytes, "ask for fewer items at once"}

// sized refuses bodies that say that they are too large before anything is read into memory, and ends those that do not say and do not end.
// Gzip is bounded where it is decompressed.
func sized(report *reporter, most bound, next http.Handler) http.Handler {
	writer := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > most.bytes {
			_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
			err := report.fail(r.Context(), failedCall{procedure: procedureOf(r.URL.Path), header: r.Header}, most.tooLarge())
			// The caller may be gone; there is nobody else to tell.
			_ = writer.Write(w, r, err)
			return
		}
		if r.ContentLength < 0 {
			r.Body = http.MaxBytesReader(w, r.Body, max(drainBytes, 2*most.bytes))
			if procedure := procedureOf(r.URL.Path); procedure != otherProcedure {
				ctx, call := r.Context(), failedCall{procedure: procedure, header: r.Header}
				r.Body = &boundedBody{ReadCloser: r.Body, left: most.bytes + envelopeBytes + 1, refuse: func() error {
					return report.fail(ctx, call, most.tooLarge())
				}}
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (b bound) tooLarge() error {
	return fault.New(fault.ResourceExhausted, "REQUEST_TOO_LARGE",
		"the request is too large: at most %d bytes are read, decompressed; %s", b.bytes, b.instead)
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
		pricingv1connect.PricingServiceDeletePriceSoldOutCacheProcedure,
		adminv1connect.ConfigServiceGetSnapshotProcedure,
		adminv1connect.ConfigServiceValidateProcedure,
		adminv1connect.ConfigServiceListVersionsProcedure,
		adminv1connect.ConfigServiceWatchProcedure,
		adminv1connect.ConfigServiceRollbackProcedure,
		adminv1connect.OperationsServiceSetDowngradeProcedure,
		adminv1connect.OperationsServiceListDowngradesProcedure,
		adminv1connect.OperationsServiceListLimitsProcedure,
		adminv1connect.OperationsServiceListBreakersProcedure,
		adminv1connect.OperationsServiceListClientsProcedure,
		adminv1connect.OperationsServicePurgeShadowDataProcedure,
		adminv1connect.OperationsServiceQueryAuditLogProcedure:
		return path
	default:
		return otherProcedure
	}
}
