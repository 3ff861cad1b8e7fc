package choice_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/scenes"
	"proscenium/vouchers/choice"
)

// oracle answers a question by trying everything, in the plainest words: no index, no bound, no order of search.
type oracle struct {
	ask      *ask
	vouchers []facts.Voucher
	reduces  [15]bool
}

// validations are the checks that fail, by name, in no order.
func (o *oracle) validations(v *facts.Voucher) []string {
	var failed []string
	check := func(validation configv1.VoucherValidation, name string, ok bool) {
		if !ok && (o.ask.bypass == nil || !o.ask.bypass.Skip[validation]) {
			failed = append(failed, name)
		}
	}
	r := &o.ask.request
	check(1, "USER_PATH", len(v.UserPaths) == 0 || slices.Contains(v.UserPaths, r.UserPath))
	check(2, "STREAMER", len(v.StreamerIDs) == 0 || slices.Contains(v.StreamerIDs, r.StreamerID))
	check(3, "VIDEO_CREATOR", len(v.VideoCreators) == 0 || slices.Contains(v.VideoCreators, r.VideoCreatorID))
	check(4, "ADS", len(v.AdsIDs) == 0 || slices.Contains(v.AdsIDs, r.AdsID))
	check(5, "CLIENT_PLATFORM", len(v.Platforms) == 0 || slices.Contains(v.Platforms, r.Platform))
	check(6, "DEVICE_TYPE", len(v.DeviceTypes) == 0 || slices.Contains(v.DeviceTypes, r.DeviceType))
	vip := o.ask.user != nil && slices.Contains(o.ask.user.Segments, "vip")
	check(7, "USER_CONDITION", v.UserCondition == "" || v.UserCondition == "true" || v.UserCondition == "'vip' in user.segments" && vip)
	return failed
}

// covers says whether the voucher is in its pool, in its window and in scope.
func (o *oracle) covers(v *facts.Voucher) bool {
	overlap := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
	}
	pool := v.Layer == facts.LayerShop && !o.ask.noShopPool || v.Layer == facts.LayerPlatform && !o.ask.noPlatformPool
	m, i := &o.ask.model, &o.ask.item
	return v.Region == "US" && pool && !v.Hidden && v.Start <= now && now < v.End &&
		(v.ShopID == 0 || v.ShopID == m.ShopID) &&
		(len(v.Models) == 0 || slices.Contains(v.Models, m.ID)) && !slices.Contains(v.NotModels, m.ID) &&
		(len(v.Items) == 0 || slices.Contains(v.Items, m.ItemID)) && !slices.Contains(v.NotItems, m.ItemID) &&
		(len(v.Categories) == 0 || overlap(v.Categories, i.Categories)) && !overlap(v.NotCategories, i.Categories) &&
		(len(v.Labels) == 0 || overlap(v.Labels, i.Labels)) && !overlap(v.NotLabels, i.Labels) &&
		(v.AppliesWhen == "" || v.AppliesWhen == "model.id == 1" && m.ID == 1)
}

func (o *oracle) applies(v *facts.Voucher) bool { return o.covers(v) && len(o.validations(v)) == 0 }

// takes is the discount of a running amount, whatever the minimum spend.
func takes(v *facts.Voucher, running int64) int64 {
	d := v.Value
	switch v.Kind {
	case facts.DiscountPercent:
		d = (running*v.Value + 50_000) / 100_000
	case facts.DiscountNewPrice:
		d = max(0, running-v.Value)
	}
	if v.CapPerUnit > 0 && d > v.CapPerUnit {
		d = v.CapPerUnit
	}
	return min(d, running)
}

func discount(v *facts.Voucher, running int64) int64 {
	if running < v.MinSpend {
		return 0
	}
	return takes(v, running)
}

// stack is vouchers that are used together, shop first, with what each takes off.
type stack []candidate

type candidate struct {
	v *facts.Voucher
	d int64
}

func (s stack) total() int64 {
	var sum int64
	for _, c := range s {
		sum += c.d
	}
	return sum
}

// compareStacks is negative where a is better: the documented order, spelled out.
func compareStacks(a, b stack) int {
	if c := cmp.Or(cmp.Compare(b.total(), a.total()), cmp.Compare(len(a), len(b))); c != 0 {
		return c
	}
	list := func(s stack, of func(*facts.Voucher) int64) []int64 {
		var l []int64
		for _, c := range s {
			l = append(l, of(c.v))
		}
		slices.Sort(l)
		return l
	}
	ends := func(v *facts.Voucher) int64 { return v.End }
	ids := func(v *facts.Voucher) int64 { return v.ID }
	return cmp.Or(slices.Compare(list(a, ends), list(b, ends)), slices.Compare(list(a, ids), list(b, ids)))
}

