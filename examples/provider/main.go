// Command provider is an example: a service that answers price.query from a map, in the place of the embedded catalog.
//
//	go run ./examples/provider --listen 127.0.0.1:9191
//
// The guide is docs/guides/write-a-provider.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	providerv1 "proscenium/gen/proscenium/provider/v1"
	"proscenium/gen/proscenium/provider/v1/providerv1connect"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("provider", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:9191", "address to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(shelf()), ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)            // Connect and gRPC-Web
	server.Protocols.SetUnencryptedHTTP2(true) // gRPC

	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})()
	if _, err := fmt.Fprintf(out, "prices on http://%s\n", listener.Addr()); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// Ids of price rule types, from configs/price_rule_types.yaml.
const (
	originalPrice = 1
	flashSale     = 3
)

// shelf is what this service knows: items with their models.
func shelf() map[int64][]*providerv1.ModelPrices {
	return map[int64][]*providerv1.ModelPrices{
		2172: {{
			ItemId: 2172, ModelId: 889071, ShopId: 97,
			Records: []*providerv1.PriceRecord{
				{PriceRuleTypeId: originalPrice, PreTaxPrice: proto.Int64(549), Stock: 12},
				{PriceRuleTypeId: flashSale, PromotionId: 90001, PreTaxPrice: proto.Int64(499), Stock: 3, PurchaseLimit: 2},
			},
		}},
	}
}

func handler(shelf map[int64][]*providerv1.ModelPrices) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(providerv1connect.NewPriceStockProviderHandler(&prices{shelf: shelf}))
	return mux
}

// prices is the service.
type prices struct {
	shelf map[int64][]*providerv1.ModelPrices // by item
}

// QueryPrices answers with the models that were asked for, as far as they are known: no entry says that there is no such model.
func (p *prices) QueryPrices(
	_ context.Context, req *connect.Request[providerv1.QueryPricesRequest],
) (*connect.Response[providerv1.QueryPricesResponse], error) {
	answer := &providerv1.QueryPricesResponse{}
	for _, key := range req.Msg.GetKeys() {
		for _, model := range p.shelf[key.GetItemId()] {
			// Without a model id, every model of the item is meant.
			if key.GetModelId() == 0 || key.GetModelId() == model.GetModelId() {
				answer.Models = append(answer.Models, model)
			}
		}
	}
	return connect.NewResponse(answer), nil
}
