package review_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"proscenium/impact"
	"proscenium/impact/review"
	"proscenium/scenes/diff"
)

var update = flag.Bool("update", false, "write testdata")

// full has something of everything.
func full() *review.Review {
	first, last := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC), time.Date(2026, 5, 2, 9, 30, 0, 0, time.UTC)
	return &review.Review{
		Old: review.Side{Name: "git:main:configs", Version: "aaaa", Scenes: 18},
		New: review.Side{Name: "configs", Version: "bbbb", Scenes: 19},
		Changes: []diff.Change{
			{Kind: diff.Changed, Section: "clients", Entity: "client", Name: "web", Fields: []diff.Field{
				{Path: "allowed_scenes", Added: []string{"widget"}, Removed: []string{"old_widget"}},
			}},
			{Kind: diff.Added, Section: "scenes", Entity: "scene", Name: "widget", Fields: []diff.Field{
				{Path: "scenario", New: "guest"}, {Path: "voucher.enabled", Old: "false", New: "true"},
			}},
			{Kind: diff.Removed, Section: "exclusion_rules", Entity: "exclusion rule", Name: "cheap", UsedBy: []string{"old_widget"}, Fields: []diff.Field{
				{Path: "when", Old: "promo.price < 100", Expression: true},
			}},
			{Kind: diff.Changed, Section: "exclusion_rules", Entity: "exclusion rule", Name: "flashless", OldName: "no_flash", UsedBy: []string{"cart", "page"}, EveryScene: true, Fields: []diff.Field{
				{Path: "when", Old: "promo.price < 100 ||\n  promo.sold_out", New: "promo.price < 200", Expression: true},
			}},
			{Kind: diff.Changed, Section: "caches", Entity: "caches", Fields: []diff.Field{{Path: "price_stock.ttl", Old: "5s", OldDefault: true, New: "1s"}}},
		},
		Impact: &impact.Report{
			Requests: 1200, Compared: 1198, StandFor: 11980, Changed: 412, StandForChanged: 4120, Percent: 34.39, First: &first, Last: &last,
			Refusals: []impact.RefusalChange{
				{New: "SCENE_NOT_FOUND", Scene: "old_widget", Requests: 12, Message: "there is no scene old_widget", Place: "may.jsonl:7"},
				{Old: "USER_REQUIRED", Scene: "cart", Requests: 1, Message: "give the user's id", Place: "may.jsonl:9"},
			},
			Refused: []impact.RefusalChange{{Old: "REGION_NOT_SERVED", New: "REGION_NOT_SERVED", Scene: "cart", Requests: 3, Message: "region JP", Place: "may.jsonl:3"}},
			Scenes: []impact.Part{
				{Name: "cart", Requests: 700, Changed: 400, Percent: 57.1, Dearer: 399, Cheaper: 1},
				{Name: "old_widget", Requests: 12, Changed: 12, Percent: 100},
				{Name: "page", Requests: 486},
			},
			Regions: []impact.Part{{Name: "US", Requests: 1000, Changed: 400, Percent: 40, Dearer: 399, Cheaper: 1}, {Name: "JP", Requests: 198, Changed: 12, Percent: 6.06}},
			Clients: []impact.Part{{Name: "", Requests: 1198, Changed: 412, Percent: 34.39, Dearer: 399, Cheaper: 1}},
			Fields: []impact.FieldChange{
				{Path: "items.models.final_price", Answers: 400, Values: 400, Old: "100", New: "150", Place: "may.jsonl:2"},
				{Path: "items.models.vouchers", Answers: 3, Values: 3, Old: "SAVE5", Place: "may.jsonl:4"},
			},
			Turns: []impact.Turn{{Path: "items.models.main_promo.price_rule_type", Old: "flash_sale", New: "original_price", Values: 399}},
			Prices: []impact.Prices{
				{Currency: "JPY", Compared: 2},
				{Currency: "USD", Compared: 4000, Dearer: impact.Moves{Prices: 399, Sum: 19950, Median: 50, Largest: 120}, Cheaper: impact.Moves{Prices: 1, Sum: -5, Median: -5, Largest: -5}},
			},
			Largest: []*impact.PriceChange{
				{
					Scene: "cart", Region: "US", Currency: "USD", ItemID: 10, ModelID: 100, Old: 1380, New: 1500, Percent: 8.7, Requests: 37, User: 7, Place: "may.jsonl:2",
					Because: []string{"main promo: flash_sale 5 -> original_price", "flash_sale 5 is dropped now: exclusion flashless"},
				},
				{Scene: "cart", Region: "US", Currency: "USD", ItemID: 11, Old: 0, New: 99, Requests: 1, Place: "may.jsonl:5", Because: []string{"no vouchers now: without <b>SAVE5</b> + |x|"}},
			},
			LargestByPercent: []*impact.PriceChange{
				{Scene: "cart", Region: "US", Currency: "USD", ItemID: 12, ModelID: 120, Old: 10, New: 5, Percent: -50, Requests: 2, User: 99, Pseudonym: true, Place: "may.jsonl:6"},
			},
			NotCompared: []impact.Failures{{Side: "recording", Reason: "BAD_LINE", Count: 2, Examples: []impact.Failure{{Place: "may.jsonl:1", Message: "unknown field \"x\""}, {Place: "may.jsonl:8", Message: "no JSON"}}}},
			Notes:       []string{"3 requests do not say when they arrived: they are priced as of now"},
		},
	}
}

