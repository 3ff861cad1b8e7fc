package scenes_test

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/facts"
	"proscenium/scenes"
	"proscenium/scenes/source"
)

// good loads a configuration that has no errors.
func good(tb testing.TB, files map[string]string) *scenes.Snapshot {
	tb.Helper()
	result := load(files)
	if result.Snapshot == nil {
		tb.Fatalf("no snapshot: %v", result.Diagnostics)
	}
	return result.Snapshot
}

func TestTheReferenceConfigurationIsClean(t *testing.T) {
	result := scenes.Load(os.DirFS("../configs"), today)
	if len(result.Diagnostics) > 0 || result.Snapshot == nil {
		t.Fatalf("%v", result.Diagnostics)
	}
	if n := len(result.Snapshot.Scenes); n != 18 {
		t.Errorf("there are %d scenes, want 0 to 17", n)
	}
}

func TestASnapshotIsLinked(t *testing.T) {
	files := base(t)
	files["more.yaml"] = `
clients:
  - {id: 2, name: ads, allowed_scenes: [product_page]}
downgrades:
  - {feature: TAX, regions: [US], scenes: [product_page, cart], until: "2027-01-01T00:00:00Z", reason: slow}
  - {feature: REBATE}
  - {feature: SCENE, scenes: [cart]}
dependencies:
  - {command: tax.rates, regions: {US: {connect: {url: "http://tax"}}}}
eligibility_rules:
  - {command: eligibility.live_stream, when: live_stream.ongoing}
`
	s := good(t, files)
	cart, page := s.ScenesByID[1], s.ScenesByName["product_page"]
	if s.Scenes[0] != cart || s.Scenes[1] != page || cart.Name != "cart" || page.ID != 2 {
		t.Errorf("scenes: %v %v", cart, page)
	}
	shop, ads := s.Clients["shop"], s.Clients["ads"]
	if cart.Client != shop || !shop.Allowed[cart] || !shop.Allowed[page] || ads.Allowed[cart] || !ads.Allowed[page] || shop.CredentialIDs[0] != "shop_key" {
		t.Errorf("clients: %+v %+v", shop, ads)
	}
	if cart.Scenario.Name != "buyer" || cart.Scenario.ShopPool != s.VoucherPools["SHOP_VOUCHERS"] || cart.Scenario.PlatformPool.When == nil {
		t.Errorf("scenario: %+v", cart.Scenario)
	}
	if cart.Bypass != s.BypassRules["VIDEO"] || !cart.Bypass.Skip[configv1.VoucherValidation_VOUCHER_VALIDATION_VIDEO_CREATOR] || cart.DowngradedShopPool != nil {
		t.Errorf("bypass: %+v", cart.Bypass)
	}
	if diff := cmp.Diff([]bool{false, false, true, false}, cart.Exclusion.Types); diff != "" || cart.Exclusion.When != nil || cart.Inclusion != nil {
		t.Errorf("exclusion: %+v", cart.Exclusion)
	}
	if page.Inclusion.Types != nil || page.Inclusion.When == nil || page.ItemTeaserInclusion != nil {
		t.Errorf("inclusion: %+v", page.Inclusion)
	}
	e := page.Experiment
	if cart.Experiment != nil || e.Name != "vouchers_off" || e.Salt != "first" || e.Unit != nil || len(e.Groups) != 2 || e.Groups[0].Upper != 50000 ||
		e.Groups[1].Upper != 100000 || e.Groups[0].PriceAfterVoucher != nil || *e.Groups[1].PriceAfterVoucher || e.Groups[0].Scenario != nil {
		t.Errorf("experiment: %+v", e)
	}
	if s.Type(3).Exclusivity != facts.LiveStreamPrice || s.Type(2).Exclusivity != facts.NotExclusive || s.OriginalType != s.Type(1) ||
		s.Type(0) != nil || s.Type(-1) != nil || s.Type(9) != nil || !s.Type(3).FlexibleLiveStream {
		t.Errorf("types: %+v", s.Types)
	}
	if us := s.Regions["US"]; us.Currency != "USD" || us.Zone.String() != "America/New_York" || us.Rounding != configv1.Rounding_ROUNDING_HALF_UP ||
		us.TaxMode != configv1.TaxMode_TAX_MODE_PRE_TAX {
		t.Errorf("region: %+v", us)
	}
	first, second, third := s.Downgrades[0], s.Downgrades[1], s.Downgrades[2]
	if first.Scope != "region:US,scene:cart,scene:product_page" || !first.Regions["US"] || !first.Scenes[cart] || !first.Until.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) ||
		second.Scope != "all" || second.Regions != nil || second.Scenes != nil || !second.Until.IsZero() || third.Scope != "scene:cart" {
		t.Errorf("downgrades: %+v %+v %+v", first, second, third)
	}
	if s.EligibilityRules["eligibility.live_stream"] == nil || len(s.EligibilityRules) != 1 {
		t.Errorf("eligibility: %v", s.EligibilityRules)
	}
	reduces := [15]bool{0: true, 5: true}
	if s.ReducesPrice != reduces || !s.LoadedAt.Equal(today) || len(s.Sources) != len(files) {
		t.Errorf("%v %v %v", s.ReducesPrice, s.LoadedAt, s.Sources)
	}
}

