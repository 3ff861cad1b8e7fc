// Package kv is Redis as the rest of the program sees it: one store for each class of traffic, whose keys and connections the other cannot reach.
//
// Nothing here is tried twice: whether a call whose answer is missing was carried out is not known, and a limit must not count it again. A store that does
// not answer is left alone for a moment, so that requests do not all wait for it in turn; see [Store.Down].
package kv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"proscenium/traffic"
)

// Defaults of Options.
const (
	DefaultPrefix  = "proscenium"
	DefaultTimeout = 30 * time.Millisecond
	DefaultRest    = time.Second
)

// Options are where the stores are.
type Options struct {
	// Addresses are HOST:PORT of one server, or of some nodes of a cluster. None: a server within the process, whose content ends with it.
	Addresses []string
	// ShadowAddresses are those of a server apart for shadow traffic. None: the same server, other keys and connections.
	ShadowAddresses []string
	// Cluster says that the addresses are of a cluster.
	Cluster bool
	// DB is the number of the database, 0 in a cluster.
	DB                 int
	Username, Password string
	// TLS is nil for plain connections.
	TLS *tls.Config
	// Prefix begins every key, so that systems can share a server: letters, digits, . _ and -. Empty: DefaultPrefix.
	Prefix string
	// Timeout bounds a call whose context has no earlier deadline. 0: DefaultTimeout.
	Timeout time.Duration
	// Rest is how long a store that did not answer is left alone. 0: DefaultRest.
	Rest time.Duration
	// Connections bounds those of each class. 0: ten for each processor.
	Connections int
	// Dial opens connections. nil: TCP, or TLS.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock by which a store is left alone. nil: time.Now.
	Now func() time.Time
}

// KV holds a store for each class of traffic. It is safe for concurrent use.
type KV struct {
	stores   [traffic.Count]*Store
	embedded *miniredis.Miniredis
}

var plainPrefix = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Open makes the stores. It connects with the first call, so that a server that is down does not keep the process from starting.
func Open(opts Options) (*KV, error) {
	if opts.Prefix == "" {
		opts.Prefix = DefaultPrefix
	}
	if !plainPrefix.MatchString(opts.Prefix) {
		return nil, fmt.Errorf("redis.prefix: %q must be 1 to 64 letters, digits, ., _ or -", opts.Prefix)
	}
	if opts.Timeout == 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.Rest == 0 {
		opts.Rest = DefaultRest
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Timeout < 0 || opts.Rest < 0 || opts.Connections < 0 {
		return nil, errors.New("redis: a timeout, a rest or a number of connections is negative")
	}
	k := &KV{}
	if len(opts.Addresses) == 0 {
		if len(opts.ShadowAddresses) > 0 {
			return nil, errors.New("redis.shadow_addresses: there is no redis.addresses for live traffic")
		}
		if err := k.embed(&opts); err != nil {
			return nil, err
		}
	}
	for _, class := range traffic.All() {
		addresses := opts.Addresses
		if class == traffic.Shadow && len(opts.ShadowAddresses) > 0 {
			addresses = opts.ShadowAddresses
		}
		k.stores[class] = newStore(class, addresses, opts)
	}
	return k, nil
}

// embed starts a server in the process. It listens on loopback: a pipe without a buffer would stop both ends of a pipeline.
func (k *KV) embed(opts *Options) error {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return fmt.Errorf("start the embedded Redis: %w", err)
	}
	m.ClockTTL(true)
	k.embedded = m
	opts.Addresses, opts.Cluster, opts.DB, opts.Username, opts.Password, opts.TLS = []string{m.Addr()}, false, 0, "", "", nil
	return nil
}

// Embedded says that the stores are within the process and end with it.
func (k *KV) Embedded() bool { return k.embedded != nil }

// Of is the store of a class.
func (k *KV) Of(class traffic.Class) *Store { return k.stores[class] }

// Close closes all connections; calls after it fail.
func (k *KV) Close() error {
	var errs []error
	for _, s := range k.stores {
		errs = append(errs, s.client.Close())
	}
	if k.embedded != nil {
		k.embedded.Close()
	}
	return errors.Join(errs...)
}

func newStore(class traffic.Class, addresses []string, opts Options) *Store {
	wait := max(time.Second, opts.Timeout) // contexts end calls, and earlier
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: addresses, IsClusterMode: opts.Cluster, DB: opts.DB, Username: opts.Username, Password: opts.Password, TLSConfig: opts.TLS,
		ClientName: opts.Prefix + "-" + class.String(), Dialer: opts.Dial, PoolSize: opts.Connections,
		// A call is sent once and ends with its context; see the package.
		MaxRetries: -1, ContextTimeoutEnabled: true, DialerRetries: 1,
		// No words on connecting that nobody reads, and no watch over servers that move: neither is worth a round trip or a goroutine here.
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		DialTimeout: wait, ReadTimeout: wait, WriteTimeout: wait, PoolTimeout: wait,
	})
	return &Store{
		class: class, client: client, prefix: opts.Prefix + ":" + class.String() + ":", cluster: opts.Cluster, timeout: opts.Timeout,
		gate: gate{rest: opts.Rest}, now: opts.Now,
	}
}
