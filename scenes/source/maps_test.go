package source_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/source"
)

func TestMapsOfSeveralFilesAndDocumentsAreOneMap(t *testing.T) {
	got := source.Parse([]source.File{
		{Name: "a.yaml", Data: []byte("breakers:\n  price.query: {error_percent_threshold: 1}\n---\nbreakers: {tax.rates: {error_percent_threshold: 2}}\n")},
		{Name: "b.yaml", Data: []byte("breakers:\n")},
		{Name: "c.yaml", Data: []byte("breakers:\n  gmv.query:\n    timeout_threshold_seconds: 0.5\n    timeout_percent_threshold: 3\n")},
	})
	want := &configv1.Bundle{Breakers: map[string]*configv1.Breaker{
		"price.query": {ErrorPercentThreshold: 1}, "tax.rates": {ErrorPercentThreshold: 2}, "gmv.query": {TimeoutPercentThreshold: 3, TimeoutThresholdSeconds: 0.5},
	}}
	if diff := cmp.Diff(want, got.Bundle, protocmp.Transform()); diff != "" || len(got.Findings) > 0 {
		t.Errorf("%v\nbundle (-want +got):\n%s", got.Findings, diff)
	}
	at := got.Root.Field("breakers").Key("gmv.query").Field("timeout_percent_threshold")
	if s := at.Span(); s.File != "c.yaml" || s.Line != 4 || at.Path() != `breakers["gmv.query"].timeout_percent_threshold` {
		t.Errorf("%s is at %+v", at.Path(), s)
	}
	if missing := got.Root.Field("breakers").Key("package.query"); missing.Written() || missing.Bad() {
		t.Error("an entry is there that is not")
	}
}

// Whichever file is read again, a key that stands twice is found at both places, and the first one counts.
func TestAKeyThatStandsTwiceIsFoundAtBothPlaces(t *testing.T) {
	first := source.File{Name: "a.yaml", Data: []byte("limits:\n  a: {all: {window: 1s, limit: 1}}\n")}
	second := source.File{Name: "b.yaml", Data: []byte("limits:\n  b: {all: {window: 1s, limit: 2}}\n  a: {all: {window: 1s, limit: 3}}\n")}
	mended := source.File{Name: "b.yaml", Data: []byte("limits:\n  b: {all: {window: 1s, limit: 2}}\n")}
	other := source.File{Name: "a.yaml", Data: []byte("limits:\n  c: {all: {window: 1s, limit: 1}}\n")}
	for name, loads := range map[string][][]source.File{
		"both new":                {{first, second}},
		"the first one was known": {{first, mended}, {first, second}},
		"the second was known":    {{other, second}, {first, second}},
		"twice in one file":       {{{Name: "a.yaml", Data: []byte("limits:\n  a: {all: {window: 1s, limit: 1}}\n---\nlimits:\n  b: {all: {window: 1s, limit: 2}}\n  a: {}\n")}}},
	} {
		t.Run(name, func(t *testing.T) {
			var parsed source.Parsed
			var kept *source.Parts
			for _, files := range loads {
				parsed, kept = source.ParseReusing(files, kept, nil)
			}
			if len(parsed.Findings) != 1 {
				t.Fatalf("findings: %+v", parsed.Findings)
			}
			d := parsed.Findings[0]
			if d.Code != "DUPLICATE_KEY" || d.Path != "limits.a" || len(d.Related) != 1 || d.Related[0].File != "a.yaml" || d.Related[0].Line != 2 || d.Related[0].Column != 3 {
				t.Errorf("finding: %+v", d)
			}
			if n := parsed.Bundle.GetLimits()["a"].GetDimensions()["all"].GetLimit(); n != 1 || len(parsed.Bundle.GetLimits()) != 2 {
				t.Errorf("limits: %v", parsed.Bundle.GetLimits())
			}
		})
	}
}

func TestDimensionsStandBesideTheFieldsOfALimitOrBelowTheirOwn(t *testing.T) {
	want := &configv1.Bundle{Limits: map[string]*configv1.Limit{"ads": {
		Description: "d", DryRun: true,
		Dimensions: map[string]*configv1.LimitDimension{"per_user": {Window: length("24h"), Limit: 20, Key: "string(user.id)"}, "all": {Window: length("1s"), Limit: 5}},
	}}}
	for name, text := range map[string]string{
		"beside": `
limits:
  ads:
    description: d
    per_user: {window: 86400s, limit: 20, key: "string(user.id)"}
    dry_run: true
    all: {window: 1s, limit: 5}
`,
		"below": `
limits:
  ads: {description: d, dry_run: true, dimensions: {all: {window: 1s, limit: 5}, per_user: {window: 24h, limit: 20, key: "string(user.id)"}}}
`,
		"by an alias": `
x-user: &user {window: 86400s, limit: 20, key: "string(user.id)"}
x-both: &both {per_user: *user, all: {window: 1s, limit: 5}}
limits:
  ads: {description: d, dry_run: true, <<: *both}
`,
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(text)
			if diff := cmp.Diff(want, got.Bundle, protocmp.Transform()); diff != "" || len(got.Findings) > 0 {
				t.Errorf("%v\nbundle (-want +got):\n%s", got.Findings, diff)
			}
		})
	}
}