func clash(a, b *facts.Voucher) bool {
	return a.Exclusive || b.Exclusive || a.Group != "" && a.Group == b.Group
}

// best is the first of single candidates: largest discount, earliest expiry, lowest id.
func best(candidates []candidate) candidate {
	if len(candidates) == 0 {
		return candidate{}
	}
	return slices.MinFunc(candidates, func(a, b candidate) int { return compareStacks(stack{a}, stack{b}) })
}

// answer is what the tests compare.
type answer struct {
	Shop, Platform, BestShop, BestPlatform, Next, Highest [2]int64 // voucher id, discount
	NextReason                                            string
	NextMissing                                           int64
	Beside                                                [][2]int64
}

func short(c candidate) [2]int64 {
	if c.v == nil {
		return [2]int64{}
	}
	return [2]int64{c.v.ID, c.d}
}

func (o *oracle) answer() answer {
	price := o.ask.price
	var shops, platforms []candidate
	for i := range o.vouchers {
		v := &o.vouchers[i]
		if d := discount(v, price); d > 0 && o.reduces[v.RewardType] && o.applies(v) {
			if v.Layer == facts.LayerShop {
				shops = append(shops, candidate{v, d})
			} else {
				platforms = append(platforms, candidate{v, d})
			}
		}
	}
	chosen := stack{}
	try := func(s stack) {
		if compareStacks(s, chosen) < 0 {
			chosen = slices.Clone(s)
		}
	}
	for _, s := range shops {
		try(stack{s})
	}
	for _, p := range platforms {
		try(stack{p})
		for _, s := range shops {
			if d := discount(p.v, price-s.d); d > 0 && !clash(s.v, p.v) {
				try(stack{s, candidate{p.v, d}})
			}
		}
	}
	var shop, platform candidate
	for _, c := range chosen {
		if c.v.Layer == facts.LayerShop {
			shop = c
		} else {
			platform = c
		}
	}
	a := answer{Shop: short(shop), Platform: short(platform), BestShop: short(best(shops)), BestPlatform: short(best(platforms))}
	a.Highest = short(best(o.reachable(price)))
	o.next(&a, shop, platform)
	a.Beside = o.beside(shop, platform)
	return a
}

func (o *oracle) reachable(price int64) []candidate {
	var all []candidate
	for i := range o.vouchers {
		v := &o.vouchers[i]
		if !o.reduces[v.RewardType] || !o.applies(v) {
			continue
		}
		spend := max(price, v.MinSpend)
		switch {
		case v.Kind == facts.DiscountAmount:
			spend = 1 << 40
		case v.Kind == facts.DiscountPercent && v.CapPerUnit > 0:
			spend = 1 << 40
		}
		if d := takes(v, spend); d > 0 {
			all = append(all, candidate{v, d})
		}
	}
	return all
}

func (o *oracle) next(a *answer, shop, platform candidate) {
	type miss struct {
		candidate
		reason  string
		missing int64
	}
	var misses []miss
	for i := range o.vouchers {
		v := &o.vouchers[i]
		if !o.reduces[v.RewardType] || !o.covers(v) {
			continue
		}
		running, own, other := o.ask.price, shop, platform
		if v.Layer == facts.LayerPlatform {
			running, own, other = o.ask.price-shop.d, platform, shop
		}
		failed := o.validations(v)
		if running < v.MinSpend {
			failed = append(failed, "MIN_SPEND")
		}
		if len(failed) != 1 || slices.Contains([]string{"STREAMER", "VIDEO_CREATOR", "ADS"}, failed[0]) {
			continue
		}
		m := miss{candidate{v, takes(v, max(running, v.MinSpend))}, failed[0], max(0, v.MinSpend-running)}
		displaced := own.d
		if other.v != nil && clash(v, other.v) {
			displaced = shop.d + platform.d
		}
		if m.d > displaced {
			misses = append(misses, m)
		}
	}
	if len(misses) == 0 {
		return
	}
	first := slices.MinFunc(misses, func(a, b miss) int { return compareStacks(stack{a.candidate}, stack{b.candidate}) })
	a.Next, a.NextReason, a.NextMissing = short(first.candidate), first.reason, first.missing
}

