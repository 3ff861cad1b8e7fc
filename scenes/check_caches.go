package scenes

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// The bounds of caches that make sense.
const (
	shortestTTL = 10 * time.Millisecond
	longestTTL  = time.Hour
	// fewestEntries is what one request can ask for: 100 items.
	fewestEntries = 100
)

// caches finds sizes and times of caches with which they hardly help, or do harm.
func (c *checker) caches() {
	c.changeStream()
	for _, cache := range []struct {
		name  string
		conf  *configv1.Cache
		whose func(*configv1.Scene) bool
		what  string
	}{
		{"price_stock", c.bundle.GetCaches().GetPriceStock(), func(s *configv1.Scene) bool { return s.GetStock().GetNeedStock() }, "scene with need_stock"},
		{"price_sold_out", c.bundle.GetCaches().GetPriceSoldOut(), func(s *configv1.Scene) bool { return !s.GetStock().GetNeedStock() }, "scene without need_stock"},
	} {
		at := c.root.Field("caches").Field(cache.name)
		if cache.conf == nil || at.Field("enabled").Bad() {
			continue
		}
		if !cache.conf.GetEnabled() {
			if cache.conf.GetTtl() != nil {
				c.noEffect(at.Field("ttl"), "ttl", "enabled")
			}
			if cache.conf.GetMaxEntries() > 0 {
				c.noEffect(at.Field("max_entries"), "max_entries", "enabled")
			}
			c.idleCache(cache.conf, at)
			continue
		}
		c.cacheSizes(cache.conf, at)
		used := slices.ContainsFunc(c.bundle.GetScenes(), func(s *configv1.Scene) bool { return cache.whose(s) && !s.GetOrderFlow() })
		if c.whole && !used && len(c.bundle.GetScenes()) > 0 && !c.root.Field("scenes").Bad() {
			c.report(at.Field("enabled").Warning(diag.Unused, fmt.Sprintf("no scene uses cache %s: there is no %s that is not order_flow", cache.name, cache.what), "take the cache out"))
		}
	}
}

func (c *checker) cacheSizes(conf *configv1.Cache, at *source.Place) {
	if ttl := conf.GetTtl().AsDuration(); conf.GetTtl() != nil && ttl < shortestTTL {
		c.report(at.Field("ttl").Warning(diag.CacheSize, fmt.Sprintf("entries end after %s, before anybody asks again", ttl), "use some seconds; check the unit"))
	} else if ttl > longestTTL {
		c.report(at.Field("ttl").Warning(diag.CacheSize, fmt.Sprintf("prices may be %s old", strings.TrimSuffix(ttl.String(), "0m0s")), "use seconds or minutes, as long as an old price may be shown"))
	}
	c.staleness(conf, at)
	if n := conf.GetMaxEntries(); n > 0 && n < fewestEntries {
		c.report(at.Field("max_entries").Warning(diag.CacheSize, fmt.Sprintf("%d entries are fewer than one request may ask for, so that each drops what the one before has left", n),
			"use some ten thousands, or leave it out for 100,000"))
	}
}

// The defaults of caches.
const (
	defaultTTL      = 5 * time.Second
	defaultRedisTTL = 30 * time.Second
)

// idleCache finds settings of a cache that is off.
func (c *checker) idleCache(conf *configv1.Cache, at *source.Place) {
	if conf.GetRedis().GetEnabled() {
		c.noEffect(at.Field("redis"), "redis", "enabled")
	}
	if conf.GetStaleOnError() != nil {
		c.noEffect(at.Field("stale_on_error"), "stale_on_error", "enabled")
	}
	if conf.GetStaleWhileLoading() != nil {
		c.noEffect(at.Field("stale_while_loading"), "stale_while_loading", "enabled")
	}
}

// staleness looks at how old what is served may be beyond the time to live, and at the copy in Redis.
func (c *checker) staleness(conf *configv1.Cache, at *source.Place) {
	if old := conf.GetStaleOnError().AsDuration(); old > longestTTL {
		c.report(at.Field("stale_on_error").Warning(diag.CacheSize, fmt.Sprintf("while the provider fails, prices may be %s old", strings.TrimSuffix(old.String(), "0m0s")),
			"use minutes, as long as a wrong price is better than none"))
	}
	redis := conf.GetRedis()
	ttl := orElse(conf.GetTtl(), defaultTTL)
	if !redis.GetEnabled() {
		if redis.GetTtl() != nil && !at.Field("redis").Field("enabled").Bad() {
			c.noEffect(at.Field("redis").Field("ttl"), "ttl", "redis.enabled")
		}
		return
	}
	shared, here := orElse(redis.GetTtl(), defaultRedisTTL), at.Field("redis").Field("enabled")
	if redis.GetTtl() != nil {
		here = at.Field("redis").Field("ttl")
	}
	if shared <= ttl && !here.Bad() && !at.Field("ttl").Bad() {
		c.report(here.Warning(diag.TimesContradict, fmt.Sprintf("Redis keeps records for %s, no longer than the memory of a process does with %s: it hardly ever has what a process lacks", shared, ttl),
			"make the ttl of redis longer, or that of the cache shorter"))
	}
	if shared > longestTTL {
		c.report(here.Warning(diag.CacheSize, fmt.Sprintf("prices may be %s old", strings.TrimSuffix(shared.String(), "0m0s")), "use seconds or minutes, as long as an old price may be shown"))
	}
}

// longestKept is how long an entry of a cache is served.
func longestKept(conf *configv1.Cache) time.Duration {
	ttl := orElse(conf.GetTtl(), defaultTTL)
	if conf.GetRedis().GetEnabled() {
		return max(ttl, orElse(conf.GetRedis().GetTtl(), defaultRedisTTL))
	}
	return ttl
}

// orElse is a duration that is written, or its default.
func orElse(written *durationpb.Duration, otherwise time.Duration) time.Duration {
	if written == nil {
		return otherwise
	}
	return written.AsDuration()
}

// changeStream finds names that are no key, and a stream that purges nothing.
func (c *checker) changeStream() {
	caches, at := c.bundle.GetCaches(), c.root.Field("caches")
	s, here := caches.GetChangeStream(), at.Field("change_stream")
	if s == nil {
		return
	}
	if strings.ContainsFunc(s.GetStream(), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		c.report(here.Field("stream").Error(diag.Constraint, "stream holds a space or a control character, which no key should", "use letters, digits, _, : and -, such as price_stock_events"))
	}
	longest := time.Duration(0)
	for _, cache := range []struct {
		conf *configv1.Cache
		at   *source.Place
	}{{caches.GetPriceStock(), at.Field("price_stock")}, {caches.GetPriceSoldOut(), at.Field("price_sold_out")}} {
		if cache.at.Bad() || cache.at.Field("enabled").Bad() || cache.at.Field("ttl").Bad() {
			return
		}
		if cache.conf.GetEnabled() {
			longest = max(longest, longestKept(cache.conf))
		}
	}
	if longest == 0 {
		c.report(here.Field("stream").Warning(diag.NoEffect, "change_stream purges nothing: no cache is enabled", "enable a cache, or take change_stream out"))
	} else if wait := s.GetDebounce().AsDuration(); wait >= longest {
		c.report(here.Field("debounce").Warning(diag.TimesContradict, fmt.Sprintf("entries have ended after %s, before they are purged after %s", longest, wait), "make debounce a small part of ttl"))
	}
}
