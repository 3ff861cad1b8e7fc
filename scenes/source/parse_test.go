package source_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

func parse(text string) source.Parsed {
	return source.Parse([]source.File{{Name: "a.yaml", Data: []byte(text)}})
}

// codes are the codes of findings with their places.
func codes(findings []diag.Diagnostic) []string {
	var out []string
	for _, d := range findings {
		out = append(out, fmt.Sprintf("%s:%d:%d-%d %s", d.Code, d.Line, d.Column, d.EndColumn, d.Path))
	}
	return out
}

func TestValuesOfEveryKindAreRead(t *testing.T) {
	got := parse(`
price_rule_types:
  - {id: 0x1F, name: "a", priority: -5, exclusivity: EXCLUSIVITY_LIVE_STREAM, is_original_price: True}
experiments:
  - name: e
    groups: [{name: g, share: 100000, features: {price_after_voucher: false}}]
downgrades:
  - {feature: TAX, until: 2026-03-01T12:00:00+08:00}
dependencies:
  - command: tax.rates
    timeout: 1m30s
    provider: {embedded: }
    regions:
      NO: {connect: {url: !!str 5, retries: ~}}
caches: {price_stock: {ttl: 1.5s}}
`)
	if len(got.Findings) > 0 {
		t.Fatal(got.Findings)
	}
	off := false
	want := &configv1.Bundle{
		PriceRuleTypes: []*configv1.PriceRuleType{
			{Id: 31, Name: "a", Priority: -5, Exclusivity: configv1.Exclusivity_EXCLUSIVITY_LIVE_STREAM, IsOriginalPrice: true},
		},
		Experiments: []*configv1.Experiment{
			{Name: "e", Groups: []*configv1.ExperimentGroup{{Name: "g", Share: 100000, Features: &configv1.Features{PriceAfterVoucher: &off}}}},
		},
		Downgrades: []*configv1.Downgrade{{Feature: configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX, Until: stamp("2026-03-01T04:00:00Z")}},
		Dependencies: []*configv1.Dependency{{
			Command: "tax.rates", Timeout: length("90s"), Provider: &configv1.Provider{Kind: &configv1.Provider_Embedded{Embedded: &configv1.EmbeddedProvider{}}},
			Regions: map[string]*configv1.Provider{
				"NO": {Kind: &configv1.Provider_Connect{Connect: &configv1.ConnectProvider{Url: "5", Retries: &configv1.Retries{}}}},
			},
		}},
		Caches: &configv1.Caches{PriceStock: &configv1.Cache{Ttl: length("1.5s")}},
	}
	if diff := cmp.Diff(want, got.Bundle, protocmp.Transform()); diff != "" {
		t.Errorf("bundle (-want +got):\n%s", diff)
	}
}

func TestListsOfSeveralFilesAreOneList(t *testing.T) {
	got := source.Parse([]source.File{
		{Name: "a.yaml", Data: []byte("clients:\n  - {id: 1, name: a}\n---\nclients: [{id: 2, name: b}]\n")},
		{Name: "b.yaml", Data: []byte("\ufeffclients:\r\n  - id: 3\r\n    name: c\r\n")},
	})
	var names []string
	for _, c := range got.Bundle.GetClients() {
		names = append(names, c.GetName())
	}
	if !slices.Equal(names, []string{"a", "b", "c"}) || len(got.Findings) > 0 {
		t.Errorf("%v, %v", names, got.Findings)
	}
	at := got.Root.Field("clients").Index(2).Field("name")
	want := source.Span{File: "b.yaml", Line: 3, Column: 11, EndColumn: 12, Excerpt: "    name: c"}
	if at.Span() != want || at.Path() != "clients[2].name" {
		t.Errorf("%s is at %+v", at.Path(), at.Span())
	}
}

func TestMergeKeysAndAliasesAreResolved(t *testing.T) {
	got := parse(`
x-a: &a {id: 1, name: a, description: from a}
x-b: &b {description: from b, credential_ids: [&k key]}
clients:
  - <<: [*a, *b]
    name: own
    allowed_scenes: [*k]
`)
	want := []*configv1.Client{{Id: 1, Name: "own", Description: "from a", CredentialIds: []string{"key"}, AllowedScenes: []string{"key"}}}
	if diff := cmp.Diff(want, got.Bundle.GetClients(), protocmp.Transform()); diff != "" || len(got.Findings) > 0 {
		t.Errorf("clients (-want +got):\n%s%v", diff, got.Findings)
	}
	if at := got.Root.Field("clients").Index(0).Field("description").Span(); at.Line != 2 || at.Column != 39 {
		t.Errorf("a merged field is at %d:%d, want 2:39", at.Line, at.Column)
	}
}

