package impact

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

// messagesOfAnswers are all messages that a response can hold, but for what is ignored.
func messagesOfAnswers() []protoreflect.MessageDescriptor {
	var all []protoreflect.MessageDescriptor
	var visit func(protoreflect.MessageDescriptor)
	visit = func(md protoreflect.MessageDescriptor) {
		if slices.Contains(all, md) {
			return
		}
		all = append(all, md)
		for i := range md.Fields().Len() {
			if fd := md.Fields().Get(i); fd.Message() != nil && fd.Name() != "trace" {
				visit(fd.Message())
			}
		}
	}
	visit((&pricingv1.GetPromotionInfoResponse{}).ProtoReflect().Descriptor())
	return all
}

func TestEveryListOfAnAnswerSaysWhatIdentifiesItsElements(t *testing.T) {
	lists := 0
	for _, md := range messagesOfAnswers() {
		for _, name := range identityOf(md) {
			if md.Fields().ByName(name) == nil {
				t.Errorf("%s has no field %s", md.FullName(), name)
			}
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if fd.IsMap() {
				t.Errorf("%s is a map, which is not compared", fd.FullName())
			}
			if fd.IsList() && fd.Message() != nil {
				lists++
				if len(identityOf(fd.Message())) == 0 {
					t.Errorf("%s: say in identityOf what identifies %s", fd.FullName(), fd.Message().Name())
				}
			}
		}
	}
	if lists < 8 {
		t.Errorf("only %d lists found", lists)
	}
}

// drawAnswer makes an answer of few values, so that ids meet again.
func drawAnswer(t *rapid.T, label string) *pricingv1.GetPromotionInfoResponse {
	var fill func(m protoreflect.Message, depth int)
	small := rapid.Int64Range(0, 3)
	fill = func(m protoreflect.Message, depth int) {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			if fd.Name() == "trace" || rapid.IntRange(0, 3).Draw(t, label) == 0 {
				continue
			}
			scalar := func() protoreflect.Value {
				n := small.Draw(t, label)
				switch fd.Kind() {
				case protoreflect.BoolKind:
					return protoreflect.ValueOfBool(n > 1)
				case protoreflect.StringKind:
					return protoreflect.ValueOfString(fmt.Sprint(n))
				case protoreflect.EnumKind:
					return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
				case protoreflect.Int32Kind:
					return protoreflect.ValueOfInt32(int32(n))
				default:
					return protoreflect.ValueOfInt64(n)
				}
			}
			switch {
			case fd.IsList():
				list := m.Mutable(fd).List()
				for range rapid.IntRange(0, 2).Draw(t, label) {
					if fd.Message() == nil {
						list.Append(scalar())
					} else if depth < 3 {
						fill(list.AppendMutable().Message(), depth+1)
					}
				}
			case fd.Message() == nil:
				m.Set(fd, scalar())
			case depth < 3:
				fill(m.Mutable(fd).Message(), depth+1)
			}
		}
	}
	answer := &pricingv1.GetPromotionInfoResponse{}
	fill(answer.ProtoReflect(), 0)
	return answer
}

func found(before, after *pricingv1.GetPromotionInfoResponse) []difference {
	var all []difference
	differences(before, after, func(d difference) { all = append(all, d) })
	return all
}

func TestAnswersDifferInFieldsIfAndOnlyIfTheyDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawAnswer(t, "before")
		after := proto.CloneOf(before)
		if rapid.Bool().Draw(t, "other") {
			after = drawAnswer(t, "after")
		}
		before.ConfigVersion, after.ConfigVersion = "a", "b"
		ignore(before)
		ignore(after)
		equal := proto.Equal(before, after)
		if got := sameAnswer(before, after); got != equal {
			t.Errorf("same: %v, want %v", got, equal)
		}
		all := found(before, after)
		if (len(all) == 0) != equal {
			t.Errorf("equal %v, differences %v", equal, all)
		}
		for _, d := range all {
			if d.order {
				continue
			}
			if d.before.IsValid() == d.after.IsValid() && (!d.before.IsValid() || d.before.Equal(d.after)) {
				t.Errorf("%s: %v is no difference to %v", d.path, d.before, d.after)
			}
		}
		if back := found(after, before); len(back) != len(all) {
			t.Errorf("%d differences there, %d back", len(all), len(back))
		}
	})
}

