package scenes

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// defaultTimeout is that of calls whose dependency names none.
const defaultTimeout = 500 * time.Millisecond

// dependencies finds URLs that no provider can be called at, and times that contradict each other.
func (c *checker) dependencies() {
	for i, d := range c.bundle.GetDependencies() {
		at := c.root.Field("dependencies").Index(i)
		if d.GetProvider() == nil && len(d.GetRegions()) == 0 && !at.Field("provider").Bad() && !at.Field("regions").Bad() {
			c.report(at.Field("command").Warning(diag.NoEffect, fmt.Sprintf("dependency %s names no provider", d.GetCommand()),
				"write provider: {embedded: {}} or provider: {connect: {url: ...}}, or take the dependency out"))
			continue
		}
		c.shadowRoom(d.GetMaxConcurrent(), d.GetShadowMaxConcurrent(), at)
		limit := defaultTimeout
		if d.GetTimeout() != nil {
			limit = d.GetTimeout().AsDuration()
		}
		embedded := c.provider(d.GetProvider(), limit, at.Field("provider"))
		for _, code := range slices.Sorted(maps.Keys(d.GetRegions())) {
			embedded = c.provider(d.GetRegions()[code], limit, at.Field("regions").Key(code)) && embedded
		}
		if embedded && d.GetTimeout() != nil && limit != defaultTimeout && !at.Field("provider").Bad() {
			c.report(at.Field("timeout").Warning(diag.NoEffect, "timeout does nothing: the embedded provider answers from memory", "take it out, or name a provider that is called over the network"))
		}
	}
}

// provider looks at one provider, and says whether it is the catalog's.
func (c *checker) provider(p *configv1.Provider, limit time.Duration, at *source.Place) bool {
	if p.GetConnect() == nil {
		return p == nil || isCatalog(p)
	}
	conf, here := p.GetConnect(), at.Field("connect")
	c.address(conf, here)
	c.attempts(conf, limit, here)
	return false
}

// address refuses what the client of a provider refuses.
func (c *checker) address(conf *configv1.ConnectProvider, at *source.Place) {
	u, err := url.Parse(conf.GetUrl())
	if err != nil || u.Host == "" || at.Field("url").Bad() {
		return // the constraints say that it is no URL
	}
	wrong := func(field, message, hint string) {
		c.report(at.Field(field).Error(diag.Constraint, message, hint))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		wrong("url", fmt.Sprintf("url cannot begin with %s://", u.Scheme), "write http:// or https://")
	case u.Hostname() == "":
		wrong("url", "url names no host", "write scheme, host and port, such as http://tax:8080")
	case u.User != nil:
		wrong("url", "url holds credentials", "take them out, and use tls with cert_file and key_file")
	case u.RawQuery != "" || u.Fragment != "":
		wrong("url", "url holds more than scheme, host, port and path", "let it end before the ? or #")
	case u.Scheme == "http" && conf.GetTls() != nil:
		wrong("tls", "tls needs an https:// url", "write https:// in url, or take tls out")
	}
}

// attempts finds retries and hedges that never happen, since a call has ended before.
func (c *checker) attempts(conf *configv1.ConnectProvider, limit time.Duration, at *source.Place) {
	hedge := conf.GetHedgingDelay()
	if hedge != nil && hedge.AsDuration() >= limit {
		c.report(at.Field("hedging_delay").Warning(diag.TimesContradict,
			fmt.Sprintf("the second attempt is never sent: hedging_delay is %s, and the call ends after %s", hedge.AsDuration(), limit), "make hedging_delay much shorter than timeout, or timeout longer"))
	}
	r, retries := conf.GetRetries(), at.Field("retries")
	if conf.GetRetries() == nil || retries.Field("max_attempts").Bad() {
		return
	}
	if r.GetMaxAttempts() <= 1 {
		if r.GetBackoff() != nil {
			c.noEffect(retries.Field("backoff"), "backoff", "max_attempts of 2 or more")
		}
		if r.GetBudgetPercent() > 0 && hedge == nil {
			c.noEffect(retries.Field("budget_percent"), "budget_percent", "max_attempts of 2 or more, or hedging_delay")
		}
		return
	}
	pause := 5 * time.Millisecond
	if r.GetBackoff() != nil {
		pause = r.GetBackoff().AsDuration()
	}
	waited := time.Duration(0)
	for attempt := int32(2); attempt <= r.GetMaxAttempts(); attempt++ {
		waited += pause / 2 // at least: the other half is chance
		if waited >= limit {
			c.report(retries.Field("max_attempts").Warning(diag.TimesContradict,
				fmt.Sprintf("attempt %d of %d never happens: the pauses before it take %s or more, and the call ends after %s", attempt, r.GetMaxAttempts(), waited, limit),
				"make max_attempts or backoff smaller, or timeout longer"))
			return
		}
		pause *= 2
	}
}
