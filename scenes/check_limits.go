package scenes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/rules"
	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// shortestFlushed is the window below which counts that are added up each second say little.
const shortestFlushed = time.Second

// limits finds dimensions whose settings contradict each other, or do nothing.
func (c *checker) limits() {
	c.liveTwins("limits", sortedKeys(c.bundle.GetLimits()), "limit", "only shadow traffic is counted by it")
	eachDimension(c.bundle.GetLimits(), func(name dimensionName, d *configv1.LimitDimension) {
		at := dimensionAt(c.root, name)
		c.contradictions(d, at)
		c.idle(d, at)
		if key := c.exprs.keys[name]; key != nil && len(key.Variables()) == 0 {
			c.report(at.Field("key").Warning(diag.NoEffect, "the key is the same for every request: there is one count for all anyway", "choose what is counted apart, such as string(user.id), or leave it out"))
		}
	})
}

// contradictions are errors: what is written cannot be done.
func (c *checker) contradictions(d *configv1.LimitDimension, at *source.Place) {
	if soft := at.Field("soft_limit"); d.GetSoftLimit() > 0 && d.GetSoftLimit() >= d.GetLimit() && !soft.Bad() && at.Field("limit").Written() && !at.Field("limit").Bad() {
		c.report(soft.Error(diag.Constraint, fmt.Sprintf("soft_limit cannot be %d: no request is beyond it and within limit %d", d.GetSoftLimit(), d.GetLimit()), "make it less than limit"))
	}
	if d.GetBurst() > 0 && d.GetFixed() {
		c.report(at.Field("fixed").Error(diag.ConflictingField, "burst and fixed exclude each other: with burst, requests flow at limit / window", "keep one of them"))
	}
	if d.GetKey() != "" && d.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE {
		c.report(at.Field("precision").Error(diag.ConflictingField, "key and APPROXIMATE exclude each other: shares are of one count for all", "use LOCAL or PRECISE, or leave the key out"))
	}
	most, of := d.GetLimit(), "limit"
	if d.GetBurst() > 0 {
		most, of = d.GetBurst(), "burst"
	}
	if reserved(d) && d.GetChunk() > most && at.Field(of).Written() && !at.Field(of).Bad() {
		c.report(at.Field("chunk").Error(diag.Constraint, fmt.Sprintf("chunk cannot be %d: so many are never free at once, for %s is %d", d.GetChunk(), of, most), "make it a small part of "+of))
	}
}

// reserved says whether a count is kept by reserving ahead.
func reserved(d *configv1.LimitDimension) bool {
	precise := d.GetPrecision() <= configv1.LimitPrecision_LIMIT_PRECISION_PRECISE
	return precise && d.GetCounting() == configv1.LimitCounting_LIMIT_COUNTING_RESERVED
}

// idle are warnings: what is written does nothing, or little.
func (c *checker) idle(d *configv1.LimitDimension, at *source.Place) {
	if at.Field("precision").Bad() || at.Field("counting").Bad() {
		return
	}
	if d.GetPrecision() > configv1.LimitPrecision_LIMIT_PRECISION_PRECISE && d.GetCounting() != 0 {
		c.noEffect(at.Field("counting"), "counting", "precision: PRECISE")
	} else if d.GetChunk() > 0 && !reserved(d) {
		c.noEffect(at.Field("chunk"), "chunk", "counting: RESERVED")
	}
	if d.GetPrecision() == configv1.LimitPrecision_LIMIT_PRECISION_APPROXIMATE && d.GetFixed() {
		c.report(at.Field("fixed").Warning(diag.NoEffect, "fixed does nothing with precision: APPROXIMATE, where requests flow at a share of limit / window", "take it out"))
	}
	if window := d.GetWindow().AsDuration(); d.GetCounting() == configv1.LimitCounting_LIMIT_COUNTING_FLUSHED && d.GetWindow() != nil && window < shortestFlushed {
		c.report(at.Field("window").Warning(diag.LimitsContradict, fmt.Sprintf("a window of %s is over before counts are added up", window),
			"use counting: EACH or RESERVED, or a window of some seconds"))
	}
}

