// Package providers opens, for each region of a configuration, the providers that answer the pipeline's commands: those embedded in the program,
// or services of proscenium.provider.v1.
package providers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
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
	"proscenium/traffic"
)

// Option is what a registry may have beyond the embedded providers.
type Option func(*Registry)

// Named registers providers of the embedding program: a dependency's `embedded: {name: ...}` picks the one of its command. What the set leaves
// nil it does not answer. A name given twice stands for the set given last.
func Named(name string, set engine.Providers) Option {
	return func(r *Registry) { r.named[name] = &set }
}

// Registry knows who can answer. It is safe for concurrent use.
type Registry struct {
	embedded *engine.Providers
	named    map[string]*engine.Providers
	deps     remote.Deps

	mu      sync.Mutex
	clients map[identity]*client
}

// identity names a client. Live and shadow traffic share none: no connection, and no retry budget.
type identity struct {
	class traffic.Class
	// conf is equal for configurations that make equal clients.
	conf string
}

// client is shared by all dependencies of equal configuration, for one class of traffic.
type client struct {
	*remote.Client
	usedBy string // version of the snapshot that asked for it last
}

// New makes a registry. embedded answers each command that no dependency of the configuration names a provider for.
func New(embedded engine.Providers, deps remote.Deps, opts ...Option) *Registry {
	r := &Registry{embedded: &embedded, named: map[string]*engine.Providers{}, deps: deps, clients: map[identity]*client{}}
	for _, opt := range opts {
		opt(r)
	}
	return r
}

// Open gives the providers of a region for a class of traffic: of each command the one that its dependency names for the region, else for all, else the embedded one.
// Clients of services are kept from one configuration to the next while their settings, and the files that these name, stay the same; so are
// their connections and retry budgets. Errors, all that there are, name the dependency and the field.
func (r *Registry) Open(snap *scenes.Snapshot, region *scenes.Region, class traffic.Class) (*engine.Providers, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &opening{registry: r, snap: snap, region: region, class: class}
	for command := range snap.Dependencies {
		if !slices.Contains(engine.CommandNames[:], command) {
			o.fail(command, "", errors.New("there is no such command"))
		}
	}
	p := &engine.Providers{
		Price:          open(o, engine.PriceQuery, func(p *engine.Providers) engine.PriceProvider { return p.Price }, psso.NewRemote),
		Stock:          open(o, engine.StockQuery, func(p *engine.Providers) engine.StockProvider { return p.Stock }, stock.NewRemote),
		ExclusivePrice: open(o, engine.CheckExclusivePrice, func(p *engine.Providers) engine.EligibilityProvider { return p.ExclusivePrice }, eligibility.NewRemoteExclusivePrice),
		LiveStream:     open(o, engine.CheckLiveStream, func(p *engine.Providers) engine.EligibilityProvider { return p.LiveStream }, eligibility.NewRemoteLiveStream),
		WelcomePackage: open(o, engine.CheckWelcomePackage, func(p *engine.Providers) engine.EligibilityProvider { return p.WelcomePackage }, eligibility.NewRemoteWelcomePackage),
		Items:          open(o, engine.ListingItems, func(p *engine.Providers) engine.ItemProvider { return p.Items }, listing.NewRemoteItems),
		Labels:         open(o, engine.ListingLabels, func(p *engine.Providers) engine.LabelProvider { return p.Labels }, listing.NewRemoteLabels),
		Tax:            open(o, engine.TaxRates, func(p *engine.Providers) engine.TaxProvider { return p.Tax }, tax.NewRemote),
		Rebate:         open(o, engine.RebateQuery, func(p *engine.Providers) engine.RebateProvider { return p.Rebate }, rebate.NewRemote),
		Voucher:        open(o, engine.BestVouchers, func(p *engine.Providers) engine.VoucherProvider { return p.Voucher }, voucher.NewRemote),
		GMV:            open(o, engine.GMVQuery, func(p *engine.Providers) engine.GMVProvider { return p.GMV }, gmv.NewRemote),
		Decoration:     open(o, engine.DecorationQuery, func(p *engine.Providers) engine.DecorationProvider { return p.Decoration }, decoration.NewRemote),
		Package:        open(o, engine.PackageQuery, func(p *engine.Providers) engine.PackageProvider { return p.Package }, packages.NewRemote),
	}
	if o.errs != nil {
		return nil, errors.Join(o.errs...)
	}
	return p, nil
}

