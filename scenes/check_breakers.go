package scenes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// breakers finds breakers that never open, and times of them that contradict each other.
func (c *checker) breakers() {
	c.breakersIn(c.bundle.GetBreakers(), nil, c.root.Field("breakers"))
	c.breakersIn(c.bundle.GetSceneBreakers(), nil, c.root.Field("scene_breakers"))
	for i, s := range c.bundle.GetScenes() {
		if len(s.GetBreakers()) > 0 {
			c.breakersIn(s.GetBreakers(), c.bundle.GetSceneBreakers(), c.root.Field("scenes").Index(i).Field("breakers"))
		}
	}
}

// breakersIn looks at breakers of one place; those of others hold for what they leave out.
func (c *checker) breakersIn(own, others map[string]*configv1.Breaker, at *source.Place) {
	for _, key := range sortedKeys(own) {
		command, shadow := strings.CutPrefix(key, shadowCommand)
		here, replaced := at.Key(key), others[key]
		if shadow {
			live := own[command]
			if live == nil {
				live = others[command]
			}
			if replaced == nil {
				replaced = live
			}
			if live == nil && !at.Bad() && c.whole && slices.Contains(commands[:], command) {
				c.report(here.Warning(diag.NoLiveTwin, fmt.Sprintf("%s is the shadow twin of nothing: there is no breaker %s here, so only calls of shadow traffic are watched", key, command),
					fmt.Sprintf("add %s, or take %s out", command, key)))
			}
		}
		c.breaker(key, own[key], opens(replaced), here)
		if !shadow {
			c.slowCalls(command, own[key], here)
		}
	}
}

// opens says whether a breaker ever does.
func opens(b *configv1.Breaker) bool {
	return b.GetErrorPercentThreshold() > 0 || b.GetTimeoutPercentThreshold() > 0
}

// breaker looks at a single one; switchesOff says that it stands in the place of one that opens.
func (c *checker) breaker(key string, b *configv1.Breaker, switchesOff bool, at *source.Place) {
	errors, slow := at.Field("error_percent_threshold"), at.Field("timeout_percent_threshold")
	if errors.Bad() || slow.Bad() || at.Field("timeout_threshold_seconds").Bad() {
		return
	}
	if !opens(b) {
		if !switchesOff {
			c.report(at.Warning(diag.NoEffect, fmt.Sprintf("breaker %s never opens: it has no threshold", key), "set error_percent_threshold or timeout_percent_threshold, or take it out"))
		}
		return
	}
	if b.GetTimeoutThresholdSeconds() > 0 && b.GetTimeoutPercentThreshold() == 0 {
		c.noEffect(at.Field("timeout_threshold_seconds"), "timeout_threshold_seconds", "timeout_percent_threshold")
	}
	if wait := b.GetHalfOpenMaxWait(); wait != nil && b.GetTimeoutPercentThreshold() > 0 && wait.AsDuration() < slowAfter(b) {
		c.report(at.Field("half_open_max_wait").Warning(diag.TimesContradict,
			fmt.Sprintf("a probe counts as failed after %s, before it is slow after %s", wait.AsDuration(), slowAfter(b)), "make half_open_max_wait longer than timeout_threshold_seconds, or leave it out"))
	}
}

func slowAfter(b *configv1.Breaker) time.Duration {
	return time.Duration(b.GetTimeoutThresholdSeconds() * float64(time.Second))
}

// slowCalls finds breakers that wait for calls slower than calls can be.
func (c *checker) slowCalls(command string, b *configv1.Breaker, at *source.Place) {
	if b.GetTimeoutPercentThreshold() == 0 || b.GetTimeoutThresholdSeconds() == 0 {
		return
	}
	for i, d := range c.bundle.GetDependencies() {
		timeout := orElse(d.GetTimeout(), defaultTimeout)
		dependency := c.root.Field("dependencies").Index(i)
		if d.GetCommand() != command || onlyCatalog(d) || slowAfter(b) < timeout || dependency.Field("timeout").Bad() {
			continue
		}
		found := at.Field("timeout_threshold_seconds").Warning(diag.TimesContradict, fmt.Sprintf("no call of %s is slow: one ends after %s, and is slow after %s", command, timeout, slowAfter(b)),
			"make timeout_threshold_seconds smaller than the dependency's timeout, or that longer")
		found.Related = []diag.Related{dependency.Field("timeout").Span().Related("the dependency")}
		c.report(found)
	}
}

// unusedBreakers finds those of commands that nobody calls.
func (c *checker) unusedBreakers() {
	for _, section := range []struct {
		name     string
		breakers map[string]*configv1.Breaker
	}{{"breakers", c.bundle.GetBreakers()}, {"scene_breakers", c.bundle.GetSceneBreakers()}} {
		for _, key := range sortedKeys(section.breakers) {
			if strings.HasPrefix(key, shadowCommand) || c.called(key) {
				continue
			}
			c.report(c.root.Field(section.name).Key(key).Warning(diag.Unused, fmt.Sprintf("no scene needs %s, so its breaker watches nothing", key),
				"take the breaker out, or let a scene need what the command answers"))
		}
	}
	for i, s := range c.bundle.GetScenes() {
		for _, key := range sortedKeys(s.GetBreakers()) {
			if command := strings.TrimPrefix(key, shadowCommand); !c.calls(s, command) {
				c.report(c.root.Field("scenes").Index(i).Field("breakers").Key(key).Warning(diag.Unused, fmt.Sprintf("scene %s does not need %s, so this breaker watches nothing", s.GetName(), command),
					"take the breaker out, or let the scene need what the command answers"))
			}
		}
	}
}
