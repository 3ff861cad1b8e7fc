package rules

import (
	"testing"

	"proscenium/facts"
)

func TestAProbeCountsHowEvaluationsEnd(t *testing.T) {
	cheap, dear := &Input{Promo: &facts.Promo{}, PromoPrice: 5}, &Input{Promo: &facts.Promo{}, PromoPrice: 50}
	for expr, interpreted := range map[string]bool{
		`promo.price < 10`: false,
		`[promo.price].map(p, p * 2).exists(p, p < 20)`: true,
	} {
		rule, problems := Compile(PromoRule, expr)
		if len(problems) > 0 || rule.Interpreted() != interpreted {
			t.Fatalf("%s: %v, interpreted %v", expr, problems, rule.Interpreted())
		}
		var p Probe
		probed := rule.Probed(&p)
		for _, in := range []*Input{cheap, dear, dear, {}} {
			want, wantErr := rule.Bool(in)
			got, err := probed.Bool(in)
			if got != want || (err != nil) != (wantErr != nil) {
				t.Errorf("%s: probed %v, %v; plain %v, %v", expr, got, err, want, wantErr)
			}
		}
		if yes, no, failed := p.True.Load(), p.False.Load(), p.Failed.Load(); yes != 1 || no != 2 || failed != 1 {
			t.Errorf("%s: %d true, %d false, %d failed", expr, yes, no, failed)
		}
		if probed.String() != expr || !probed.Uses("promo.price") {
			t.Errorf("%s: the copy is another rule", expr)
		}
	}
}

func TestAProbeCountsKeys(t *testing.T) {
	for _, expr := range []string{`user.id`, `request.device_type`, `[user.id, 1].map(x, x + 1)[0]`} {
		rule, problems := Compile(ExperimentUnit, expr)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		var p Probe
		in := &Input{User: &facts.User{ID: 7}, Request: &facts.Request{DeviceType: "phone"}}
		want, _ := rule.Key(in)
		if got, err := rule.Probed(&p).Key(in); got != want || err != nil || p.True.Load() != 1 {
			t.Errorf("%s: %q, %v, %d times", expr, got, err, p.True.Load())
		}
	}
}

func TestProbingARuleLeavesItUnprobed(t *testing.T) {
	rule, problems := Compile(PromoRule, `promo.price < 10`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var p Probe
	rule.Probed(&p)
	in := &Input{Promo: &facts.Promo{}, PromoPrice: 5}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := rule.Bool(in); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if p.True.Load() != 0 {
		t.Error("the rule itself is probed")
	}
}