func write(t *testing.T, do func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := do(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReviewsAreWrittenAsTheyAlwaysWere(t *testing.T) {
	edits := full()
	edits.Impact = nil
	nothing := &review.Review{Old: full().Old, New: full().Old, Impact: &impact.Report{Requests: 5, Compared: 5, StandFor: 5, Scenes: []impact.Part{{Name: "cart", Requests: 5}}}}
	servers := &review.Review{
		Old: review.Side{Name: "http://a:8080", Version: "aaaa", Server: true}, New: review.Side{Name: "http://b:8080", Server: true}, Impact: full().Impact,
	}
	for name, r := range map[string]*review.Review{"full": full(), "edits": edits, "nothing": nothing, "servers": servers} {
		for ext, do := range map[string]func(io.Writer) error{
			"txt":  func(w io.Writer) error { return review.Text{}.Write(w, r) },
			"md":   func(w io.Writer) error { return review.Markdown(w, r) },
			"json": func(w io.Writer) error { return review.JSON(w, r) },
		} {
			t.Run(name+"."+ext, func(t *testing.T) {
				got := write(t, do)
				file := filepath.Join("testdata", name+"."+ext)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("-golden +got:\n%s", d)
				}
			})
		}
	}
}

func TestJSONIsReadBackAsItWas(t *testing.T) {
	text := write(t, func(w io.Writer) error { return review.JSON(w, full()) })
	back := &review.Review{}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(back); err != nil {
		t.Fatal(err)
	}
	if again := write(t, func(w io.Writer) error { return review.JSON(w, back) }); again != text {
		t.Errorf("-written +again:\n%s", cmp.Diff(text, again))
	}
}

func TestColoursAreForTerminalsOnly(t *testing.T) {
	if plain := write(t, func(w io.Writer) error { return review.Text{}.Write(w, full()) }); strings.Contains(plain, "\x1b") {
		t.Error("colours in plain text")
	}
	if coloured := write(t, func(w io.Writer) error { return review.Text{Color: true}.Write(w, full()) }); !strings.Contains(coloured, "\x1b[32m") {
		t.Error("no colours")
	}
}

// huge has more than a comment can hold, and texts that would be more than text.
func huge() *review.Review {
	r := full()
	evil := "\x1b[2J`code` <script>|@team|" + strings.Repeat("very_long_", 500)
	for i := range 500 {
		r.Changes = append(r.Changes, diff.Change{
			Kind: diff.Changed, Section: "scenes", Entity: "scene", Name: fmt.Sprintf("scene_%d", i), UsedBy: []string{evil},
			Fields: []diff.Field{{Path: "description", Old: evil, New: evil + "x"}},
		})
		name := fmt.Sprintf("%s %d", evil, i)
		r.Impact.Scenes = append(r.Impact.Scenes, impact.Part{Name: name, Requests: 1, Changed: 1})
		r.Impact.Fields = append(r.Impact.Fields, impact.FieldChange{Path: name, Old: evil, New: evil})
		r.Impact.Turns = append(r.Impact.Turns, impact.Turn{Path: name, Old: evil, New: evil})
		r.Impact.Refusals = append(r.Impact.Refusals, impact.RefusalChange{New: evil, Scene: name, Message: evil, Place: evil})
		r.Impact.Largest = append(r.Impact.Largest, &impact.PriceChange{Scene: name, Because: []string{evil}})
		r.Impact.NotCompared = append(r.Impact.NotCompared, impact.Failures{Side: "old", Reason: name, Count: 1, Examples: []impact.Failure{{Place: evil, Message: evil}}})
	}
	return r
}

func TestACommentFitsIntoGitHubAndCommandsNothing(t *testing.T) {
	text := write(t, func(w io.Writer) error { return review.Markdown(w, huge()) })
	if n := utf8.RuneCountInString(text); n > review.MaxMarkdown {
		t.Errorf("%d characters, more than %d", n, review.MaxMarkdown)
	}
	for _, bad := range []string{"\x1b", "<script>"} {
		if strings.Contains(withoutCode(text), bad) {
			t.Errorf("the comment holds %q", bad)
		}
	}
	if opened, closed := strings.Count(text, "<details>"), strings.Count(text, "</details>"); opened != closed {
		t.Errorf("%d details are opened, %d closed", opened, closed)
	}
	terminal := write(t, func(w io.Writer) error { return review.Text{}.Write(w, huge()) })
	if strings.Contains(terminal, "\x1b") {
		t.Error("a file commands the terminal")
	}
}

func TestAFileMentionsNobodyAndNoIssue(t *testing.T) {
	r := &review.Review{Changes: []diff.Change{{Kind: diff.Added, Section: "scenes", Entity: "scene", Name: "page", UsedBy: []string{"@team", "shop#12", "a|b"}}}}
	text := write(t, func(w io.Writer) error { return review.Markdown(w, r) })
	if want := `@&#8203;team, shop\#&#8203;12, a\|b`; !strings.Contains(text, want) {
		t.Errorf("%s\ndoes not hold %s", text, want)
	}
}

func TestBackticksOfAFileEndNoCode(t *testing.T) {
	r := &review.Review{Changes: []diff.Change{{Kind: diff.Changed, Section: "scenes", Entity: "scene", Name: "page", Fields: []diff.Field{
		{Path: "description", Old: "a`b``c", New: "`<b>`"},
	}}}}
	text := write(t, func(w io.Writer) error { return review.Markdown(w, r) })
	if want := "  - `scenes[page].description`: ```a`b``c``` → `` `<b>` ``\n"; !strings.Contains(text, want) {
		t.Errorf("%s\ndoes not hold %s", text, want)
	}
}

// withoutCode takes out what stands in backticks, where nothing is HTML.
func withoutCode(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		for {
			before, rest, ok := strings.Cut(line, "`")
			b.WriteString(before)
			if !ok {
				break
			}
			fence := "`"
			for strings.HasPrefix(rest, "`") {
				fence, rest = fence+"`", rest[1:]
			}
			_, line, _ = strings.Cut(rest, fence)
		}
	}
	return b.String()
}

