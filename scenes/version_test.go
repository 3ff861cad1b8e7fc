package scenes_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"proscenium/scenes"
)

// entities are the parts of a bundle, each written as a file of its own: JSON is YAML.
func entities(t *testing.T, s *scenes.Snapshot) []string {
	t.Helper()
	var out []string
	number := regexp.MustCompile(`"id":\s*"(\d+)"`) // JSON of protobuf quotes 64-bit numbers
	s.Bundle.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !fd.IsList() {
			t.Errorf("%s is no list", fd.Name())
			return true
		}
		for i := range v.List().Len() {
			data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(v.List().Get(i).Message().Interface())
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%s: [%s]\n", fd.Name(), number.ReplaceAll(data, []byte(`"id": $1`))))
		}
		return true
	})
	return out
}

func TestTheVersionDoesNotDependOnTheLayoutOfFiles(t *testing.T) {
	want := good(t, base(t))
	parts := entities(t, want)
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]string{}
		for i, part := range rapid.Permutation(parts).Draw(t, "order") {
			name := rapid.SampledFrom([]string{"a.yaml", "b/c.yaml", "z.yml"}).Draw(t, "file")
			files[name] += fmt.Sprintf("--- # part %d\n%s", i, part)
		}
		result := load(files)
		if result.Snapshot == nil || result.Snapshot.Version != want.Version {
			t.Fatalf("version %v, want %s: %v", result.Snapshot, want.Version, result.Diagnostics)
		}
	})
}

func TestTheVersionDoesNotDependOnNotation(t *testing.T) {
	want := good(t, base(t)).Version
	for name, edit := range map[string][3]string{
		"a comment":                {"scenes.yaml", "scenes:", "# carts\nscenes:"},
		"quotes":                   {"scenes.yaml", "name: cart", `name: "cart"`},
		"a default written out":    {"scenarios.yaml", "    retired: true", "    retired: true\n    time_mode: REAL_TIME\n    tax: {selection_mode: REGIONAL}"},
		"the long name of a value": {"types.yaml", "LIVE_STREAM", "EXCLUSIVITY_LIVE_STREAM"},
		"false written out":        {"scenes.yaml", "      enabled: true", "      enabled: true\n      need_next_best_vouchers: false"},
		"an empty section":         {"scenes.yaml", "    client: shop", "    client: shop\n    stock:"},
		"the order of a set":       {"clients.yaml", "[cart, product_page]", "[product_page, cart]"},
		"the region's default":     {"regions.yaml", "PRE_TAX", "PRE_TAX\n    rounding: HALF_UP"},
	} {
		t.Run(name, func(t *testing.T) {
			files := base(t)
			if !strings.Contains(files[edit[0]], edit[1]) {
				t.Fatalf("%s has no %q", edit[0], edit[1])
			}
			files[edit[0]] = strings.Replace(files[edit[0]], edit[1], edit[2], 1)
			if got := good(t, files).Version; got != want {
				t.Errorf("version %s, want %s", got, want)
			}
		})
	}
}

func TestTheVersionChangesWithWhatIsSaid(t *testing.T) {
	seen := map[string]string{good(t, base(t)).Version: "the base"}
	for name, edit := range map[string][3]string{
		"a switch":                {"scenes.yaml", "enabled: true", "enabled: false"},
		"a description":           {"scenes.yaml", "client: shop", "client: shop\n    description: carts"},
		"a condition":             {"rules.yaml", "1000", "1001"},
		"a share":                 {"experiments.yaml", "salt: first", "salt: second"},
		"a default changed":       {"regions.yaml", "PRE_TAX", "POST_TAX"},
		"presence of a false":     {"experiments.yaml", "features: {price_after_voucher: false}", ""},
		"the order of the groups": {"experiments.yaml", `"on"`, `"zzz"`},
		"an entity more":          {"types.yaml", "price_rule_types:", "price_rule_types:\n  - {id: 9, name: nine}"},
		"an embedded provider":    {"types.yaml", "price_rule_types:", "dependencies: [{command: tax.rates, provider: {embedded: {}}}]\nprice_rule_types:"},
		"a dependency alone":      {"types.yaml", "price_rule_types:", "dependencies: [{command: tax.rates}]\nprice_rule_types:"},
	} {
		files := base(t)
		if !strings.Contains(files[edit[0]], edit[1]) {
			t.Fatalf("%s has no %q", edit[0], edit[1])
		}
		files[edit[0]] = strings.Replace(files[edit[0]], edit[1], edit[2], 1)
		version := good(t, files).Version
		if seen[version] != "" {
			t.Errorf("%s and %s have one version", name, seen[version])
		}
		seen[version] = name
	}
}

func TestTheVersionIsShortHex(t *testing.T) {
	if v := good(t, base(t)).Version; !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(v) {
		t.Errorf("version %q", v)
	}
}

// A snapshot never changes: loading the same files gives another one with equal content.
func TestLoadingIsDeterministic(t *testing.T) {
	a, b := good(t, base(t)), good(t, base(t))
	if a == b || a.Version != b.Version || !proto.Equal(a.Bundle, b.Bundle) {
		t.Errorf("%s, %s", a.Version, b.Version)
	}
}
