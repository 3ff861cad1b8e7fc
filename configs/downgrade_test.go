package configs_test

import (
	"io/fs"
	"testing"
	"time"

	"proscenium/assembly"
	"proscenium/configs"
	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
	"proscenium/scenes/source"
)

// TestADowngradedSceneStillAnswersAPrice downgrades every scene at once and asks each for the price of a cake.
func TestADowngradedSceneStillAnswersAPrice(t *testing.T) {
	files, unread := source.Read(configs.FS)
	if len(unread) > 0 {
		t.Fatal(unread)
	}
	now := time.Date(2026, time.November, 22, 15, 0, 0, 0, time.UTC)
	files = append(files, source.File{Name: "zz_all_down.yaml", Data: []byte("downgrades:\n  - {feature: SCENE, reason: test}\n")})
	result := scenes.LoadFiles(files, now)
	if result.Snapshot == nil {
		t.Fatal(result.Diagnostics)
	}
	data, err := fs.Sub(configs.FS, configs.CatalogDir)
	if err != nil {
		t.Fatal(err)
	}
	system, err := assembly.Open(assembly.Options{Catalog: data, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	if err := system.Apply(result.Snapshot); err != nil {
		t.Fatal(err)
	}
	for _, s := range result.Snapshot.Scenes {
		t.Run(s.Name, func(t *testing.T) {
			user := int64(1)
			resp, err := system.Engine.Price(t.Context(), engine.Caller{}, &pricingv1.GetPromotionInfoRequest{
				Scene: &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: s.ID}, Region: "US", UserId: &user,
				Items: []*pricingv1.RequestItem{{ItemId: 2062, Models: []*pricingv1.RequestModel{{ModelId: 1009142}}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			it := resp.Items[0]
			if s.Inclusion != nil && it.Status == pricingv1.Status_STATUS_NO_PROMOTION {
				return // the scene keeps promotions that the cake has not
			}
			priced := it.FinalPrice != nil || len(it.Models) == 1 && it.Models[0].FinalPrice != nil
			if !priced || !resp.GetAccurate() || len(resp.Degradations) != 1 || resp.Degradations[0].Feature != "scene" {
				t.Errorf("got %v", resp)
			}
		})
	}
}