// Places of dimensions are the same whether the file was just parsed or is known from before.
func TestPlacesOfDimensionsAreWhereTheyAreWritten(t *testing.T) {
	files := []source.File{{Name: "a.yaml", Data: []byte("limits:\n  ads:\n    per_user: {window: 1s, limit: 20}\n  two: {dimensions: {all: {window: 2s}}}\n")}}
	_, kept := source.ParseReusing(files, nil, nil)
	reused, _ := source.ParseReusing(files, kept, nil)
	for name, parsed := range map[string]source.Parsed{"parsed": source.Parse(files), "reused": reused} {
		limits := parsed.Root.Field("limits")
		beside, below := limits.Key("ads").Field("dimensions").Key("per_user"), limits.Key("two").Field("dimensions").Key("all")
		var got []string
		for _, at := range []*source.Place{beside, beside.Field("window"), below.Field("window"), limits.Key("ads").Field("dimensions"), beside.Field("key"), limits.Key("none")} {
			s := at.Span()
			got = append(got, at.Path()+" "+s.Excerpt[min(s.Column-1, len(s.Excerpt)):min(s.EndColumn-1, len(s.Excerpt))])
			if at.Written() == (at.Path() == "limits.ads.per_user.key" || at.Path() == "limits.none") {
				t.Errorf("%s: %s is written: %v", name, at.Path(), at.Written())
			}
		}
		want := []string{
			"limits.ads.per_user per_user", "limits.ads.per_user.window 1s", `limits.two.dimensions["all"].window 2s`, "limits.ads ads", "limits.ads.per_user.key per_user",
			"limits.none limits",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatIsNoDimensionIsAnUnknownField(t *testing.T) {
	for text, want := range map[string]string{
		"limits: {a: {per_user: 5}}":                                        "UNKNOWN_FIELD:1:14-22 limits.a.per_user",
		"limits: {a: {per_user: [5]}}":                                      "UNKNOWN_FIELD:1:14-22 limits.a.per_user",
		"limits: {a: {dry_rum: true}}":                                      "UNKNOWN_FIELD:1:14-21 limits.a.dry_rum",
		"limits: {a: {descripton: }}":                                       "UNKNOWN_FIELD:1:14-24 limits.a.descripton",
		"limits: {a: {description: {window: 1s}}}":                          "WRONG_TYPE:1:14-25 limits.a.description",
		"limits: {a: {all: {window: 1s}, dimensions: {b: {window: 1s}}}}":   "CONFLICTING_FIELDS:1:14-17 limits.a.all",
		"limits: {a: {all: {window: 1s}, all: {window: 2s}}}":               "DUPLICATE_KEY:1:33-36 limits.a.all",
		"limits: {a: {all: {windw: 1s}}}":                                   "UNKNOWN_FIELD:1:20-25 limits.a.all.windw",
		"limits: {a: {window: 1s}}":                                         "UNKNOWN_FIELD:1:14-20 limits.a.window",
		"limits: [a]":                                                       "WRONG_TYPE:1:1-7 limits",
		"limits: {a: 5}":                                                    "WRONG_TYPE:1:13-14 limits.a",
		"caches: {all: {window: 1s}}":                                       "UNKNOWN_FIELD:1:10-13 caches.all",
		"hierarchy_limits: {a: {multiplier: 1.5x}}":                         "WRONG_TYPE:1:36-40 hierarchy_limits.a.multiplier",
		"hierarchy_limits: {a: {multiplier: .inf}}":                         "OUT_OF_RANGE:1:36-40 hierarchy_limits.a.multiplier",
		"hierarchy_limits: {a: {multiplier: 1e999}}":                        "OUT_OF_RANGE:1:36-41 hierarchy_limits.a.multiplier",
		"breakers: {tax.rates: {timeout_threshold_seconds: 500ms}}":         `WRONG_TYPE:1:51-56 breakers["tax.rates"].timeout_threshold_seconds`,
		"breakers: {tax.rates: {timeout_threshold_seconds: \"2\"}}":         `WRONG_TYPE:1:51-54 breakers["tax.rates"].timeout_threshold_seconds`,
		"breakers: {tax.rates: {timeout_threshold_seconds: [2]}}":           `WRONG_TYPE:1:24-49 breakers["tax.rates"].timeout_threshold_seconds`,
		"breakers: {tax.rates: {timeout_threshold_seconds: }}":              `WRONG_TYPE:1:24-49 breakers["tax.rates"].timeout_threshold_seconds`,
		"breakers: {tax.rates: {timeout_threshold_seconds: 0x10}}":          `WRONG_TYPE:1:51-55 breakers["tax.rates"].timeout_threshold_seconds`,
		"breakers: {tax.rates: {timeout_threshold_seconds: 1_0.5}}":         `WRONG_TYPE:1:51-56 breakers["tax.rates"].timeout_threshold_seconds`,
		"breakers: {tax.rates: {timeout_threshold_seconds: !!int 1.5}}":     `YAML_TAG:1:51-60 breakers["tax.rates"].timeout_threshold_seconds`,
		"breakers: {tax.rates: {timeout_threshold_seconds: 1e-3, window: }": `YAML_SYNTAX:1:11-12 `,
	} {
		if got := codes(parse(text).Findings); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
