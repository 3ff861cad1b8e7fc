// Package eligibility answers eligibility.exclusive_price, eligibility.live_stream and eligibility.welcome_package: who may have a promotion.
package eligibility

import (
	"context"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
)

// Embedded answers one of the commands by the configuration's eligibility rule for it, with users and live-stream sessions of a catalog.
//
// Without a rule nobody may have exclusive prices and welcome packages; a live-stream promotion is for those who come with a token of its
// session and name its streamer, and for everybody while the session is on, if the scenario enables that. Where a rule fails while it runs
// the promotion is not eligible.
type Embedded struct {
	cat     *catalog.Catalog
	command engine.Command
}

var _ engine.EligibilityProvider = (*Embedded)(nil)

// NewEmbedded is the provider of a command over a catalog.
func NewEmbedded(cat *catalog.Catalog, command engine.Command) *Embedded {
	return &Embedded{cat: cat, command: command}
}

// AnswersFromMemory marks the provider for the engine.
func (*Embedded) AnswersFromMemory() {}

// Query runs the rule for each promotion. It allocates the rule's input once.
func (e *Embedded) Query(_ context.Context, call *engine.Call, keys []engine.EligibilityKey, out []bool) error {
	rule := call.Snap.EligibilityRules[e.command.String()]
	if rule == nil && e.command != engine.CheckLiveStream {
		return nil
	}
	var stream facts.LiveStream
	in := &rules.Input{Request: call.Request, Zone: call.Region.Zone}
	if rule != nil {
		in.User = e.cat.User(call.Request.UserID)
	}
	if e.command == engine.CheckLiveStream {
		in.LiveStream = &stream
	}
	for i := range keys {
		key := &keys[i]
		if e.command == engine.CheckLiveStream {
			session := e.cat.Session(key.Promo.SessionID, max(call.Request.At, key.Promo.Start)) // of an upcoming promotion: as of its start
			stream = facts.LiveStream{
				Ongoing: session.Ongoing, TokenValid: session.Accepts(call.Request.LiveStreamToken), AutoEnable: call.EnableOngoingLiveStreams,
			}
		}
		if rule == nil {
			out[i] = stream.AutoEnable && stream.Ongoing || stream.TokenValid && call.Request.StreamerID == key.Promo.StreamerID
			continue
		}
		in.Promo, in.PromoType, in.PromoPrice = key.Promo, key.Type, price(key.Promo, call.Region)
		eligible, err := rule.Bool(in)
		out[i] = eligible && err == nil
		if err != nil {
			call.RuleFailed(e.command.String(), err)
		}
	}
	return nil
}

// price is that of a record in the region's default tax mode, or the one that it has.
func price(p *facts.Promo, region *scenes.Region) int64 {
	if p.PreTax == facts.NoPrice || p.PostTax != facts.NoPrice && region.TaxMode == configv1.TaxMode_TAX_MODE_POST_TAX {
		return p.PostTax
	}
	return p.PreTax
}
