// Package choice chooses vouchers for the display of a price: the best pair of a shop voucher and a platform voucher for one unit of a model,
// and what there is to say about the vouchers that were not chosen.
//
// The platform voucher applies to what the shop voucher left. Of all admissible pairs the one with the largest total discount is chosen; of
// pairs that are equal in it, in this order,
//
//  1. the one with fewer vouchers,
//  2. the one with the earlier expiry: the expiries of each, the earlier first, are compared one after the other,
//  3. the one with the lower voucher id: the ids of each, the lower first, are compared one after the other.
//
// As ids are unique, this is a total order: equal questions have equal answers, whatever the order of definitions. The search is exact; it leaves
// out only what a bound proves to be no better. It rests on one property of all kinds of discount: they never fall when the amount rises.
package choice

import (
	"fmt"
	"sync"
	"sync/atomic"

	"proscenium/facts"
	"proscenium/rules"
	"proscenium/scenes"
)

// Index holds voucher definitions, ready to choose from. It is immutable as seen from outside and safe for concurrent use; it keeps the
// definitions that it was made of, which nobody may change any more.
type Index struct {
	offers     []offer
	conditions []*rules.Rule // the distinct user conditions
	ruled      int           // how many offers have an applies_when
	views      views
	choosers   sync.Pool
}

// Problem is a fault of a definition. The voucher is never chosen; its reason is RULE_ERROR or INVALID_DEFINITION.
type Problem struct {
	VoucherID int64
	// Field is the name of the definition's field, such as applies_when.
	Field string
	// Rule is the fault of the expression, where the field is one.
	Rule rules.Problem
	// Message says what is wrong and how to mend it.
	Message string
}

func (p Problem) String() string {
	return fmt.Sprintf("voucher %d: %s: %s", p.VoucherID, p.Field, p.Message)
}

// NewIndex compiles definitions. Vouchers with problems are in the index, but never chosen.
func NewIndex(vouchers []facts.Voucher) (*Index, []Problem) {
	c := compiler{
		ids: make(map[int64]bool, len(vouchers)), groups: map[string]int32{}, rules: map[source]*compiled{}, conditions: map[*rules.Rule]int32{},
		index: &Index{offers: make([]offer, len(vouchers))},
	}
	for i := range vouchers {
		c.compile(&c.index.offers[i], &vouchers[i])
	}
	c.index.views.current.Store(&[]generation{})
	return c.index, c.problems
}

// compiler makes offers of vouchers. Expressions that many vouchers share compile once.
type compiler struct {
	index      *Index
	problems   []Problem
	ids        map[int64]bool
	groups     map[string]int32
	rules      map[source]*compiled
	conditions map[*rules.Rule]int32
}

type source struct {
	place rules.Place
	text  string
}

type compiled struct {
	rule     *rules.Rule
	problems []rules.Problem
}

func (c *compiler) compile(o *offer, v *facts.Voucher) {
	*o = offer{
		id: v.ID, start: v.Start, end: v.End, minSpend: v.MinSpend, kind: v.Kind, value: v.Value, limit: unlimited,
		exclusive: v.Exclusive, condition: none, ruled: none, voucher: v, covers: scopeOf(v),
		validated: v.UserCondition != "" || len(v.UserPaths) > 0 || len(v.StreamerIDs) > 0 || len(v.VideoCreators) > 0 ||
			len(v.AdsIDs) > 0 || len(v.Platforms) > 0 || len(v.DeviceTypes) > 0,
	}
	o.scoped = o.covers.restrictsBeyond(o.covers.placement())
	if v.CapPerUnit > 0 {
		o.limit = v.CapPerUnit
	}
	if v.Group != "" {
		if c.groups[v.Group] == 0 {
			c.groups[v.Group] = int32(len(c.groups) + 1)
		}
		o.group = c.groups[v.Group]
	}
	c.check(o, v)
	if rule := c.rule(o, "applies_when", rules.VoucherAppliesWhen, v.AppliesWhen); rule != nil {
		o.when, o.ruled = rule, int32(c.index.ruled)
		c.index.ruled++
	}
	if rule := c.rule(o, "user_condition", rules.VoucherUserCondition, v.UserCondition); rule != nil {
		place, known := c.conditions[rule]
		if !known {
			place = int32(len(c.index.conditions))
			c.conditions[rule] = place
			c.index.conditions = append(c.index.conditions, rule)
		}
		o.condition = place
	}
}

