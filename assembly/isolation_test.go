package assembly_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"proscenium/traffic"
)

// isolationSeedVariable makes a run again whose seed was drawn; its name says which that was.
const isolationSeedVariable = "PROSCENIUM_ISOLATION_SEED"

// drawnSeed is another one each time.
func drawnSeed(t testing.TB) uint64 {
	t.Helper()
	if said := os.Getenv(isolationSeedVariable); said != "" {
		seed, err := strconv.ParseUint(said, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seed
	}
	return rand.Uint64()
}

// everyTreatment is how dependencies treat the subject of a run.
var everyTreatment = []behaviour{answering, answering, answering, failing, slow, hanging, panicking}

// wantEqual compares two transcripts byte for byte.
func wantEqual(t *testing.T, alone, among []string) {
	t.Helper()
	for i := range max(len(alone), len(among)) {
		var a, b string
		if i < len(alone) {
			a = alone[i]
		}
		if i < len(among) {
			b = among[i]
		}
		if a != b {
			t.Fatalf("line %d of the transcript, alone:\n%s\namong the other class:\n%s\nbefore it:\n%s", i, a, b, strings.Join(alone[max(0, i-12):i], "\n"))
		}
	}
}

// wantEventful says what a run must have seen to show anything.
func wantEventful(t *testing.T, lines []string) {
	t.Helper()
	all := strings.Join(lines, "\n")
	for _, want := range []string{
		"Outcome:ok", "Outcome:soft", "Outcome:refused", "Source:redis", "Source:share", "Source:deny_cache", "Source:flushed", "QUEUE_FULL", "LIMIT_EXCEEDED", "QUOTA_EXCEEDED",
		"transition tax.rates closed -> open", "transition tax.rates@cart ", "transition voucher.best_vouchers@cart closed -> open", "transition price.query ",
		"half_open -> closed", "half_open -> open", "BREAKER_OPEN", "LIMITED", "DEPENDENCY_ERROR", "TIMEOUT", "State:granted",
		`key "{limit:of_user}`, `key "{hierarchy}grants"`, `key "prices:price_sold_out:`, `key "prices:purged:`, `key "prices:purges"`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the run has no %s: it shows nothing of it", want)
		}
	}
}

func TestATranscriptOfOneClassIsTheSameByteForByteWhateverTheOtherDoes(t *testing.T) {
	for _, tc := range []struct {
		class traffic.Class
		seed  uint64
		steps int
		drawn bool // any seed; it may be uneventful
	}{
		{class: traffic.Live, seed: 1, steps: 300},
		{class: traffic.Live, seed: drawnSeed(t), steps: 150, drawn: true},
		{class: traffic.Shadow, seed: 1, steps: 300},
	} {
		t.Run(fmt.Sprintf("%v/%s %d", tc.class, isolationSeedVariable, tc.seed), func(t *testing.T) {
			t.Parallel()
			run := isolationRun{subject: tc.class, steps: stepsOf(tc.seed, tc.steps, everyTreatment)}
			alone, _ := playSteered(t, run)
			if !tc.drawn {
				wantEventful(t, alone)
			}
			run.others = disturbancesOf(tc.seed, tc.steps)
			for _, run.atOnce = range []bool{false, true} {
				among, strange := playSteered(t, run)
				wantEqual(t, alone, among)
				for _, s := range strange {
					t.Error(s)
				}
			}
		})
	}
}

func TestWithoutSeparationTheTranscriptDiffers(t *testing.T) {
	for _, tc := range []struct {
		name  string
		join  func(testing.TB, *isolationStage)
		shows []string
	}{
		{"policies", joinPolicies, []string{"answer", "breaker", "grant", "key", "limit", "transition", "verdict"}},
		{"stores", joinStores, []string{"grant", "key", "limit", "verdict"}},
		{"caches", joinCaches, []string{"answer", "key"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			const steps = 120
			run := isolationRun{subject: traffic.Live, steps: stepsOf(1, steps, everyTreatment), join: tc.join}
			alone, _ := playSteered(t, run)
			run.others = disturbancesOf(1, steps)
			among, strange := playSteered(t, run)
			kinds, first := kindsThatDiffer(alone, among)
			t.Logf("%v differ; the first line: %s; answers with what is another's: %d", kinds, first, len(strange))
			for _, kind := range tc.shows {
				if !slices.Contains(kinds, kind) {
					t.Errorf("no %s differs", kind)
				}
			}
		})
	}
}
