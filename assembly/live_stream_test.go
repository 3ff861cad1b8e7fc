package assembly_test

import (
	"io/fs"
	"testing"
	"time"

	"proscenium/assembly"
	"proscenium/configs"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/scenes"
)

// TestAnUpcomingLiveStreamPriceIsJudgedAsOfItsStart asks on a Monday about the prices of the streams of Friday evening.
func TestAnUpcomingLiveStreamPriceIsJudgedAsOfItsStart(t *testing.T) {
	catalog, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	monday := time.Date(2017, 5, 8, 12, 0, 0, 0, time.UTC)
	system, err := assembly.Open(assembly.Options{Catalog: catalog, Now: func() time.Time { return monday }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(system.Close)
	read := scenes.Load(configs.FS, monday)
	if read.Snapshot == nil {
		t.Fatal(read.Diagnostics)
	}
	prices := system.Catalog.Prices(monday.UnixNano(), read.Snapshot)
	var keys []engine.EligibilityKey
	for id := int64(1000); id < 8000; id++ {
		for _, m := range prices.Models(id, 0) {
			for i := range m.Promos {
				p := &m.Promos[i]
				typ := read.Snapshot.Type(p.Type)
				if typ != nil && typ.Exclusivity == facts.LiveStreamPrice && p.Start > monday.UnixNano() {
					keys = append(keys, engine.EligibilityKey{PromoKey: engine.PromoKey{ItemID: id, ModelID: m.ID, PromotionID: p.ID}, Promo: p, Type: typ})
				}
			}
		}
	}
	if len(keys) == 0 {
		t.Fatal("the catalog announces no live-stream price")
	}
	for _, everybody := range []bool{true, false} {
		call := &engine.Call{
			Request: &facts.Request{Region: "US", UserID: 1, At: monday.UnixNano()}, Region: read.Snapshot.Regions["US"], Snap: read.Snapshot,
			EnableOngoingLiveStreams: everybody,
		}
		may := make([]bool, len(keys))
		if err := system.Embedded.LiveStream.Query(t.Context(), call, keys, may); err != nil {
			t.Fatal(err)
		}
		for i := range may {
			if may[i] != everybody {
				t.Errorf("promotion %d, for everybody %v: eligible %v", keys[i].PromotionID, everybody, may[i])
			}
		}
	}
}
