package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/impact/impacttest"
	"proscenium/impact/review"
	"proscenium/recording"
)

// inMarket makes a directory with two configurations, main and edited, that share the reference catalog, and a recording, and goes there.
func inMarket(t *testing.T, file, old, text string, records []*pricingv1.RecordedRequest) {
	t.Helper()
	catalog, err := filepath.Abs("../../configs/catalog")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for name, files := range map[string]fs.FS{"main": impacttest.Edited(t, "", "", ""), "edited": impacttest.Edited(t, file, old, text)} {
		if err := os.CopyFS(name, files); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(name+"/catalog", os.DirFS(catalog)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, "may.jsonl", impacttest.Text(t, records))
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// cartOf is a request to the cart of a user.
func cartOf(user int64) *pricingv1.RecordedRequest {
	records := &pricingv1.RecordedRequest{Request: &pricingv1.GetPromotionInfoRequest{
		Scene: &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "cart"}, Region: "US", UserId: proto.Int64(user),
		Items: []*pricingv1.RequestItem{{ItemId: 1637, Models: []*pricingv1.RequestModel{{ModelId: 6546065}}}},
	}}
	return records
}

func TestDiffEndsWithItsExitCodeAndSaysWhy(t *testing.T) {
	inMarket(t, "scenes/15_cart.yaml", "enabled: true", "enabled: false", []*pricingv1.RecordedRequest{cartOf(1), cartOf(2)})
	writeFile(t, "bare.jsonl", `{"scene_name": "cart", "region": "US", "user_id": 1, "items": [{"item_id": 1637}]}`+"\nnothing\n")
	writeFile(t, "empty.jsonl", "")
	writeFile(t, "bad.jsonl", "{}\n")
	writeFile(t, "rare.jsonl", `{"weight": 1000000, "request": {"scene_name": "none", "region": "US", "items": [{"item_id": 1}]}}`+"\n"+
		`{"scene_name": "cart", "region": "US", "user_id": 1, "items": [{"item_id": 1637, "models": [{"model_id": 6546065}]}]}`+"\n")
	writeFile(t, "a.yaml", regions)
	writeFile(t, "b.yaml", strings.Replace(regions, "USD", "CAD", 1))
	writeFile(t, "broken.yaml", regions+"clents: []\n")
	for _, c := range []struct {
		name string
		args []string
		code int
		out  []string
		err  []string
	}{
		{"no difference", []string{"main", "main", "--exit-code"}, 0, []string{"The configurations say the same."}, nil},
		{"a difference", []string{"main", "edited"}, 0, []string{"changed scene cart\n  scenes[cart].voucher.enabled: true -> false\n"}, nil},
		{"a difference that matters", []string{"main", "edited", "--exit-code"}, 1, []string{"changed scene cart"}, nil},
		{"files", []string{"a.yaml", "b.yaml"}, 0, []string{"regions[US].currency: USD -> CAD"}, nil},
		{"a new configuration with errors", []string{"a.yaml", "broken.yaml"}, 1, nil, []string{"./broken.yaml:5:1", "did you mean clients?"}},
		{"an old one with errors", []string{"broken.yaml", "a.yaml"}, 2, nil, []string{"did you mean clients?", "OLD, broken.yaml, has errors"}},
		{"no such directory", []string{"main", "none"}, 2, nil, []string{"none"}},
		{"one name", []string{"main"}, 2, nil, []string{"1 argument in place of 2"}},
		{"no repository", []string{"git:main:configs", "main"}, 2, nil, []string{"git:main:configs", "git:"}},
		{"an unknown format", []string{"main", "edited", "--format", "xml"}, 2, nil, []string{"--format", "xml"}},
		{"a wrong top", []string{"main", "edited", "--top", "-1"}, 2, nil, []string{"--top"}},
		{"a bound without requests", []string{"main", "edited", "--max-changed", "1"}, 2, nil, []string{"--requests"}},
		{"a bound that is none", []string{"main", "edited", "--requests", "may.jsonl", "--max-changed", "101"}, 2, nil, []string{"--max-changed"}},

		{"requests", []string{"main", "edited", "--requests", "may.jsonl"}, 0, []string{"2 of 2 requests get another answer (100%).", "first at may.jsonl:1", "no vouchers now"}, nil},
		{"requests within the bound", []string{"main", "main", "--requests", "may.jsonl", "--max-changed", "0"}, 0, []string{"None of 2 requests gets another answer."}, nil},
		{"one of a million is beyond no change", []string{"main", "edited", "--requests", "rare.jsonl", "--max-changed", "0"}, 1, []string{"1 of 2 requests gets another answer (below 0.01%)"}, nil},
		{"requests beyond the bound", []string{"main", "edited", "--requests", "may.jsonl", "--max-changed", "99.9"}, 1, []string{"2 of 2"}, nil},
		{"a bare request, and a line that is none", []string{"main", "edited", "--requests", "bare.jsonl"}, 0, []string{"1 of 1 request gets", "BAD_LINE", "bare.jsonl:2"}, nil},
		{"nothing that can be compared", []string{"main", "edited", "--requests", "bad.jsonl"}, 1, []string{"No request could be compared.", "bad.jsonl:1", "it has no field request"}, nil},
		{"no request at all", []string{"main", "edited", "--requests", "empty.jsonl"}, 2, nil, []string{"no request"}},
		{"no such recording", []string{"main", "edited", "--requests", "none.jsonl"}, 2, nil, []string{"none.jsonl"}},
		{"no such key", []string{"main", "edited", "--requests", "may.jsonl", "--user-key", "none"}, 2, nil, []string{"--user-key", "none"}},
		{"no catalog", []string{"a.yaml", "b.yaml", "--requests", "may.jsonl"}, 2, nil, []string{"--catalog"}},
		{"no such catalog", []string{"a.yaml", "b.yaml", "--requests", "may.jsonl", "--catalog", "none"}, 2, nil, []string{"--catalog"}},
		{"the catalog of one side", []string{"main", "a.yaml", "--requests", "may.jsonl"}, 0, []string{"SCENE_NOT_FOUND", "both sides are priced over the catalog of main"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := command(t, "", append([]string{"diff"}, c.args...)...)
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

func TestSidesWithCatalogsOfTheirOwnArePricedOverThem(t *testing.T) {
	inMarket(t, "", "", "", []*pricingv1.RecordedRequest{cartOf(1)})
	writeFile(t, "edited/catalog/taxes.csv", "region,category,rate\nUS,,25000\n")
	got := command(t, "", "diff", "main", "edited", "--requests", "may.jsonl")
	for _, want := range []string{"1 of 1 request", "items.models.tax", "each side is priced over its own"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in:\n%s%s", want, got.stdout, got.stderr)
		}
	}
	if got := command(t, "", "diff", "main", "edited", "--requests", "may.jsonl", "--exit-code"); got.code != 1 {
		t.Errorf("answers differ, though not the configurations: exit code %d", got.code)
	}
	if got := command(t, "", "diff", "main", "edited", "--exit-code"); got.code != 0 {
		t.Errorf("the configurations say the same: exit code %d", got.code)
	}
	if got := command(t, "", "diff", "main", "edited", "--requests", "may.jsonl", "--catalog", "main/catalog"); !strings.Contains(got.stdout, "None of 1") {
		t.Errorf("over one catalog:\n%s%s", got.stdout, got.stderr)
	}
}

func TestUsersOfARecordingAreFoundAgainWithItsKey(t *testing.T) {
	// User 1 has vouchers of campaigns, and so a price of its own.
	inMarket(t, "scenes/15_cart.yaml", "enabled: true", "enabled: false", nil)
	writeFile(t, "key", strings.Repeat("0123456789abcdef", 4)+"\n")
	key, err := recording.LoadKey("key")
	if err != nil {
		t.Fatal(err)
	}
	hidden := cartOf(recording.NewPseudonyms(key).Of(1))
	hidden.Users = pricingv1.RecordedRequest_USERS_HASHED
	writeFile(t, "may.jsonl", impacttest.Text(t, []*pricingv1.RecordedRequest{hidden}))
	priced := func(args ...string) *review.Review {
		got := command(t, "", append([]string{"diff", "main", "edited", "--requests", "may.jsonl", "--format", "json"}, args...)...)
		r := &review.Review{}
		if err := json.Unmarshal([]byte(got.stdout), r); err != nil || got.code != 0 || len(r.Impact.Largest) == 0 {
			t.Fatalf("%v\n%s%s", err, got.stdout, got.stderr)
		}
		return r
	}
	unknown, known := priced(), priced("--user-key", "key")
	if largest := unknown.Impact.Largest[0]; !largest.Pseudonym || len(unknown.Impact.Notes) == 0 ||
		!strings.HasPrefix(unknown.Impact.Notes[0], "1 request names its user by a pseudonym") ||
		!strings.HasSuffix(unknown.Impact.Notes[0], "; --user-key finds those that the catalog knows") {
		t.Errorf("without key: %+v, notes %q", largest, unknown.Impact.Notes)
	}
	if largest := known.Impact.Largest[0]; largest.Pseudonym || largest.User != 1 {
		t.Errorf("with key: %+v", largest)
	}
}

const guide = "docs/guides/review-a-change.md"

// The guide shows the comment of a real edit.
func TestTheGuideShowsWhatDiffWrites(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	inMarket(t, "rules.yaml", "      - flash_sale\n", "      - flash_sale\n      - weekly_cut\n", impacttest.Records(t, 1, 2_000))
	got := command(t, "", "diff", "main", "edited", "--requests", "may.jsonl", "--format", "markdown", "--top", "3")
	if got.code != 0 {
		t.Fatal(got.stderr)
	}
	const begin, end = "````markdown\n", "````\n"
	page, err := os.ReadFile(filepath.Join(root, guide))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(page, []byte(begin))
	shown, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("%s has no example", guide)
	}
	if *update {
		text := string(before) + begin + got.stdout + end + string(after)
		if err := os.WriteFile(filepath.Join(root, guide), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(shown) != got.stdout {
		t.Errorf("%s is not what diff writes; write it with go test ./cmd/proscenium -update\n%s", guide, got.stdout)
	}
}
