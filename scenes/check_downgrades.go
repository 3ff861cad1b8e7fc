package scenes

import (
	"fmt"
	"slices"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// downgrades finds those that have ended, that others hold already, that turn off what is not on, and that leave nothing. All references are
// good.
func (c *checker) downgrades() {
	all := c.bundle.GetDowngrades()
	for i, d := range all {
		at := c.root.Field("downgrades").Index(i)
		if c.ended(d) {
			c.report(at.Field("until").Warning(diag.DowngradeEnded, "this downgrade has ended", "take it out, or set a later time"))
			continue
		}
		if j := slices.IndexFunc(all, func(other *configv1.Downgrade) bool { return other != d && c.holds(other, d) }); j >= 0 && (j < i || !c.holds(d, all[j])) {
			f := at.Field("feature").Warning(diag.DowngradeTwice, fmt.Sprintf("%s is downgraded here already, and for as long, by another downgrade", short(d)), "take this one out, or the other")
			f.Related = []diag.Related{c.root.Field("downgrades").Index(j).Field("feature").Span().Related("the other downgrade")}
			c.report(f)
			continue
		}
		c.downgradedScenes(d, at)
	}
}

func (c *checker) ended(d *configv1.Downgrade) bool {
	return d.GetUntil() != nil && !d.GetUntil().AsTime().After(c.now)
}

// holds says whether a downgrade is for all that another is for, and ends no earlier.
func (c *checker) holds(wide, narrow *configv1.Downgrade) bool {
	within := func(wide, narrow []string) bool {
		return len(wide) == 0 || len(narrow) > 0 && !slices.ContainsFunc(narrow, func(name string) bool { return !slices.Contains(wide, name) })
	}
	longer := wide.GetUntil() == nil || narrow.GetUntil() != nil && !wide.GetUntil().AsTime().Before(narrow.GetUntil().AsTime())
	feature := wide.GetFeature() == narrow.GetFeature() || wide.GetFeature() == configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE
	return feature && longer && !c.ended(wide) && within(wide.GetRegions(), narrow.GetRegions()) && within(wide.GetScenes(), narrow.GetScenes())
}

// downgradedScenes looks at what a downgrade does to the scenes that it is for.
func (c *checker) downgradedScenes(d *configv1.Downgrade, at *source.Place) {
	used, emptied := false, map[string]bool{}
	look := func(s *configv1.Scene) bool {
		if s.GetDowngrade().GetIsDowngraded() || !c.uses(s, d.GetFeature()) {
			return false
		}
		used = true
		if !answers(s, d.GetFeature()) && answers(s, configv1.DowngradeFeature_DOWNGRADE_FEATURE_UNSPECIFIED) {
			emptied[s.GetName()] = true
		}
		return true
	}
	if len(d.GetScenes()) == 0 {
		for _, s := range c.bundle.GetScenes() {
			look(s)
		}
		if !used {
			c.report(at.Field("feature").Warning(diag.NoEffect, fmt.Sprintf("no scene has %s, so there is nothing to turn off", short(d)), "take the downgrade out"))
		}
	}
	for j, name := range d.GetScenes() {
		if i, ok := c.links.scenes.byName[name]; ok && !look(c.bundle.GetScenes()[i]) {
			c.report(at.Field("scenes").Index(j).Warning(diag.NoEffect, fmt.Sprintf("scene %s has no %s that could be turned off", name, short(d)), "take the scene out of this downgrade"))
		}
	}
	if len(emptied) > 0 {
		c.report(at.Field("feature").Warning(diag.EmptyScene, fmt.Sprintf("while %s is downgraded, answers are empty in: %s", short(d), listOf(emptied)),
			"leave these scenes out of the downgrade, or let them need something else too"))
	}
}

// short is the feature as files write it.
func short(d *configv1.Downgrade) string {
	return source.EnumShort(d.GetFeature().Descriptor(), d.GetFeature().String())
}