func TestWhatHurtsIsRefused(t *testing.T) {
	list := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+", ", n), ", ") + "]"
	}
	for _, c := range []struct{ name, text, want string }{
		{"bytes that are no UTF-8", "# Z\xfcrich\n", "NOT_UTF8:1:4-5 "},
		{"control characters", "regions:\n - code: \"\x00\"\n", "NOT_UTF8:2:11-12 "},
		{"UTF-16", "\xff\xfer\x00e\x00", "NOT_UTF8:1:1-2 "},
		{"endless lists", "x-k: [" + strings.Repeat("a,", 1_000_000) + "]", "FILE_TOO_LARGE:0:0-0 "},
		{"endless depth", strings.Repeat("[", 100_000), "YAML_SYNTAX:1:65-66 "},
		{"an anchor within itself", "clients: &a [*a]\n", "WRONG_TYPE:1:14-16 clients[0]"},
		{"a mapping that merges itself", "clients:\n - &a\n   <<: *a\n   id: 1\n", "YAML_MERGE:3:8-10 "},
		{
			"aliases that stand for billions",
			"x-k: &k " + list("key", 1000) + "\nx-c: &c {id: 1, credential_ids: *k}\nclients: &l " + list("*c", 100_000) + "\n---\n",
			"TOO_MANY_ALIASES:1:4170-4173 clients[697].credential_ids[832]",
		},
		{
			"merges that stand for billions",
			"x-a: &a {id: 1}\nx-b: &b {<<: " + list("*a", 2000) + "}\nclients:\n" + strings.Repeat("  - <<: *b\n", 2000), "TOO_MANY_ALIASES:132:5-7 clients[128]",
		},
		{"keys that are no text", "? [a]\n: 1\n", "WRONG_TYPE:1:3-4 "},
		{"binary", "clients: [{name: !!binary aGk=}]\n", "YAML_TAG:1:18-31 clients[0].name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := parse(c.text)
			if len(got.Findings) == 0 || codes(got.Findings)[0] != c.want {
				t.Errorf("got %v, want %s first", codes(got.Findings), c.want)
			}
		})
	}
}

func TestAFileThatIsTooLargeIsNotParsed(t *testing.T) {
	got := source.Parse([]source.File{{Name: "a.yaml", Data: make([]byte, 16<<20+1)}})
	if len(got.Findings) != 1 || got.Findings[0].Code != diag.FileTooLarge || got.Whole {
		t.Errorf("%v", got.Findings)
	}
}

func TestGarbageHasAnEnd(t *testing.T) {
	got := parse("clients:\n" + strings.Repeat("  - naem: a\n", 20_000))
	last := got.Findings[len(got.Findings)-1]
	if len(got.Findings) != diag.Most+1 || last.Code != diag.TooMany {
		t.Errorf("%d findings, the last is %v", len(got.Findings), last)
	}
}

// A line of megabytes must not make findings on it slow, nor long.
func TestOneLongLineIsHandled(t *testing.T) {
	got := parse("clients: [" + strings.Repeat("{naem: é}, ", 100_000) + "]")
	if len(got.Findings) != diag.Most+1 {
		t.Fatalf("%d findings", len(got.Findings))
	}
	if d := got.Findings[4000]; d.Column != 11+4000*11+1 || d.Excerpt != "" {
		t.Errorf("finding 4000 is in column %d, excerpt of %d bytes", d.Column, len(d.Excerpt))
	}
}

// The decoder knows the kinds of fields that the schema has; a new kind must be taught to it.
func TestEveryFieldOfTheSchemaCanBeWritten(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	var visit func(protoreflect.MessageDescriptor)
	visit = func(md protoreflect.MessageDescriptor) {
		if seen[md.FullName()] || strings.HasPrefix(string(md.FullName()), "google.protobuf.") {
			return
		}
		seen[md.FullName()] = true
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			value := fd
			if fd.IsMap() {
				value = fd.MapValue()
				if fd.MapKey().Kind() != protoreflect.StringKind {
					t.Errorf("%s: keys of maps are text", fd.FullName())
				}
			}
			switch value.Kind() {
			case protoreflect.StringKind, protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.DoubleKind:
			case protoreflect.MessageKind:
				visit(value.Message())
			default:
				t.Errorf("%s: no file can hold a %s", fd.FullName(), value.Kind())
			}
		}
	}
	visit((&configv1.Bundle{}).ProtoReflect().Descriptor())
	if len(seen) < 30 {
		t.Errorf("only %d messages were seen", len(seen))
	}
}