func TestHeadlinesAreSentences(t *testing.T) {
	report := func(changed, compared int, prices ...impact.Prices) *review.Review {
		return &review.Review{Impact: &impact.Report{Changed: changed, Compared: compared, Percent: 12.5, Prices: prices}}
	}
	for _, c := range []struct {
		r    *review.Review
		want string
	}{
		{&review.Review{}, "The configurations say the same."},
		{&review.Review{Changes: full().Changes[:1]}, "1 entity differs: 1 changed."},
		{&review.Review{Changes: full().Changes}, "5 entities differ: 1 added, 1 removed, 3 changed."},
		{report(0, 0), "No request could be compared."},
		{report(0, 1), "None of 1 request gets another answer."},
		{
			&review.Review{Impact: &impact.Report{Compared: 600, UnknownUsers: 450}},
			"None of 600 requests gets another answer. What only some users get is not in it: the users of 450 requests are not known.",
		},
		{report(1, 8), "1 of 8 requests gets another answer (12.5%)."},
		{
			report(2, 1234567, impact.Prices{Currency: "USD", Dearer: impact.Moves{Prices: 2, Median: 5, Largest: 1234567}, Cheaper: impact.Moves{Prices: 1, Median: -99, Largest: -99}}),
			"2 of 1,234,567 requests get another answer (12.5%). 2 prices rise by 0.05 USD in the median, at most by 12,345.67 USD, 1 price falls by 0.99 USD.",
		},
		{
			report(1, 8, impact.Prices{Currency: "JPY", Dearer: impact.Moves{Prices: 1, Median: 1200, Largest: 1200}}, impact.Prices{Currency: "KWD", Dearer: impact.Moves{Prices: 1, Median: 5, Largest: 5}}),
			"1 of 8 requests gets another answer (12.5%). 1 price rises by 1,200 JPY. 1 price rises by 0.005 KWD.",
		},
		{&review.Review{Impact: &impact.Report{Changed: 1, Compared: 30_000}}, "1 of 30,000 requests gets another answer (below 0.01%)."},
		{&review.Review{Impact: &impact.Report{Changed: 29_999, Compared: 30_000, Percent: 100}}, "29,999 of 30,000 requests get another answer (above 99.99%)."},
		{&review.Review{Impact: &impact.Report{Changed: 3, Compared: 3, Percent: 100}}, "3 of 3 requests get another answer (100%)."},
	} {
		if got := review.Headline(c.r); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