func TestDefaultsAreFilledInAndTheBundleStaysAsWritten(t *testing.T) {
	files := base(t)
	files["more.yaml"] = "dependencies:\n  - {command: tax.rates, provider: {connect: {url: \"http://tax\"}}}\n"
	s := good(t, files)
	d := s.Dependencies["tax.rates"]
	c := d.GetProvider().GetConnect()
	if d.GetMaxBatch() != 100 || d.GetMaxParallel() != 8 || d.GetTimeout().AsDuration() != 500*time.Millisecond || c.GetProtocol() != configv1.Protocol_PROTOCOL_CONNECT ||
		c.GetMaxResponseBytes() != 16<<20 || c.GetRetries().GetMaxAttempts() != 1 || c.GetRetries().GetBackoff().AsDuration() != 5*time.Millisecond ||
		c.GetRetries().GetBudgetPercent() != 10 || c.GetHedgingDelay() != nil || c.GetTls() != nil {
		t.Errorf("dependency: %v", d)
	}
	if p := s.Caches.GetPriceStock(); p.GetEnabled() || p.GetTtl().AsDuration() != 5*time.Second || p.GetMaxEntries() != 100_000 || s.Caches.GetPriceSoldOut() == nil {
		t.Errorf("caches: %v", s.Caches)
	}
	for _, m := range []proto.Message{s.Scenes[0].Spec, s.Scenes[1].Scenario.Spec} {
		unset(t, m)
	}
	if s.Scenes[0].TimeMode != configv1.TimeMode_TIME_MODE_REAL_TIME {
		t.Errorf("time mode: %v", s.Scenes[0].TimeMode)
	}
	list := make([]source.File, 0, len(files))
	for name, text := range files {
		list = append(list, source.File{Name: name, Data: []byte(text)})
	}
	source.Sort(list)
	if diff := cmp.Diff(source.Parse(list).Bundle, s.Bundle, protocmp.Transform()); diff != "" {
		t.Errorf("the bundle is not as written:\n%s", diff)
	}
}

// unset finds messages of a scene or a scenario that are nil, and enums of a scenario that say nothing.
func unset(t *testing.T, top proto.Message) {
	t.Helper()
	var visit func(m protoreflect.Message)
	visit = func(m protoreflect.Message) {
		for i := range m.Descriptor().Fields().Len() {
			fd := m.Descriptor().Fields().Get(i)
			switch name := fd.FullName(); {
			case fd.IsMap(), name == "proscenium.config.v1.Scene.rate_limiter": // absent: none
			case fd.Message() != nil && !m.Has(fd):
				t.Errorf("%s is nil", fd.FullName())
			case fd.Message() != nil:
				visit(m.Get(fd).Message())
			case name == "proscenium.config.v1.Scene.time_mode", name == "proscenium.config.v1.Scene.priority": // those of others
			case fd.Kind() == protoreflect.EnumKind && m.Get(fd).Enum() == 0:
				t.Errorf("%s is unspecified", fd.FullName())
			}
		}
	}
	visit(top.ProtoReflect())
}

func TestASceneOverridesTheTimeModeOfItsScenario(t *testing.T) {
	files := base(t)
	files["page.yaml"] += "    time_mode: ANY_TIME\n"
	s := good(t, files)
	if s.ScenesByName["product_page"].TimeMode != configv1.TimeMode_TIME_MODE_ANY_TIME || s.ScenesByName["cart"].TimeMode != configv1.TimeMode_TIME_MODE_REAL_TIME {
		t.Errorf("%v %v", s.ScenesByName["product_page"].TimeMode, s.ScenesByName["cart"].TimeMode)
	}
}

func TestCurrenciesHaveTheirExponents(t *testing.T) {
	for code, want := range map[string]int{"USD": 2, "JPY": 0, "KWD": 3, "CLF": 4, "AED": 2, "ZWG": 2, "SGD": 2, "VND": 0} {
		if got, ok := scenes.CurrencyExponent(code); got != want || !ok {
			t.Errorf("%s: %d, %v", code, got, ok)
		}
	}
	for _, code := range []string{"", "USS", "usd", "US", "USDX", "D A", "F0 ", "BHD3", " US"} {
		if got, ok := scenes.CurrencyExponent(code); ok {
			t.Errorf("%q has exponent %d", code, got)
		}
	}
}
