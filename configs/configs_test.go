package configs_test

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/configs"
	"proscenium/facts"
	"proscenium/scenes"
)

// load reads the reference configuration as a server would.
func load(t *testing.T) *scenes.Snapshot {
	t.Helper()
	result := scenes.Load(configs.FS, time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	for _, d := range result.Diagnostics {
		t.Errorf("finding: %+v", d)
	}
	if result.Snapshot == nil {
		t.Fatal("the reference configuration does not load")
	}
	return result.Snapshot
}

func TestReferenceConfigurationLoadsWithoutAnyFinding(t *testing.T) {
	load(t)
}

func TestEmbeddedConfigurationIsThatOfTheDirectory(t *testing.T) {
	onDisk := scenes.Load(os.DirFS("."), time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	if onDisk.Snapshot == nil {
		t.Fatal("the directory does not load")
	}
	if got, want := load(t).Version, onDisk.Snapshot.Version; got != want {
		t.Errorf("embedded version %s, directory %s: a folder of YAML files is missing in the embed directive", got, want)
	}
}

// scene is what the specification of the reference marketplace says of a scene.
type scene struct {
	Name, Scenario string
	// Variant is the scenario that a group of the scene's experiment runs instead; empty: none.
	Variant string
	// Voucherless says that the scene's experiment has a group that is priced before vouchers.
	Voucherless        bool
	Rebate, Tax, Stock bool
	AnyTime            bool
}

func TestEveryReferenceSceneHasItsScenarioAndScope(t *testing.T) {
	want := map[int64]scene{
		0:  {Name: "template", Scenario: "template", Rebate: true, Tax: true, Stock: true, AnyTime: true},
		1:  {Name: "mpi_cspu_buyer", Scenario: "buyer_non_user_exclusive"},
		2:  {Name: "sls_future_price", Scenario: "buyer_non_user_exclusive", AnyTime: true},
		3:  {Name: "price_advisor_s2s", Scenario: "seller_default", Rebate: true, Tax: true},
		4:  {Name: "price_advisor_cspu_seller", Scenario: "seller_default", Rebate: true, Tax: true},
		5:  {Name: "shop_chat", Scenario: "buyer_default", Tax: true, Stock: true, Voucherless: true},
		6:  {Name: "shop_chatbot", Scenario: "buyer_default", Tax: true, Stock: true, Voucherless: true},
		7:  {Name: "video_ai_chat", Scenario: "buyer_default", Tax: true, Stock: true},
		8:  {Name: "off_platform_ads", Scenario: "buyer_non_login"},
		9:  {Name: "item_card_srp", Scenario: "buyer_session_live_stream", Variant: "buyer_session_live_stream_gmv"},
		10: {Name: "item_card_live_streaming", Scenario: "buyer_strict_teaser", Variant: "buyer_strict_teaser_gmv"},
		11: {Name: "live_streaming_streamer", Scenario: "buyer_strict_teaser", Variant: "buyer_strict_teaser_gmv", Stock: true},
		12: {Name: "item_card_flash_sale", Scenario: "buyer_default"},
		13: {Name: "pdp_main", Scenario: "buyer_default", Variant: "buyer_default_gmv", Rebate: true, Tax: true, Stock: true},
		14: {Name: "pdp_atc_panel", Scenario: "buyer_default", Stock: true},
		15: {Name: "cart", Scenario: "buyer_default", Tax: true, Stock: true},
		16: {Name: "cart_guest", Scenario: "buyer_non_user_exclusive", Tax: true, Stock: true},
		17: {Name: "checkout", Scenario: "buyer_default", Rebate: true, Tax: true, Stock: true},
	}
	got := map[int64]scene{}
	for _, s := range load(t).Scenes {
		g := scene{
			Name: s.Name, Scenario: s.Scenario.Name,
			Rebate: s.Spec.GetRebate().GetNeedRebateInfo(), Tax: s.Spec.GetTax().GetNeedTaxInfo(), Stock: s.Spec.GetStock().GetNeedStock(),
			AnyTime: s.TimeMode == configv1.TimeMode_TIME_MODE_ANY_TIME,
		}
		if s.Experiment != nil {
			for _, group := range s.Experiment.Groups {
				if group.Scenario != nil {
					g.Variant = group.Scenario.Name
				}
				g.Voucherless = g.Voucherless || group.PriceAfterVoucher != nil && !*group.PriceAfterVoucher
			}
		}
		got[s.ID] = g
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scenes (-want +got):\n%s", diff)
	}
}

// scenario is what the specification says of a scenario.
type scenario struct {
	Name                        string
	Retired                     bool
	Login, OngoingLive, AddBack bool
	ItemMainPromo               string
	StrictTeaser, TeaserBeside  bool
}

func TestEveryReferenceScenarioHasItsStyle(t *testing.T) {
	want := map[int64]scenario{
		0:  {Name: "template", Login: true, ItemMainPromo: "PROMO_PRIORITY"},
		1:  {Name: "buyer_default", Login: true, ItemMainPromo: "PROMO_PRIORITY"},
		2:  {Name: "buyer_non_user_exclusive", ItemMainPromo: "PROMO_PRIORITY"},
		3:  {Name: "future_final_price", Retired: true, ItemMainPromo: "UNSPECIFIED"},
		4:  {Name: "seller_default", AddBack: true, ItemMainPromo: "PROMO_PRIORITY"},
		5:  {Name: "buyer_session_live_stream", Login: true, OngoingLive: true, ItemMainPromo: "PROMO_PRIORITY"},
		6:  {Name: "buyer_session_live_stream_gmv", Login: true, OngoingLive: true, ItemMainPromo: "GMV"},
		7:  {Name: "buyer_strict_teaser", Login: true, StrictTeaser: true, TeaserBeside: true, ItemMainPromo: "PROMO_PRIORITY"},
		8:  {Name: "buyer_strict_teaser_gmv", Login: true, StrictTeaser: true, TeaserBeside: true, ItemMainPromo: "GMV"},
		9:  {Name: "buyer_default_gmv", Login: true, ItemMainPromo: "GMV"},
		10: {Name: "buyer_non_login", ItemMainPromo: "PROMO_PRIORITY"},
	}
	got := map[int64]scenario{}
	for _, s := range load(t).Bundle.GetScenarios() {
		if sorting := s.GetModelDisplay().GetMainPromoSorting(); sorting > configv1.MainPromoSorting_MAIN_PROMO_SORTING_PROMO_PRIORITY {
			t.Errorf("scenario %s sorts the promos of a model by %s", s.GetName(), sorting)
		}
		if mode := s.GetTax().GetSelectionMode(); mode > configv1.TaxSelectionMode_TAX_SELECTION_MODE_REGIONAL {
			t.Errorf("scenario %s selects %s", s.GetName(), mode)
		}
		got[s.GetId()] = scenario{
			Name: s.GetName(), Retired: s.GetRetired(),
			Login:         s.GetEligibility().GetLoginMode(),
			OngoingLive:   s.GetEligibility().GetAutomaticallyEnableOngoingLiveStreamPromotions(),
			AddBack:       s.GetRebate().GetAddBackRebateToFinalPrice(),
			ItemMainPromo: strings.TrimPrefix(s.GetItemDisplay().GetMainPromoSorting().String(), "MAIN_PROMO_SORTING_"),
			StrictTeaser:  s.GetItemDisplay().GetTeaserStrictness() == configv1.TeaserStrictness_TEASER_STRICTNESS_STRICT,
			TeaserBeside:  s.GetItemDisplay().GetAllowTeaserToCoexistWithMainPromo(),
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scenarios (-want +got):\n%s", diff)
	}
}

func TestScenesHaveWhatTheirNotesSay(t *testing.T) {
	snap := load(t)
	for id, says := range map[int64]func(*scenes.Scene) bool{
		1: func(s *scenes.Scene) bool { return s.Exclusion != nil && s.Exclusion.Name == "non_user_exclusive" },
		2: func(s *scenes.Scene) bool {
			return s.Exclusion != nil && s.Exclusion.Name == "non_user_exclusive_and_lasting"
		},
		7: func(s *scenes.Scene) bool {
			return s.Bypass != nil && s.Bypass.Name == "BYPASS_VALIDATION_RULE_VIDEO_VOUCHER"
		},
		8:  func(s *scenes.Scene) bool { return !s.Scenario.Spec.GetEligibility().GetLoginMode() },
		9:  func(s *scenes.Scene) bool { return s.Spec.GetItemDisplay().GetNeedItemMainPromo() && !anyModel(s) },
		10: func(s *scenes.Scene) bool { return s.ItemTeaserInclusion != nil && s.Inclusion == nil },
		11: func(s *scenes.Scene) bool { return s.Spec.GetStock().GetNeedTimeslotStocks() },
		12: func(s *scenes.Scene) bool { return s.Inclusion != nil && s.Inclusion.Name == "flash_sale_only" },
		13: func(s *scenes.Scene) bool {
			m, i := s.Spec.GetModelDisplay(), s.Spec.GetItemDisplay()
			return m.GetNeedModelTeaserPromoDecoration() && i.GetNeedItemTeaserPromoDecoration()
		},
		14: func(s *scenes.Scene) bool { return s.Spec.GetModelDisplay().GetNeedModelOriginalPromo() },
		15: func(s *scenes.Scene) bool { return s.Spec.GetStock().GetNeedToApplyPurchaseLimit() && anyModel(s) },
		16: func(s *scenes.Scene) bool { return s.Exclusion != nil && s.Exclusion.Name == "non_user_exclusive" },
		17: func(s *scenes.Scene) bool {
			return s.Spec.GetOrderFlow() && s.Spec.GetDowngrade().GetPropagateErrorWhenFinalPriceRelatedDependencyFails()
		},
	} {
		if s := snap.ScenesByID[id]; !says(s) {
			t.Errorf("scene %d, %s, is not what its note says: %v", id, s.Name, s.Spec)
		}
	}
}

func anyModel(s *scenes.Scene) bool {
	m := s.Spec.GetModelDisplay()
	return m.GetNeedModelMainPromo() || m.GetNeedModelTeaserPromo() || m.GetNeedModelOriginalPromo()
}

// What only some users get must not reach a scene for everybody; what is added to the price rule types must not be forgotten here.
func TestTheGuestsRuleExcludesEveryExclusiveType(t *testing.T) {
	snap := load(t)
	rule := snap.ScenesByName["cart_guest"].Exclusion
	for _, typ := range snap.Types {
		if typ == nil {
			continue
		}
		exclusive := typ.Exclusivity > facts.NotExclusive
		if excluded := int(typ.ID) < len(rule.Types) && rule.Types[typ.ID]; excluded != exclusive {
			t.Errorf("%s: exclusive %v, excluded %v", typ.Name, exclusive, excluded)
		}
	}
}

func TestEveryClientMayUseTheScenesThatItOwns(t *testing.T) {
	for _, s := range load(t).Scenes {
		if !s.Client.Allowed[s] {
			t.Errorf("client %s owns scene %s and may not use it", s.Client.Name, s.Name)
		}
	}
}

func TestEveryFileNamesItsSchemaInTheFirstLine(t *testing.T) {
	err := fs.WalkDir(configs.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		content, err := fs.ReadFile(configs.FS, name)
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(string(content), "\n")
		want := "# yaml-language-server: $schema=" + strings.Repeat("../", strings.Count(name, "/")) + "bundle.schema.json"
		if first != want {
			t.Errorf("%s begins with %q, want %q", name, first, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
