package engine

import (
	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
)

// eligibilityFeatures are the features of the three checks, in the order of market.eligibility, with the exclusivity each decides on.
var eligibilityFeatures = [3]struct {
	exclusivity facts.Exclusivity
	downgrade   configv1.DowngradeFeature
}{
	{facts.ExclusivePrice, configv1.DowngradeFeature_DOWNGRADE_FEATURE_EXCLUSIVE_PRICE},
	{facts.LiveStreamPrice, configv1.DowngradeFeature_DOWNGRADE_FEATURE_LIVE_STREAM_PRICE},
	{facts.WelcomePackage, configv1.DowngradeFeature_DOWNGRADE_FEATURE_WELCOME_PACKAGE},
}

// checkEligibility asks, for the user, about every promotion with an exclusivity, and drops those that the user may not have or that could
// not be checked. An upcoming one may still be the teaser of an item whose scenario does not check teasers.
func (st *state) checkEligibility() error {
	for i := range st.models {
		m := &st.models[i]
		promos := st.promosOf(m)
		for j := range promos {
			p := &promos[j]
			if p.dropped || p.typ.Exclusivity <= facts.NotExclusive {
				continue
			}
			kind := int(p.typ.Exclusivity - facts.ExclusivePrice)
			if st.off.has(eligibilityFeatures[kind].downgrade) {
				st.drop(m, p, "eligibility", "DOWNGRADED")
				continue
			}
			st.eligibilityKeys[kind] = append(st.eligibilityKeys[kind], EligibilityKey{
				PromoKey: PromoKey{m.rec.ItemID, m.id, p.rec.ID}, Promo: p.rec, Type: p.typ,
			})
			st.eligibilityRefs[kind] = append(st.eligibilityRefs[kind], p)
		}
	}
	st.call.EnableOngoingLiveStreams = st.plan.enableOngoingLiveStreams

	var errs [3]error
	waiting := make([]func() error, 0, 3)
	for kind := range st.eligibilityKeys {
		st.verdicts[kind] = sized(st.verdicts[kind], len(st.eligibilityKeys[kind]))
		dep := &st.market.eligibility[kind]
		ask := func() error {
			errs[kind] = dep.query(st.ctx, st, st.eligibilityKeys[kind], st.verdicts[kind])
			return errs[kind]
		}
		if dep.fromMemory || len(st.eligibilityKeys[kind]) == 0 {
			_ = ask() // kept in errs
			continue
		}
		waiting = append(waiting, ask)
	}
	together(waiting...)
	for kind, err := range errs {
		if err != nil {
			if err := st.failed(CheckExclusivePrice+Command(kind), featureNames[eligibilityFeatures[kind].downgrade], true, err); err != nil {
				return err
			}
		}
		st.dropIneligible(kind, err)
	}
	return nil
}

func (st *state) dropIneligible(kind int, failure error) {
	for i, p := range st.eligibilityRefs[kind] {
		reason := "NOT_ELIGIBLE"
		switch {
		case failure != nil:
			reason = "NOT_CHECKED"
		case st.verdicts[kind][i]:
			continue
		}
		if p.upcoming && st.plan.itemTeaser && !st.plan.strictTeaser {
			p.ineligible = true
			continue
		}
		p.dropped = true
		if st.trace != nil {
			st.trace.droppedKey(st.eligibilityKeys[kind][i].PromoKey, p, "eligibility", reason)
		}
	}
}
