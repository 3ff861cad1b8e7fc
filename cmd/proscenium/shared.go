package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"proscenium/engine/policy"
	"proscenium/engine/policy/hierarchy"
	"proscenium/engine/policy/shed"
	"proscenium/kv"
	"proscenium/metrics"
	"proscenium/settings"
	"proscenium/traffic"
)

// passwordVariable has the password of Redis where no file has. It is no setting: settings are shown.
const passwordVariable = "PROSCENIUM_REDIS_PASSWORD" //nolint:gosec // the name of the variable

// backgroundPatience is how long work in the background waits for Redis.
const backgroundPatience = 250 * time.Millisecond

// shared is what processes of a fleet have together, and what this one does for it in the background.
type shared struct {
	stores   *kv.KV
	fleets   [traffic.Count]*hierarchy.Fleet
	policies *policy.Registry
	shedder  *shed.Shedder
	log      *slog.Logger
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// openShared makes the stores and the policies over them. A Redis that is down is no error: it is asked again.
func openShared(p process, s *settings.Settings, observed *metrics.Metrics, log *slog.Logger) (*shared, error) {
	opts, err := redisOptions(p, &s.Redis)
	if err != nil {
		return nil, err
	}
	stores, err := kv.Open(opts)
	if err != nil {
		return nil, err
	}
	h := &shared{stores: stores, shedder: shed.New(shed.Rule{}), log: log, stop: func() {}}
	for _, class := range traffic.All() {
		h.fleets[class] = hierarchy.NewFleet(stores.Of(class).Patient(backgroundPatience), hierarchy.Deps{
			Alone:   stores.Embedded(),
			OnError: redisLog(log, "the queues of the fleet", class),
		})
	}
	h.policies = policy.New(policy.Deps{
		Now: time.Now, Random: rand.Float64, KV: stores, Fleets: h.fleets, Shedder: h.shedder,
		Failed: withoutRedis(log),
		Transition: func(t policy.Transition) {
			observed.BreakerChanged(t)
			log.Warn("a breaker changed", slog.String("breaker", t.Breaker), slog.String("traffic", t.Class.String()), slog.String("from", t.From), slog.String("to", t.To))
		},
	})
	return h, nil
}

// start begins the work in the background.
func (h *shared) start(ctx context.Context) {
	ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, f := range h.fleets {
		h.running.Go(func() { f.Run(ctx) })
	}
	began := time.Now()
	h.running.Go(func() { h.shedder.Run(ctx, func() int64 { return int64(time.Since(began)) }) })
}

// close ends the work, says goodbye to the fleet, adds up what is counted, and closes the connections.
func (h *shared) close() error {
	h.stop()
	h.running.Wait()
	h.policies.Close()
	return h.stores.Close()
}

func redisOptions(p process, r *settings.Redis) (kv.Options, error) {
	opts := kv.Options{
		Addresses: r.Addresses, ShadowAddresses: r.ShadowAddresses, Cluster: r.Cluster, DB: r.DB, Username: r.Username, Prefix: r.Prefix, Timeout: r.Timeout,
		Password: variable(p.environ, passwordVariable),
	}
	if r.PasswordFile != "" {
		text, err := os.ReadFile(r.PasswordFile)
		if err != nil {
			return opts, fmt.Errorf("redis.password_file: %w", err)
		}
		opts.Password = strings.TrimRight(string(text), "\r\n")
	}
	if !r.TLS {
		return opts, nil
	}
	opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CAFile != "" {
		pem, err := os.ReadFile(r.CAFile)
		if err != nil {
			return opts, fmt.Errorf("redis.ca_file: %w", err)
		}
		opts.TLS.RootCAs = x509.NewCertPool()
		if !opts.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return opts, errors.New("redis.ca_file: there is no certificate in PEM in it")
		}
	}
	return opts, nil
}

func variable(environ []string, name string) string {
	for _, v := range environ {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value
		}
	}
	return ""
}

// redisLog tells when something begins to be without Redis, and when it has it again.
func redisLog(log *slog.Logger, what string, class traffic.Class) func(error) {
	return func(err error) {
		if err == nil {
			log.Info("redis answers again", slog.String("for", what), slog.String("traffic", class.String()))
			return
		}
		log.Warn("redis does not answer", slog.String("for", what), slog.String("traffic", class.String()), slog.Any("error", err))
	}
}

// withoutRedis warns of limits that were decided without Redis, at most once in ten seconds, with how many there were.
func withoutRedis(log *slog.Logger) func(error) {
	var mu sync.Mutex
	var last time.Time
	var since int
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if since++; time.Since(last) < 10*time.Second {
			return
		}
		log.Warn("limits are decided without Redis", slog.Int("count", since), slog.Any("error", err))
		last, since = time.Now(), 0
	}
}
