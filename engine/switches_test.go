package engine_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"proscenium/engine"
	configv1 "proscenium/gen/proscenium/config/v1"
)

const (
	pricesAfterVoucher = configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER
	rebates            = configv1.DowngradeFeature_DOWNGRADE_FEATURE_REBATE
)

// degraded is what an answer lists.
func degraded(t testing.TB, e *engine.Engine) []string {
	t.Helper()
	var out []string
	for _, d := range ask(t, e, asUser(request("s", 1), 7)).Degradations {
		out = append(out, d.Feature+" "+d.Scope+" "+d.Cause.String()[len("DEGRADATION_CAUSE_"):])
	}
	return out
}

func TestASwitchActsOnTheNextRequest(t *testing.T) {
	for _, tc := range []struct {
		name   string
		thrown engine.Switch
		want   []string
	}{
		{"everywhere", engine.Switch{Feature: rebates}, []string{"rebate all OPERATOR"}},
		{"in this region", engine.Switch{Feature: rebates, Regions: []string{"US", "DE"}}, []string{"rebate region:DE,region:US OPERATOR"}},
		{"in another region", engine.Switch{Feature: rebates, Regions: []string{"DE"}}, nil},
		{"in this scene", engine.Switch{Feature: rebates, Scenes: []string{"s"}}, []string{"rebate scene:s OPERATOR"}},
		{"in another scene", engine.Switch{Feature: rebates, Scenes: []string{"other"}}, nil},
		{"in this scene of this region", engine.Switch{Feature: rebates, Regions: []string{"US"}, Scenes: []string{"s"}}, []string{"rebate region:US,scene:s OPERATOR"}},
		{"in this scene of another region", engine.Switch{Feature: rebates, Regions: []string{"DE"}, Scenes: []string{"s"}}, nil},
		{"in a scene that there is none of", engine.Switch{Feature: rebates, Scenes: []string{"gone"}}, nil},
		{"in a region that there is none of", engine.Switch{Feature: rebates, Regions: []string{"XX"}}, nil},
		{"of a feature that there is none of", engine.Switch{Feature: 99}, nil},
		{"of no feature", engine.Switch{}, nil},
		{"until later", engine.Switch{Feature: rebates, Until: noon.Add(time.Second)}, []string{"rebate all OPERATOR"}},
		{"until now", engine.Switch{Feature: rebates, Until: noon}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := fullWorld().engine(t, base+otherScene(scene("s", fullScenario, full)))
			e.SetSwitches([]engine.Switch{tc.thrown})
			if diff := cmp.Diff(tc.want, degraded(t, e)); diff != "" {
				t.Error(diff)
			}
			e.SetSwitches(nil)
			if got := degraded(t, e); got != nil {
				t.Errorf("taken back, there is left %v", got)
			}
		})
	}
}

func TestSwitchesStayOverReloadsAndFindNewScenes(t *testing.T) {
	w := fullWorld()
	e := engine.New(engine.Deps{Open: w.providers, Now: w.clock})
	e.SetSwitches([]engine.Switch{{Feature: rebates, Scenes: []string{"s"}}}) // before there is a configuration
	for range 2 {
		if err := e.Apply(load(t, base+scene("s", fullScenario, full))); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"rebate scene:s OPERATOR"}, degraded(t, e)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestASwitchKeepsNothingOfItsCaller(t *testing.T) {
	e := fullWorld().engine(t, base+scene("s", fullScenario, full))
	scenes := []string{"s"}
	e.SetSwitches([]engine.Switch{{Feature: rebates, Scenes: scenes}})
	scenes[0] = "other"
	if err := e.Apply(e.Snapshot()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"rebate scene:s OPERATOR"}, degraded(t, e)); diff != "" {
		t.Error(diff)
	}
}

func TestDowngradesListsWhatIsOff(t *testing.T) {
	w := fullWorld()
	until := noon.Add(time.Hour)
	e := w.engine(t, base+otherScene(scene("s", fullScenario, full))+`
downgrades:
  - {feature: TAX, regions: [US, DE], scenes: [s, other], reason: audit}
  - {feature: STOCK, until: "2026-03-01T11:00:00Z"}
`)
	e.SetSwitches([]engine.Switch{{Feature: rebates, Regions: []string{"US"}, Until: until}, {Feature: pricesAfterVoucher, Until: noon}})
	want := []engine.Downgraded{
		{Feature: configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX, Regions: []string{"DE", "US"}, Scenes: []string{"other", "s"}, Scope: "region:DE,region:US,scene:other,scene:s", Reason: "audit"},
		{Feature: rebates, Regions: []string{"US"}, Scope: "region:US", Origin: engine.FromSwitch, Until: until},
	}
	if diff := cmp.Diff(want, e.Downgrades()); diff != "" {
		t.Error(diff)
	}
	if got := engine.New(engine.Deps{}).Downgrades(); got != nil {
		t.Errorf("without configuration: %v", got)
	}
}
