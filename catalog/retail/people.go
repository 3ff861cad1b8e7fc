package retail

import (
	"cmp"
	"slices"
	"strings"
)

// users are the households that the data names anywhere.
func (m *maker) users() {
	known := map[int64]bool{}
	for id := range m.households {
		known[id] = true
	}
	for id := range m.members {
		known[id] = true
	}
	for _, l := range m.lines {
		known[l.user] = true
	}
	ids := make([]int64, 0, len(known))
	for id := range known {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		m.add("users", row{"user_id": number(id), "segments": strings.Join(m.segments(id), " ")})
	}
}

func (m *maker) segments(user int64) []string {
	var all []string
	h := m.households[user]
	for _, s := range []struct{ prefix, value string }{
		{"age_", h.age}, {"income_", h.income}, {"", h.home}, {"", h.marital}, {"household_size_", h.size}, {"kids_", h.kids},
	} {
		if s.value != "" {
			all = append(all, s.prefix+slug(strings.ReplaceAll(s.value, "+", "_plus")))
		}
	}
	campaigns := slices.Clone(m.members[user])
	slices.Sort(campaigns)
	for _, id := range slices.Compact(campaigns) {
		all = append(all, campaignSegment(id))
	}
	if one(20, "new user", user) {
		all = append(all, "new_user")
	}
	return all
}

func campaignSegment(id int64) string { return "campaign_" + number(id) }

// purchases are what households bought at weekly cuts that have a purchase limit.
func (m *maker) purchases() {
	type key struct{ user, model, promotion int64 }
	bought := map[key]int64{}
	for _, l := range m.lines {
		if cutLimit(l.model) == 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(m.cuts, l, func(c cut, l line) int {
			return cmp.Or(cmp.Compare(c.model, l.model), cmp.Compare(c.end, l.at+1))
		})
		if at < len(m.cuts) && m.cuts[at].model == l.model && m.cuts[at].start <= l.at {
			bought[key{l.user, l.model, m.cutID(m.cuts[at])}] += l.quantity
		}
	}
	keys := make([]key, 0, len(bought))
	for k := range bought {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.model, b.model), cmp.Compare(a.promotion, b.promotion))
	})
	for _, k := range keys {
		m.add("purchases", row{
			"user_id": number(k.user), "model_id": number(k.model), "promotion_id": number(k.promotion), "quantity": number(bought[k]),
		})
	}
}