func (o *oracle) beside(shop, platform candidate) [][2]int64 {
	var uses [][2]int64
	for kind := range int32(15) {
		var all []candidate
		for i := range o.vouchers {
			v := &o.vouchers[i]
			if v.RewardType != kind || o.reduces[kind] || !o.applies(v) {
				continue
			}
			if shop.v != nil && clash(v, shop.v) || platform.v != nil && clash(v, platform.v) {
				continue
			}
			running := o.ask.price
			if v.Layer == facts.LayerPlatform {
				running -= shop.d
			}
			if d := discount(v, running); d > 0 {
				all = append(all, candidate{v, d})
			}
		}
		if len(all) > 0 {
			uses = append(uses, short(best(all)))
		}
	}
	return uses
}

// world draws vouchers that collide: few distinct values, so that ties, thresholds and conflicts are frequent.
type world struct{ draw func(label string, n int) int }

func (w world) voucher(id int64) facts.Voucher {
	one := func(label string, n int) bool { return w.draw(label, n) == 0 }
	v := facts.Voucher{
		ID: id, Region: "US", Layer: facts.Layer(w.draw("layer", 2)), Kind: facts.DiscountKind(w.draw("kind", 3)),
		Start: facts.Always, End: now + 2 + int64(w.draw("end", 3)), MinSpend: int64(w.draw("min spend", 6)) * 10,
	}
	switch v.Kind {
	case facts.DiscountPercent:
		v.Value = int64(w.draw("rate", 8)) * 12_500
	case facts.DiscountNewPrice:
		v.Value = int64(w.draw("new price", 50))
	default:
		v.Value = int64(w.draw("amount", 20))
	}
	if one("capped", 3) {
		v.CapPerUnit = 1 + int64(w.draw("cap", 20))
	}
	v.Exclusive = one("exclusive", 8)
	v.Group = []string{"", "", "", "a", "b"}[w.draw("group", 5)]
	v.RewardType = []int32{0, 0, 0, 5, 1, 14}[w.draw("reward", 6)]
	w.restrict(&v)
	return v
}

func (w world) restrict(v *facts.Voucher) {
	few := func(label string, change func(k int64)) {
		if w.draw(label, 10) == 0 {
			change(int64(w.draw(label+" value", 2)))
		}
	}
	names := []string{"cheese", "toys"}
	few("region", func(int64) { v.Region = "GB" })
	few("hidden", func(int64) { v.Hidden = true })
	few("start", func(k int64) { v.Start = now + k })
	few("ended", func(k int64) { v.Start, v.End = facts.Always, now+k })
	few("shop", func(k int64) { v.ShopID = 100 + k })
	few("models", func(k int64) { v.Models = []int64{1 + k, 3} })
	few("items", func(k int64) { v.Items = []int64{10 + k} })
	few("categories", func(k int64) { v.Categories = []string{names[k], "grocery"}[:1+k] })
	few("labels", func(k int64) { v.Labels = []string{[]string{"fresh", "frozen"}[k]} })
	few("not models", func(k int64) { v.NotModels = []int64{1 + k} })
	few("not items", func(k int64) { v.NotItems = []int64{10 + k} })
	few("not categories", func(k int64) { v.NotCategories = []string{names[k]} })
	few("not labels", func(k int64) { v.NotLabels = []string{[]string{"fresh", "frozen"}[k]} })
	few("user path", func(k int64) { v.UserPaths = []string{[]string{"video", "search"}[k]} })
	few("streamer", func(k int64) { v.StreamerIDs = []int64{7 + k} })
	few("creator", func(k int64) { v.VideoCreators = []int64{8 + k} })
	few("ads", func(k int64) { v.AdsIDs = []int64{9 + k} })
	few("platform", func(k int64) { v.Platforms = []string{[]string{"ios", "web"}[k]} })
	few("device", func(k int64) { v.DeviceTypes = []string{[]string{"phone", "tablet"}[k]} })
	few("condition", func(k int64) { v.UserCondition = []string{"'vip' in user.segments", "false"}[k] })
	few("rule", func(k int64) { v.AppliesWhen = []string{"model.id == 1", "false"}[k] })
}

func (w world) ask() ask {
	a := cheese(int64(w.draw("price", 120)))
	a.model.ID = 1 + int64(w.draw("model", 2))
	if w.draw("guest", 3) == 0 {
		a.user = nil
	}
	if w.draw("bypassed", 3) == 0 {
		a.bypass = &scenes.BypassRule{}
		a.bypass.Skip[1+w.draw("bypass", 7)] = true
	}
	a.noShopPool, a.noPlatformPool = w.draw("no shop pool", 10) == 0, w.draw("no platform pool", 10) == 0
	return a
}

