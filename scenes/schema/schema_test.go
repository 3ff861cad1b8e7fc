package schema_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"

	// The schemas that the image is compared with.
	_ "proscenium/gen/proscenium/config/v1"
	_ "proscenium/gen/proscenium/pricing/v1"
	_ "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/scenes/schema"
	"proscenium/scenes/source"
)

var update = flag.Bool("update", false, "write the generated files")

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return compileFrom(t, schema.JSONSchema)
}

func compileFrom(t *testing.T, generate func() ([]byte, error)) *jsonschema.Schema {
	t.Helper()
	data, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("bundle.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// check validates each document of a file.
func check(t *testing.T, s *jsonschema.Schema, data string) error {
	t.Helper()
	loader, err := yaml.NewLoader(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var doc yaml.Node
		err := loader.Load(&doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Validate(plain(t, &doc)); err != nil {
			return err
		}
	}
}

// plain makes values of nodes as a reader of YAML 1.2 does: times are texts.
func plain(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(t, n.Content[0])
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, plain(t, c))
		}
		return out
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			out[n.Content[i].Value] = plain(t, n.Content[i+1])
		}
		return out
	case yaml.AliasNode:
		return plain(t, n.Alias)
	}
	if n.Tag == "!!timestamp" {
		return n.Value
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return map[string]any{"unreadable": err.Error()} // no field takes it
	}
	return v
}

func TestGoodFilesKeepToTheSchema(t *testing.T) {
	s := compileSchema(t)
	for _, dir := range []string{"../testdata/base", "../../configs"} {
		files, unread := source.Read(os.DirFS(dir))
		if len(files) == 0 || len(unread) > 0 {
			t.Fatalf("%s: %v", dir, unread)
		}
		for _, f := range files {
			if err := check(t, s, string(f.Data)); err != nil {
				t.Errorf("%s/%s: %v", dir, f.Name, err)
			}
		}
	}
}

func TestASchemaFindsWhatOneFileCanTell(t *testing.T) {
	s := compileSchema(t)
	for _, name := range []string{
		"unknown_fields", "wrong_types", "norway", "enums", "durations", "timestamps", "lists", "not_a_mapping", "providers", "names", "missing_fields", "elements_twice",
	} {
		archive, err := txtar.ParseFile(filepath.Join("..", "testdata", "findings", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			wrong := strings.Contains(string(archive.Files[len(archive.Files)-1].Data), f.Name+":")
			if err := check(t, s, string(f.Data)); f.Name != "want" && (err != nil) != wrong {
				t.Errorf("%s: %s: the loader finds something: %v; the schema says: %v", name, f.Name, wrong, err)
			}
		}
	}
}

func TestGoodTestsKeepToTheirSchema(t *testing.T) {
	s := compileFrom(t, schema.TestJSONSchema)
	files, unread := source.ReadTests(os.DirFS("../../configs"))
	if len(files) == 0 || len(unread) > 0 {
		t.Fatal(unread)
	}
	for _, f := range files {
		if err := check(t, s, string(f.Data)); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	for _, good := range []string{
		"",
		"x-anything: [1, 2]\nfixtures:\n",
		"tests: [{name: a, request: {}, expect: {refused: {reason: INVALID_REQUEST}}}]", // wrong requests can be tested
		"tests: [{name: a, request: {region: us, user_id: -1, items: []}}]",
		"tests: [{name: a, expect: {answer: {items: [{status: STATUS_OK}, {status: OK}], priced_at: 2026-01-31T18:00:00Z}}}]",
		"fixtures: {times: {a: 2026-01-31T18:00:00Z}, users: {guest: {}, none: }, catalogs: {c: {tables: {items: 'item_id'}}}}",
	} {
		if err := check(t, s, good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestTheSchemaOfTestsFindsWhatOneFileCanTell(t *testing.T) {
	s := compileFrom(t, schema.TestJSONSchema)
	for _, wrong := range []string{
		"test: []",
		"tests: [{}]", // no name
		"tests: [{name: a, request: {scene_id: 1, scene_name: b}}]",
		"tests: [{name: a, request: {items: [{item: 1}]}}]",
		"tests: [{name: a, expect: {answer: {items: [{status: GOOD}]}}}]",
		"tests: [{name: a, expect: {answer: {totals: {final_price: '300'}}}}]",
		"tests: [{name: a, failing: [tax.rates, tax.rates]}]",
		"tests: [{name: a, cells: [{where: {}}]}]",
		"tests: [{name: a, expect: {that: ['']}}]",
		"fixtures: {times: {a: soon}}",
		"fixtures: {users: {a: {user_id: 0}}}",
	} {
		if err := check(t, s, wrong); err == nil {
			t.Errorf("%s keeps to the schema", wrong)
		}
	}
}

func TestLongNamesAndEmptySectionsKeepToTheSchema(t *testing.T) {
	s := compileSchema(t)
	for _, good := range []string{
		"",
		"regions: [{code: US, currency: USD, time_zone: UTC, default_tax_mode: TAX_MODE_PRE_TAX}]",
		"scenes:\n  - {id: 1, name: a, client: b, scenario: c, voucher: }",
		"x-anything: [1, 2]\ncaches:\n",
		"dependencies: [{command: tax.rates, provider: {embedded: }, timeout: 1m30s}]",
	} {
		if err := check(t, s, good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestFieldsMessagesAndValuesAreExplained(t *testing.T) {
	data, err := schema.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"Names of the scenes that the client may use."`,                                 // a field
		`"To nearest, ties away from zero."`,                                             // a value of an enum
		`"Region is a market: a currency, a time zone, and how prices are shown there."`, // a message
	} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("the schema lacks %s", want)
		}
	}
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	reference, err := schema.Reference()
	if err != nil {
		t.Fatal(err)
	}
	editors, err := schema.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	tests, err := schema.TestJSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"../../docs/reference/configuration.md": reference,
		"../../configs/bundle.schema.json":      string(editors), // named by the first line of the reference files
		"../../configs/test.schema.json":        string(tests),   // and by that of their tests
	} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: run 'make generate' and commit (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheImageIsThatOfTheGeneratedCode(t *testing.T) {
	data, err := os.ReadFile("config.binpb")
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.GetFile()) < 7 {
		t.Fatalf("the image has %d files", len(set.GetFile()))
	}
	for _, file := range set.GetFile() {
		generated, err := protoregistry.GlobalFiles.FindFileByPath(file.GetName())
		if err != nil {
			t.Fatal(err)
		}
		want := protodesc.ToFileDescriptorProto(generated)
		// Source info is what the image is for; file options are the generators'.
		file.SourceCodeInfo, file.Options, want.Options = nil, nil, nil
		if diff := cmp.Diff(want, file, protocmp.Transform()); diff != "" {
			t.Errorf("%s: run 'make generate' and commit (-generated +image):\n%s", file.GetName(), diff)
		}
	}
}
