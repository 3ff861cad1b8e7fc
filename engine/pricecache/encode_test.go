package pricecache

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"proscenium/facts"
)

func anyModels() *rapid.Generator[[]facts.Model] {
	return rapid.Custom(func(t *rapid.T) []facts.Model {
		number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-2, 300), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, facts.NoPrice}))
		promo := rapid.Custom(func(t *rapid.T) facts.Promo {
			return facts.Promo{
				ID: number.Draw(t, "id"), Type: rapid.Int32().Draw(t, "type"), SoldOut: rapid.Bool().Draw(t, "sold out"),
				PreTax: number.Draw(t, "pre"), PostTax: number.Draw(t, "post"), Start: number.Draw(t, "start"), End: number.Draw(t, "end"),
				Stock: number.Draw(t, "stock"), PurchaseLimit: number.Draw(t, "limit"), Audience: rapid.String().Draw(t, "audience"),
				SessionID: number.Draw(t, "session"), StreamerID: number.Draw(t, "streamer"),
			}
		})
		model := rapid.Custom(func(t *rapid.T) facts.Model {
			m := facts.Model{ID: number.Draw(t, "model"), ItemID: number.Draw(t, "item"), ShopID: number.Draw(t, "shop")}
			if rapid.Bool().Draw(t, "has promos") {
				m.Promos = rapid.SliceOfN(promo, 0, 6).Draw(t, "promos") // empty is not nil
			}
			return m
		})
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		return rapid.SliceOfN(model, 0, 5).Draw(t, "models")
	})
}

func TestEveryEntryIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &stored{
			loaded: time.UnixMilli(rapid.Int64Range(0, 1<<43).Draw(t, "loaded")), epoch: rapid.String().Draw(t, "epoch"), mark: rapid.String().Draw(t, "mark"),
			models: anyModels().Draw(t, "models"),
		}
		key := rapid.String().Draw(t, "key")
		got, err := decode(key, encode(key, want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(stored{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func entry() *stored {
	return &stored{loaded: time.UnixMilli(1_800_000_000_000), epoch: "e", mark: "m", models: []facts.Model{{ID: 10, ItemID: 1, ShopID: 9, Promos: []facts.Promo{
		{ID: 7, Type: 2, PreTax: 1999, PostTax: facts.NoPrice, Start: facts.Always, End: 5, Stock: 3, Audience: "vip"},
	}}}}
}

func TestWhateverIsNotTheEntryOfItsKeyIsRefused(t *testing.T) {
	whole := encode("k", entry())
	refused := func(name, key string, value []byte) {
		t.Helper()
		if got, err := decode(key, value); err == nil {
			t.Errorf("%s was read as %+v", name, got)
		}
	}
	refused("nothing", "k", nil)
	refused("the entry of another key", "k2", whole)
	refused("something behind it", "k", append(append([]byte{}, whole...), 0))
	for i := range whole {
		refused("a beginning", "k", whole[:i])
		for bit := range 8 {
			damaged := append([]byte{}, whole...)
			damaged[i] ^= 1 << bit
			refused("a damaged one", "k", damaged)
		}
	}
}

// sealed has a valid head, so that what is behind it is read.
func sealed(body []byte) []byte {
	b := append(make([]byte, headLength), body...)
	b[0] = encoding
	binary.BigEndian.PutUint64(b[1:headLength], checksum("k", body))
	return b
}

func TestABodyThatClaimsMoreThanItHasTakesNoMemory(t *testing.T) {
	body := binary.AppendVarint(nil, 0)
	body = appendText(appendText(body, ""), "")
	for name, rest := range map[string][]byte{
		"models":             binary.AppendUvarint(nil, 1<<40),
		"promotions":         binary.AppendUvarint([]byte{2, 2, 2, 2}, 1<<40),
		"a text":             append([]byte{2, 2, 2, 2, 2, 0, 2, 2, 2, 2, 0, 0, 2, 2}, binary.AppendUvarint(nil, math.MaxUint64)...),
		"an unknown flag":    {2, 2, 2, 2, 2, 8, 2, 2, 2, 2, 0, 0, 2, 2, 0, 0, 0},
		"a type out of band": append(append([]byte{2, 2, 2, 2, 2, 6, 2}, binary.AppendVarint(nil, math.MaxInt32+1)...), 2, 2, 2, 2, 0, 0, 0),
	} {
		if got, err := decode("k", sealed(append(append([]byte{}, body...), rest...))); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode("k", entry()), false)
	f.Add(encode("k", entry())[headLength:], true)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, data []byte, seal bool) {
		if seal {
			data = sealed(data)
		}
		got, err := decode("k", data)
		if err != nil {
			return
		}
		// What is read is read so again: nothing is made up.
		again, err := decode("k", encode("k", got))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(stored{})); diff != "" {
			t.Fatal(diff)
		}
	})
}