// compare asks the index and the oracle, and checks what verdicts must have in common with the pair.
func compare(t *rapid.T, m market, index *choice.Index, vouchers []facts.Voucher, question *ask) {
	got := question.in(m, index)
	use := func(u facts.VoucherUse) [2]int64 { return [2]int64{id(u), u.Discount} }
	answered := answer{
		Shop: use(got.Shop), Platform: use(got.Platform), BestShop: use(got.BestShop), BestPlatform: use(got.BestPlatform),
		Next: use(got.NextBest), Highest: use(got.HighestTier), NextReason: got.NextBestReason, NextMissing: got.NextBestMissing,
	}
	for _, u := range got.Beside {
		answered.Beside = append(answered.Beside, use(u))
	}
	o := oracle{question, vouchers, m.snap.ReducesPrice}
	if want := o.answer(); !reflect.DeepEqual(answered, want) {
		t.Fatalf("price %d: got %+v\nwant %+v", question.price, answered, want)
	}
	if len(got.Considered) != min(len(vouchers), choice.MaxConsidered) {
		t.Fatalf("%d verdicts on %d vouchers", len(got.Considered), len(vouchers))
	}
	for _, verdict := range got.Considered {
		chosen := verdict.VoucherID == id(got.Shop) || verdict.VoucherID == id(got.Platform)
		if verdict.Applied != chosen || (verdict.Reason == "") != chosen || verdict.Missing < 0 {
			t.Fatalf("verdict %+v with the pair %d and %d", verdict, id(got.Shop), id(got.Platform))
		}
	}
}

func TestNothingBeatsTheChoice(t *testing.T) {
	m := newMarket(t)
	rapid.Check(t, func(t *rapid.T) {
		w := world{func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }}
		vouchers := make([]facts.Voucher, rapid.IntRange(0, 12).Draw(t, "vouchers"))
		for i, id := range rapid.Permutation(ids(len(vouchers))).Draw(t, "ids") {
			vouchers[i] = w.voucher(id)
		}
		index, problems := choice.NewIndex(vouchers)
		if len(problems) > 0 {
			t.Fatalf("problems: %v", problems)
		}
		question := w.ask()
		compare(t, m, index, vouchers, &question)
	})
}

// TestNothingBeatsTheChoiceAmongMany reaches the levels of long lists. Only the seed is drawn: drawing each value would take most of the time.
func TestNothingBeatsTheChoiceAmongMany(t *testing.T) {
	m := newMarket(t)
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, seed))
		w := world{func(_ string, n int) int { return random.IntN(n) }}
		vouchers := make([]facts.Voucher, 20+random.IntN(1200))
		restricted := random.IntN(2) == 0
		for i, id := range random.Perm(len(vouchers)) {
			vouchers[i] = w.voucher(int64(id) + 1)
			if !restricted {
				v := &vouchers[i]
				*v = facts.Voucher{
					ID: v.ID, Region: v.Region, Layer: v.Layer, Kind: v.Kind, Value: v.Value, CapPerUnit: v.CapPerUnit, MinSpend: v.MinSpend, Start: v.Start,
					End: v.End, Exclusive: v.Exclusive, Group: v.Group, RewardType: v.RewardType, UserPaths: v.UserPaths,
				}
			}
		}
		index, _ := choice.NewIndex(vouchers)
		for range 3 {
			question := w.ask()
			compare(t, m, index, vouchers, &question)
		}
	})
}

func ids(n int) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(i + 1)
	}
	return list
}

// TestModelsDoNotMindEachOther asks one chooser about several models in a row and expects what a new one answers.
func TestModelsDoNotMindEachOther(t *testing.T) {
	m := newMarket(t)
	rapid.Check(t, func(t *rapid.T) {
		w := world{func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }}
		vouchers := make([]facts.Voucher, rapid.IntRange(0, 10).Draw(t, "vouchers"))
		for i := range vouchers {
			vouchers[i] = w.voucher(int64(i + 1))
		}
		index, _ := choice.NewIndex(vouchers)
		first := w.ask()
		shared := index.Chooser(first.query(m))
		defer shared.Close()
		other := facts.Item{ID: 11, ShopID: 101, Categories: []string{"toys"}}
		for range rapid.IntRange(1, 6).Draw(t, "models") {
			item, model := &first.item, first.model
			switch w.draw("which", 3) {
			case 0:
				item, model = &other, facts.Model{ID: 2, ItemID: 11, ShopID: 101}
			case 1:
				item = nil
			default:
				model.ID = 1 + int64(w.draw("model of the item", 3))
			}
			price := int64(w.draw("model price", 120))
			fresh := index.Chooser(first.query(m))
			want := fresh.Choose(item, &model, price)
			fresh.Close()
			if got := shared.Choose(item, &model, price); !reflect.DeepEqual(got, want) {
				t.Fatalf("got %s\nwant %s", fmt.Sprint(got), fmt.Sprint(want))
			}
		}
	})
}