// rule is the compiled expression, or nil where there is none or it is faulty.
func (c *compiler) rule(o *offer, field string, place rules.Place, text string) *rules.Rule {
	if text == "" {
		return nil
	}
	done := c.rules[source{place, text}]
	if done == nil {
		rule, problems := rules.Compile(place, text)
		done = &compiled{rule, problems}
		c.rules[source{place, text}] = done
	}
	if len(done.problems) == 0 {
		return done.rule
	}
	for _, p := range done.problems {
		message := p.Message
		if p.Hint != "" {
			message += " (" + p.Hint + ")"
		}
		c.problems = append(c.problems, Problem{VoucherID: o.id, Field: field, Rule: p, Message: message})
	}
	if o.fault == Applied {
		o.fault = RuleError
	}
	return nil
}

// check finds values that no voucher may have: with them a discount could be negative, or a rebate larger than its discount.
func (c *compiler) check(o *offer, v *facts.Voucher) {
	require := func(valid bool, field, format string, args ...any) {
		if !valid {
			c.problems = append(c.problems, Problem{VoucherID: v.ID, Field: field, Message: fmt.Sprintf(format, args...)})
			o.fault = InvalidDefinition
		}
	}
	require(!c.ids[v.ID], "voucher_id", "another voucher has the id %d: give each its own", v.ID)
	c.ids[v.ID] = true
	require(v.Layer == facts.LayerShop || v.Layer == facts.LayerPlatform, "layer", "unknown layer %d", v.Layer)
	require(v.Kind <= facts.DiscountNewPrice, "kind", "unknown kind of discount %d", v.Kind)
	require(v.RewardType >= 0 && v.RewardType < rewardTypes, "reward_type", "unknown reward type %d: the types are 0 to %d", v.RewardType, rewardTypes-1)
	require(v.Value >= 0, "value", "%d is negative", v.Value)
	require(v.Kind != facts.DiscountPercent || v.Value <= facts.RateOne, "value", "rate %d is above 100%% (%d)", v.Value, facts.RateOne)
	require(v.CapPerUnit >= 0, "cap_per_unit", "%d is negative: 0 is no cap", v.CapPerUnit)
	require(v.MinSpend >= 0, "min_spend", "%d is negative", v.MinSpend)
	require(v.RebateShare >= 0 && v.RebateShare <= facts.RateOne, "rebate_share", "%d is not between 0 and 100%% (%d)", v.RebateShare, facts.RateOne)
	require(v.Start < v.End, "end", "the window ends at or before its start")
}

// rewardTypes is how many there are.
const rewardTypes = int32(len(scenes.Snapshot{}.ReducesPrice))

// views are the parts of the index that configurations ask for. Readers take no lock; who finds nothing builds it, once for all who wait for it.
type views struct {
	current  atomic.Pointer[[]generation] // oldest first
	building sync.Mutex
}

// generation holds the views of one configuration. It never changes.
type generation struct {
	snap  *scenes.Snapshot
	views map[viewKey]*view
}

// generations is how many configurations are kept: requests under way may still use the one before the last.
const generations = 2

type viewKey struct {
	pool   *scenes.VoucherPool
	region *scenes.Region
	layer  facts.Layer
}

// view is the vouchers of one pool, layer and region.
type view struct {
	region  string
	layer   facts.Layer
	reduces [rewardTypes]bool
	members []uint64 // by place in Index.offers
	price   *shelf   // those that reduce the price
	beside  []rewards
}

// rewards are vouchers with one reward type that does not reduce the price.
type rewards struct {
	rewardType int32
	shelf      *shelf
}

func (v *view) has(place int) bool { return v != nil && v.members[place/64]&(1<<(place%64)) != 0 }

func (v *view) shelf() *shelf {
	if v == nil {
		return nil
	}
	return v.price
}

func (v *view) rewards() []rewards {
	if v == nil {
		return nil
	}
	return v.beside
}
