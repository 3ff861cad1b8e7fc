package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/rules"
)

var update = flag.Bool("update", false, "write docs/reference/commands.md")

// result is what a command did.
type result struct {
	code           int
	stdout, stderr string
}

func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, process{stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr})
	return result{code, stdout.String(), stderr.String()}
}

// dir writes files, named by their paths, to a new directory.
func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const regions = `regions:
  - {code: US, currency: USD, time_zone: America/New_York, default_tax_mode: PRE_TAX}
price_rule_types:
  - {id: 1, name: original_price, is_original_price: true}
`

func TestCommandsEndWithTheirExitCodeAndSayWhy(t *testing.T) {
	good := dir(t, map[string]string{"a.yaml": regions})
	broken := dir(t, map[string]string{"a.yaml": regions + "clents: []\n"})
	warned := dir(t, map[string]string{"a.yaml": regions + "voucher_pools:\n  - {name: UNUSED, when: 'true'}\n"})
	for _, c := range []struct {
		name  string
		args  []string
		stdin string
		code  int
		out   []string // in standard output
		err   []string // in standard error
	}{
		{"version", []string{"version"}, "", 0, []string{"proscenium ", "go1."}, nil},
		{"help", []string{"--help"}, "", 0, []string{"serve", "validate", "explain", "Exit codes"}, nil},
		{"no command", []string{}, "", 0, []string{"Available Commands"}, nil},
		{"an unknown command", []string{"sirve"}, "", 2, nil, []string{`unknown command "sirve"; did you mean serve?`}},
		{"a command like no other", []string{"frobnicate"}, "", 2, nil, []string{`unknown command "frobnicate"; see proscenium --help`}},
		{"an unknown flag", []string{"validate", "--loud"}, "", 2, nil, []string{"--loud", "validate --help"}},

		{"a good configuration", []string{"validate", good}, "", 0, []string{"good, 0 scenes"}, nil},
		{"a broken one", []string{"validate", broken}, "", 1, []string{"a.yaml:5:1", "clents: []", "^^^^^^", "did you mean clients?"}, nil},
		{"a broken one, for programs", []string{"validate", broken, "--format", "json"}, "", 1, []string{`"code": "UNKNOWN_FIELD"`, `"line": 5`}, nil},
		{"one with warnings", []string{"validate", warned}, "", 0, []string{"warning:", "UNUSED"}, nil},
		{"one with warnings, strictly", []string{"validate", warned, "--strict"}, "", 1, []string{"warning:"}, nil},
		{"none", []string{"validate", filepath.Join(good, "none")}, "", 2, nil, []string{"none"}},
		{"a file instead of its directory", []string{"validate", filepath.Join(good, "a.yaml")}, "", 2, nil, []string{"name the directory"}},
		{"no directory given", []string{"validate"}, "", 2, nil, []string{"0 arguments in place of 1; write proscenium validate DIR [flags]"}},
		{"two directories given", []string{"validate", good, good}, "", 2, nil, []string{"2 arguments in place of 1; write"}},
		{"one side given", []string{"diff", good}, "", 2, nil, []string{"1 argument in place of 2; write proscenium diff OLD NEW"}},
		{"an unknown format", []string{"validate", good, "--format", "xml"}, "", 2, nil, []string{"--format", "xml"}},

		{"the type of an expression", []string{"eval", "promo.price < 500"}, "", 0, []string{"type:  bool"}, nil},
		{"the value of an expression", []string{"eval", "promo.price < 500 && 'vip' in user.segments", "--place", "eligibility", "--input", "-"}, "{promo: {price: 499}, user: {id: 7, segments: [vip]}}", 0, []string{"value: true"}, nil},
		{"a value of a zone's clock", []string{"eval", "request.scene == 'a' && promo.start_time < request.time", "--input", "-"}, "{promo: {start_time: 2026-01-01T00:00:00Z}, request: {scene: a, time: 2026-01-02T00:00:00Z}, zone: Asia/Tokyo}", 0, []string{"value: true"}, nil},
		{"the unit of an experiment", []string{"eval", "user.id", "--place", "experiment_unit", "--input", "-", "--format", "json"}, "{user: {id: 7}}", 0, []string{`"value": "7"`}, nil},
		{"a misspelt field", []string{"eval", "promo.pric < 500"}, "", 1, []string{"CEL_UNKNOWN_NAME", "promo.pric < 500\n        ^^^^\n", "promo.price"}, nil},
		{"a variable that the input lacks", []string{"eval", "item.id == 1", "--input", "-"}, "{promo: {price: 1}}", 1, []string{"error: item is not known here"}, nil},
		{"an unknown place", []string{"eval", "true", "--place", "moon"}, "", 2, nil, []string{"moon", "promo_rule"}},
		{"an input of an unknown part", []string{"eval", "true", "--input", "-"}, "{prono: {}}", 2, nil, []string{"prono", "promo"}},
		{"an input of an unknown field", []string{"eval", "true", "--input", "-"}, "{promo: {pricee: 1}}", 2, nil, []string{"promo.pricee", "did you mean promo.price?"}},
		{"an input of a wrong type", []string{"eval", "true", "--input", "-"}, "{promo: {price: cheap}}", 2, nil, []string{"promo.price"}},
		{"an input of a derived value", []string{"eval", "true", "--input", "-"}, "{user: {logged_in: true}}", 2, nil, []string{"user.id"}},
		{"no expression", []string{"eval"}, "", 2, nil, []string{"give an expression"}},
		{"the variables of a place", []string{"eval", "--variables", "--place", "voucher_pool"}, "", 0, []string{"voucher.type", "SHOP_VOUCHER, PLATFORM_VOUCHER"}, nil},

		{"a request of an unknown scene", []string{"explain", "--request", "-"}, `{"scene_name": "moon", "region": "US", "items": [{"item_id": 1000}]}`, 1, nil, []string{"refused:", "moon", "SCENE"}},
		{"a request with many faults", []string{"explain", "--request", "-"}, `{"scene_name": "cart", "region": "usa"}`, 1, nil, []string{"refused: region:", "refused: items:", "INVALID_REQUEST"}},
		{"a request that is no JSON", []string{"explain", "--request", "-"}, "{", 2, nil, []string{"request -"}},
		{"no request", []string{"explain"}, "", 2, nil, []string{"request"}},
		{"a request of another client", []string{"explain", "--client", "cart", "--request", "-"}, `{"scene_name": "shop_chat", "region": "US", "user_id": 1, "items": [{"item_id": 1000}]}`, 1, nil, []string{"SCENE_NOT_ALLOWED"}},
		{"a configuration without catalog", []string{"explain", "--config", good, "--request", "-"}, "{}", 2, nil, []string{"--catalog"}},

		{"settings that are wrong", []string{"serve", "--listen", "0.0.0.0:0"}, "", 2, nil, []string{"access: required"}},
		{"a configuration that is not there", []string{"serve", "--config", filepath.Join(good, "none"), "--listen", "127.0.0.1:0"}, "", 2, nil, []string{"--config"}},
		{"data that is not there", []string{"import", "retail", "--from", filepath.Join(good, "none"), "--to", t.TempDir()}, "", 2, nil, []string{"--from"}},
		{"no data named", []string{"import", "retail"}, "", 2, nil, []string{"from", "to"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, c.stdin, c.args...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d", got.code, c.code)
			}
			for _, want := range c.out {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("standard output does not say %q", want)
				}
			}
			for _, want := range c.err {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("standard error does not say %q", want)
				}
			}
			if t.Failed() {
				t.Logf("stdout:\n%s\nstderr:\n%s", got.stdout, got.stderr)
			}
		})
	}
}