// Retain is called after a configuration was applied: clients that no region of it uses are let go. Their idle connections are closed, while
// requests under way on an older configuration end undisturbed.
func (r *Registry) Retain(snap *scenes.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, c := range r.clients {
		if c.usedBy != snap.Version {
			delete(r.clients, key)
			c.Close()
		}
	}
}

// Close closes the idle connections of all clients.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.clients {
		c.Close()
	}
	clear(r.clients)
}

// client returns the one of that configuration and class. r.mu is held.
func (r *Registry) client(conf *configv1.ConnectProvider, class traffic.Class, version string) (*remote.Client, error) {
	files := map[string][]byte{}
	deps := r.deps
	deps.ReadFile = func(name string) ([]byte, error) {
		if b, ok := files[name]; ok {
			return b, nil
		}
		b, err := r.deps.ReadFile(name)
		if err == nil {
			files[name] = b
		}
		return b, err
	}
	of, err := fingerprint(conf, deps.ReadFile)
	if err != nil {
		return nil, err
	}
	key := identity{class, of}
	if c := r.clients[key]; c != nil {
		c.usedBy = version
		return c.Client, nil
	}
	c, err := remote.New(conf, deps)
	if err != nil {
		return nil, err
	}
	r.clients[key] = &client{Client: c, usedBy: version}
	return c, nil
}

// fingerprint is equal for configurations that make equal clients: a renewed certificate makes another. Files that cannot be read are left for
// the client's own checks to report.
func fingerprint(conf *configv1.ConnectProvider, readFile func(string) ([]byte, error)) (string, error) {
	key, err := proto.MarshalOptions{Deterministic: true}.Marshal(conf)
	if err != nil {
		return "", err
	}
	for _, name := range []string{conf.GetTls().GetCaFile(), conf.GetTls().GetCertFile(), conf.GetTls().GetKeyFile()} {
		if name == "" {
			continue
		}
		content, _ := readFile(name)
		sum := sha256.Sum256(content)
		key = append(key, sum[:]...)
	}
	return string(key), nil
}

// opening collects what is wrong with the dependencies of a region.
type opening struct {
	registry *Registry
	snap     *scenes.Snapshot
	region   *scenes.Region
	class    traffic.Class
	errs     []error
}

func (o *opening) fail(command, field string, err error) {
	o.errs = append(o.errs, fmt.Errorf("dependencies: %s%s: %w", command, field, err))
}

// open finds the provider of one command. of takes it out of a set, and dial makes it from a client.
func open[K, V any](
	o *opening, command engine.Command, of func(*engine.Providers) engine.Provider[K, V], dial func(*remote.Client) engine.Provider[K, V],
) engine.Provider[K, V] {
	dep := o.snap.Dependencies[command.String()]
	conf, field := dep.GetRegions()[o.region.Code], ".regions["+o.region.Code+"]"
	if conf == nil {
		conf, field = dep.GetProvider(), ".provider"
	}
	switch kind := conf.GetKind().(type) {
	case nil:
		if p := of(o.registry.embedded); p != nil {
			return p
		}
		return absent[K, V]{command}
	case *configv1.Provider_Connect:
		c, err := o.registry.client(kind.Connect, o.class, o.snap.Version)
		if err != nil {
			o.fail(command.String(), field+".connect", err)
			return nil
		}
		return dial(c)
	case *configv1.Provider_Embedded:
		p, err := named(o.registry, command, kind.Embedded.GetName(), of)
		if err != nil {
			o.fail(command.String(), field+".embedded.name", err)
		}
		return p
	}
	o.fail(command.String(), field, errors.New("this kind of provider is not known here"))
	return nil
}

func named[K, V any](r *Registry, command engine.Command, name string, of func(*engine.Providers) engine.Provider[K, V]) (engine.Provider[K, V], error) {
	set := r.embedded
	if name != "" {
		if set = r.named[name]; set == nil {
			return nil, fmt.Errorf("%q is not registered; %s", name, known(r.named))
		}
	}
	p := of(set)
	if p == nil {
		if name == "" {
			return nil, errors.New("this program embeds no provider of the command")
		}
		return nil, fmt.Errorf("%q does not answer %s", name, command)
	}
	return p, nil
}

func known(named map[string]*engine.Providers) string {
	if len(named) == 0 {
		return "this program registers none: leave the name out, or use connect"
	}
	return "registered are " + strings.Join(slices.Sorted(maps.Keys(named)), ", ")
}