// liveTwins finds shadow twins of what is not there.
func (c *checker) liveTwins(section string, names []string, kind, effect string) {
	var live []string
	for _, name := range names {
		if !isTwin(name) {
			live = append(live, name)
		}
	}
	places := c.root.Field(section)
	for _, name := range names {
		want := liveName(name)
		if !isTwin(name) || want == "" || isTwin(want) || slices.Contains(live, want) || places.Bad() || !c.whole {
			continue
		}
		hint := fmt.Sprintf("add %s, or take %s out", want, name)
		if near := diag.Nearest(want, live); near != "" {
			hint = "did you mean " + shadowPrefix + near + "?"
		}
		c.report(places.Key(name).Warning(diag.NoLiveTwin, fmt.Sprintf("%s is the shadow twin of nothing: there is no %s %s, so %s", name, kind, want, effect), hint))
	}
}

// counts finds requests that a limit counts twice, and guests who are counted as one user. All references are good.
func (c *checker) counts() {
	inbound := map[string]*source.Place{}
	for i, name := range c.bundle.GetInbound().GetLimits() {
		at := c.root.Field("inbound").Field("limits").Index(i)
		inbound[name] = at
		c.guests(name, c.bundle.GetScenes(), at)
	}
	quotas := map[string]*source.Place{}
	for i, client := range c.bundle.GetClients() {
		name, at := client.GetQuota(), c.root.Field("clients").Index(i).Field("quota")
		if name == "" {
			continue
		}
		c.countedTwice(name, "the quota of client "+client.GetName(), at, inbound[name])
		var allowed []*configv1.Scene
		for _, scene := range client.GetAllowedScenes() {
			if s, ok := c.links.scenes.byName[scene]; ok {
				allowed = append(allowed, c.bundle.GetScenes()[s])
				quotas[name+" "+scene] = at
			}
		}
		c.guests(name, allowed, at)
	}
	for i, s := range c.bundle.GetScenes() {
		for j, name := range s.GetLimits() {
			at := c.root.Field("scenes").Index(i).Field("limits").Index(j)
			first := inbound[name]
			if first == nil {
				first = quotas[name+" "+s.GetName()]
			}
			c.countedTwice(name, "scene "+s.GetName(), at, first)
			c.guests(name, []*configv1.Scene{s}, at)
		}
	}
}

func (c *checker) countedTwice(limit, by string, at, first *source.Place) {
	if first == nil {
		return
	}
	d := at.Warning(diag.CountedTwice, fmt.Sprintf("limit %s counts requests twice: %s asks for it too", limit, by), "take it out in one of the two places, or use another limit")
	d.Related = []diag.Related{first.Span().Related("they are counted here first")}
	c.report(d)
}

// guests finds limits by user on scenes that nobody need log in for: all guests together have what one user may have.
func (c *checker) guests(limit string, all []*configv1.Scene, at *source.Place) {
	names := map[string]bool{}
	for _, s := range all {
		if !slices.ContainsFunc(c.scenarios(s), func(x *configv1.Scenario) bool { return x.GetEligibility().GetLoginMode() }) {
			names[s.GetName()] = true
		}
	}
	dimensions := c.bundle.GetLimits()[limit].GetDimensions()
	for _, name := range sortedKeys(dimensions) {
		if len(names) > 0 && byUser(c.exprs.keys[dimensionName{limit, name}]) {
			c.report(at.Warning(diag.GuestsTogether, fmt.Sprintf("%s of limit %s counts all guests as one user, and nobody need log in for %s", name, limit, listOf(names)),
				"count guests by something else, such as user.logged_in ? string(user.id) : request.client_platform, or use the limit elsewhere"))
			return
		}
	}
}

// byUser says whether a key tells users apart, and nothing else.
func byUser(key *rules.Rule) bool {
	return key != nil && key.Uses("user.id") && !slices.ContainsFunc(key.Variables(), func(v string) bool { return !strings.HasPrefix(v, "user.") })
}
