package scenes

import (
	"fmt"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// experiments finds those that compare nothing. All references are good.
func (c *checker) experiments() {
	salts := map[string]int{}
	for i, e := range c.bundle.GetExperiments() {
		at := c.root.Field("experiments").Index(i)
		if first, taken := salts[e.GetSalt()]; taken {
			d := at.Field("salt").Warning(diag.SameSalt, fmt.Sprintf("experiments %s and %s have one salt: they split the same users alike", c.bundle.GetExperiments()[first].GetName(), e.GetName()),
				"give each a salt of its own, such as "+e.GetName()+"_1")
			d.Related = []diag.Related{c.root.Field("experiments").Index(first).Field("salt").Span().Related("first given here")}
			c.report(d)
		} else {
			salts[e.GetSalt()] = i
		}
		if unit := c.exprs.units[i]; unit != nil && len(unit.Variables()) == 0 {
			c.report(at.Field("unit").Warning(diag.SameUnit, "the unit is the same for every request: all are in one group", "choose what differs between users, such as user.id"))
		}
		c.groupsOf(e, at)
	}
}

// behaviour is what a group makes of a scene.
type behaviour struct {
	scenario string
	vouchers bool
}

func (c *checker) groupsOf(e *configv1.Experiment, at *source.Place) {
	for j, g := range e.GetGroups() {
		if g.GetShare() == 0 {
			c.report(at.Field("groups").Index(j).Field("name").Warning(diag.NoEffect, fmt.Sprintf("nobody is in group %s: its share is 0", g.GetName()), "give it a share, or take it out"))
		}
	}
	same := map[string]bool{}
	for _, name := range e.GetScenes() {
		if i, ok := c.links.scenes.byName[name]; ok && !c.differs(c.bundle.GetScenes()[i], e) {
			same[name] = true
		}
	}
	switch {
	case len(same) == 0:
	case len(same) == len(e.GetScenes()):
		c.report(at.Field("name").Warning(diag.NoEffect, fmt.Sprintf("experiment %s compares nothing: all of its groups do the same", e.GetName()),
			"give a group features that its scenes do not have, such as another scenario; price_after_voucher is one where vouchers are enabled"))
	default:
		for j, name := range e.GetScenes() {
			if same[name] {
				c.report(at.Field("scenes").Index(j).Warning(diag.NoEffect, fmt.Sprintf("experiment %s compares nothing in scene %s: all of its groups do the same there", e.GetName(), name),
					"take the scene out, here and its ab_test, or give a group features that the scene does not have"))
			}
		}
	}
}

// differs says whether two groups of an experiment make a difference in a scene, or the only group makes one to the scene itself.
func (c *checker) differs(s *configv1.Scene, e *configv1.Experiment) bool {
	enabled := c.uses(s, configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER)
	own := behaviour{s.GetScenario(), enabled}
	all := map[behaviour]bool{}
	for _, g := range e.GetGroups() {
		if g.GetShare() == 0 {
			continue
		}
		b := own
		if name := g.GetFeatures().GetScenario(); name != "" {
			b.scenario = name
		}
		if f := g.GetFeatures(); f != nil && f.PriceAfterVoucher != nil && !f.GetPriceAfterVoucher() {
			b.vouchers = false
		}
		all[b] = true
	}
	return len(all) > 1 || !all[own]
}