func TestSchemaPrintsTheFileThatTheConfigurationNames(t *testing.T) {
	want, err := os.ReadFile("../../configs/bundle.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	got := command(t, "", "schema")
	if got.code != 0 {
		t.Fatalf("exit code %d\n%s", got.code, got.stderr)
	}
	if diff := cmp.Diff(string(want), got.stdout); diff != "" {
		t.Errorf("-committed +printed:\n%s", diff)
	}
}

func TestExplainPrintsTheTraceAndTheAnswer(t *testing.T) {
	const request = `{"scene_name": "sls_future_price", "region": "US", "items": [{"item_id": 1000}], "at_time": "2017-05-12T12:00:00Z"}`
	text := command(t, request, "explain", "--request", "-")
	for _, want := range []string{"scene sls_future_price", "plan: price_stock_query > ", "promotions\n", "prices\n", `"status": "STATUS_OK"`} {
		if !strings.Contains(text.stdout, want) {
			t.Errorf("no %q in:\n%s%s", want, text.stdout, text.stderr)
		}
	}
	var answer struct {
		Items []struct {
			Status string `json:"status"`
		} `json:"items"`
		Trace struct {
			Plan []string `json:"plan"`
		} `json:"trace"`
	}
	got := command(t, request, "explain", "--request", "-", "--format", "json")
	if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Items) != 1 || answer.Items[0].Status != "STATUS_OK" || len(answer.Trace.Plan) == 0 {
		t.Errorf("answer %s", got.stdout)
	}
}

