// Package reference serves providers of this process as the services of proscenium.provider.v1: the protocol's reference, and, with faults on
// request, what the engine is tested against.
package reference

import (
	"net/http"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"connectrpc.com/validate"

	"proscenium/codec"
	"proscenium/engine"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
	"proscenium/providers/decoration"
	"proscenium/providers/eligibility"
	"proscenium/providers/gmv"
	"proscenium/providers/listing"
	"proscenium/providers/packages"
	"proscenium/providers/psso"
	"proscenium/providers/rebate"
	"proscenium/providers/remote"
	"proscenium/providers/stock"
	"proscenium/providers/tax"
	"proscenium/providers/voucher"
	"proscenium/scenes"
)

// Bounds of what is read, and of what is worth compressing for those who accept it.
const (
	maxRequest  = 4 << 20
	minCompress = 8 << 10
)

// Option is what a handler may do beyond answering.
type Option func(*options)

type options struct{ faults func(procedure string) Fault }

// WithFaults asks, once for each call, how it is to go wrong. procedure is the path of the method, such as
// providerv1connect.TaxProviderGetRatesProcedure. faults is called by many goroutines.
func WithFaults(faults func(procedure string) Fault) Option {
	return func(o *options) { o.faults = faults }
}

// Handler serves every provider service over Connect, gRPC and gRPC-Web, with health and reflection. A command whose provider is nil is answered
// with unimplemented. snap is the configuration that regions, pools and types are looked up in; it is asked once a call.
//
// The http.Server around it must allow HTTP/2 without TLS (http.Protocols) for gRPC over plain http.
func Handler(p engine.Providers, snap func() *scenes.Snapshot, opts ...Option) http.Handler {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	interceptors := []connect.Interceptor{validate.NewInterceptor()}
	if o.faults != nil {
		interceptors = append(interceptors, connect.UnaryInterceptorFunc(misbehave))
	}
	all := connect.WithHandlerOptions(
		connect.WithCodec(codec.New()),
		connect.WithReadMaxBytes(maxRequest),
		connect.WithCompressMinBytes(minCompress),
		connect.WithInterceptors(interceptors...),
	)
	host := &remote.Host{Snap: snap}
	mux := http.NewServeMux()
	mount := func(path string, h http.Handler) {
		if o.faults != nil {
			h = choosing(o.faults, h)
		}
		mux.Handle(path, h)
	}
	mount(psso.NewHandler(host, p.Price, all))
	mount(stock.NewHandler(host, p.Stock, all))
	mount(eligibility.NewHandler(host, p.ExclusivePrice, p.LiveStream, p.WelcomePackage, all))
	mount(listing.NewHandler(host, p.Items, p.Labels, all))
	mount(tax.NewHandler(host, p.Tax, all))
	mount(rebate.NewHandler(host, p.Rebate, all))
	mount(voucher.NewHandler(host, p.Voucher, all))
	mount(gmv.NewHandler(host, p.GMV, all))
	mount(decoration.NewHandler(host, p.Decoration, all))
	mount(packages.NewHandler(host, p.Package, all))

	mux.Handle(grpchealth.NewHandler(grpchealth.NewStaticChecker(services()...)))
	reflector := grpcreflect.NewStaticReflector(services()...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector))
	return mux
}

func services() []string {
	return []string{
		providerv1connect.PriceStockProviderName,
		providerv1connect.StockProviderName,
		providerv1connect.EligibilityProviderName,
		providerv1connect.ListingProviderName,
		providerv1connect.TaxProviderName,
		providerv1connect.RebateProviderName,
		providerv1connect.VoucherProviderName,
		providerv1connect.GmvProviderName,
		providerv1connect.DecorationProviderName,
		providerv1connect.PackageProviderName,
	}
}