func TestDifferencesAreOfTheSameThing(t *testing.T) {
	promo := func(id int64, kind string, price int64) *pricingv1.Promotion {
		return &pricingv1.Promotion{PromotionId: id, PriceRuleType: kind, Price: &price}
	}
	answer := func(models ...*pricingv1.Model) *pricingv1.GetPromotionInfoResponse {
		return &pricingv1.GetPromotionInfoResponse{Items: []*pricingv1.Item{{ItemId: 1, Models: models}}}
	}
	for _, c := range []struct {
		name          string
		before, after *pricingv1.GetPromotionInfoResponse
		want          []string
	}{
		{
			"another price of the same promo",
			answer(&pricingv1.Model{ModelId: 1, MainPromo: promo(7, "cut", 90)}), answer(&pricingv1.Model{ModelId: 1, MainPromo: promo(7, "cut", 80)}),
			[]string{"items.models.main_promo.price: 90 -> 80"},
		},
		{
			"another promo",
			answer(&pricingv1.Model{ModelId: 1, MainPromo: promo(7, "cut", 90)}), answer(&pricingv1.Model{ModelId: 1, MainPromo: promo(0, "list", 90)}),
			[]string{"items.models.main_promo: cut 7 at 90 -> list at 90"},
		},
		{
			"another order of models",
			answer(&pricingv1.Model{ModelId: 1}, &pricingv1.Model{ModelId: 2}), answer(&pricingv1.Model{ModelId: 2}, &pricingv1.Model{ModelId: 1}),
			[]string{"items.models (order):  -> "},
		},
		{
			"a model more, one less",
			answer(&pricingv1.Model{ModelId: 1, Status: 1}), answer(&pricingv1.Model{ModelId: 2, Status: 3}),
			[]string{"items.models:  -> {model_id: 2, status: NO_PROMOTION}", "items.models: {model_id: 1, status: OK} -> "},
		},
		{
			"zero is not none",
			answer(&pricingv1.Model{ModelId: 1, FinalPrice: proto.Int64(0)}), answer(&pricingv1.Model{ModelId: 1}),
			[]string{"items.models.final_price: 0 -> "},
		},
		{
			"a state",
			answer(&pricingv1.Model{ModelId: 1, Status: 1}), answer(&pricingv1.Model{ModelId: 1, Status: 2, SoldOut: true}),
			[]string{"items.models.status: OK -> NOT_FOUND", "items.models.sold_out: false -> true"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range found(c.before, c.after) {
				path := d.path
				if d.order {
					path += " (order)"
				}
				got = append(got, fmt.Sprintf("%s: %s -> %s", path, fieldText(d.fd, d.before), fieldText(d.fd, d.after)))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheLargestChangesAreThoseOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		tallies := make([]*largest, 3)
		for i := range tallies {
			tallies[i] = newLargest(limit, byAmount)
		}
		groups := map[priceKey]*PriceChange{}
		price := rapid.Int64Range(0, 2)
		for seq := range rapid.IntRange(0, 60).Draw(t, "changes") {
			c := PriceChange{
				Scene: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "scene"), ModelID: rapid.Int64Range(1, 2).Draw(t, "model"),
				Old: price.Draw(t, "old"), New: price.Draw(t, "new"), Requests: 1, seq: seq, Place: fmt.Sprint(seq),
			}
			tallies[rapid.IntRange(0, 2).Draw(t, "worker")].add(c, func(*PriceChange) {})
			if g := groups[c.key()]; g != nil {
				g.Requests++
			} else {
				groups[c.key()] = &c
			}
		}
		var want []*PriceChange
		for _, g := range groups {
			want = append(want, g)
		}
		slices.SortFunc(want, byAmount)
		want = want[:min(limit, len(want))]
		total := newLargest(limit, byAmount)
		for _, i := range rapid.Permutation([]int{0, 1, 2}).Draw(t, "order") {
			total.merge(tallies[i])
		}
		show := func(all []*PriceChange) string {
			var b strings.Builder
			for _, c := range all {
				fmt.Fprintf(&b, "%s %d %d->%d x%d at %s\n", c.Scene, c.ModelID, c.Old, c.New, c.Requests, c.Place)
			}
			return b.String()
		}
		if d := cmp.Diff(show(want), show(total.sorted)); d != "" {
			t.Fatalf("-want +got:\n%s", d)
		}
	})
}

func TestMovesAreSummedUp(t *testing.T) {
	up := func(change int64) bool { return change > 0 }
	down := func(change int64) bool { return change < 0 }
	for _, c := range []struct {
		name    string
		changes map[int64]int
		in      func(int64) bool
		want    Moves
	}{
		{"none", nil, up, Moves{}},
		{"one", map[int64]int{5: 1, -7: 3}, up, Moves{Prices: 1, Sum: 5, Median: 5, Largest: 5}},
		{"falls", map[int64]int{5: 1, -7: 3, -1: 1}, down, Moves{Prices: 4, Sum: -22, Median: -7, Largest: -7}},
		{"the smaller of two in the middle", map[int64]int{2: 1, 8: 1}, up, Moves{Prices: 2, Sum: 10, Median: 2, Largest: 8}},
		{"the middle of three", map[int64]int{2: 1, 8: 1, 9: 1}, up, Moves{Prices: 3, Sum: 19, Median: 8, Largest: 9}},
		{"too much", map[int64]int{math.MaxInt64 / 2: 3}, up, Moves{Prices: 3, Sum: math.MaxInt64, Median: math.MaxInt64 / 2, Largest: math.MaxInt64 / 2}},
		{"too little", map[int64]int{-math.MaxInt64 / 2: 3}, down, Moves{Prices: 3, Sum: math.MinInt64, Median: -math.MaxInt64 / 2, Largest: -math.MaxInt64 / 2}},
	} {
		if got := movesOf(c.changes, c.in); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