func TestVouchersThatMissAModelAlikeAreCounted(t *testing.T) {
	trace := &pricingv1.Trace{Vouchers: []*pricingv1.TraceVoucher{{ModelId: 1, VoucherId: 7, Applied: true, Discount: 15}}}
	for i := range 5 {
		trace.Vouchers = append(trace.Vouchers, &pricingv1.TraceVoucher{ModelId: 1, VoucherId: int64(100 + i), Reason: "MODEL_SCOPE"})
	}
	for i := range 5 {
		trace.Vouchers = append(trace.Vouchers, &pricingv1.TraceVoucher{ModelId: 1, VoucherId: int64(200 + i), Reason: "MIN_SPEND", Missing: int64(1 + i)})
	}
	trace.Vouchers = append(trace.Vouchers,
		&pricingv1.TraceVoucher{ModelId: 2, VoucherId: 300, Reason: "MODEL_SCOPE"},
		&pricingv1.TraceVoucher{ModelId: 2, VoucherId: 301, Reason: "LOST_TO", LostToVoucherId: 7, Missing: 3, Discount: 12})
	var b strings.Builder
	if err := writeTrace(&b, trace); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{
		"1 7 applied 15", "1 5 vouchers not applied MODEL_SCOPE", "1 200 not applied 0 MIN_SPEND: 1 more", "1 204 not applied 0 MIN_SPEND: 5 more",
		"2 300 not applied 0 MODEL_SCOPE", "2 301 not applied 12 LOST_TO 7, which saves 3 more",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestEveryVariableOfEveryPlaceCanBeGivenAsInput(t *testing.T) {
	in := &rules.Input{}
	setters := inputSetters(in)
	known := map[string]bool{}
	for _, place := range rules.Places() {
		for _, v := range place.Variables {
			known[v.Name] = true
		}
	}
	have := map[string]bool{}
	for name := range setters {
		have[name] = true
	}
	if diff := cmp.Diff(known, have); diff != "" {
		t.Errorf("-variables of rules +variables of inputs:\n%s", diff)
	}
}

const document = "../../docs/reference/commands.md"

func TestTheDocumentDescribesEveryCommand(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nExit codes: 0 done, 1 findings or a failed check, 2 wrong usage or could not run.\n" +
		"`proscenium completion SHELL` writes completion for bash, zsh, fish and PowerShell.\n")
	var describe func(*cobra.Command)
	describe = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.HasParent() && !c.HasSubCommands() {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", c.CommandPath(), c.Short)
			if c.Long != "" {
				fmt.Fprintf(&b, "\n```text\n%s\n```\n", c.Long)
			}
			if c.Example != "" {
				fmt.Fprintf(&b, "\n```bash\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(c.Example, "  "), "\n  ", "\n"))
			}
			flags := 0
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Name == "help" {
					return
				}
				if flags++; flags == 1 {
					b.WriteString("\n| flag | default | |\n|---|---|---|\n")
				}
				value := ""
				if f.DefValue != "" {
					value = "`" + f.DefValue + "`"
				}
				fmt.Fprintf(&b, "| `--%s` | %s | %s |\n", f.Name, value, strings.ReplaceAll(f.Usage, "|", `\|`))
			})
		}
		for _, sub := range c.Commands() {
			describe(sub)
		}
	}
	describe(newRoot(process{}))
	if *update {
		if err := os.WriteFile(document, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("%s is not what the commands are; write it with go test ./cmd/proscenium -update (-want +have):\n%s", document, diff)
	}
}
