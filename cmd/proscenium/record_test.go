package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/recording"
)

// recordingsOf reads what a process has recorded below its data directory, with users that it knows restored, by user.
func recordingsOf(t *testing.T, data string, users int64) (byUser map[int64]*pricingv1.RecordedRequest, warnings []error) {
	t.Helper()
	key, err := recording.LoadKey(filepath.Join(data, recording.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	restorer := recording.NewRestorer(recording.NewPseudonyms(key), func(yield func(int64) bool) {
		for id := int64(1); id <= users && yield(id); id++ {
		}
	})
	byUser = map[int64]*pricingv1.RecordedRequest{}
	for line, err := range recording.Lines([]string{filepath.Join(data, "requests")}) {
		if err != nil {
			t.Fatal(err)
		}
		if line.Err != nil {
			warnings = append(warnings, line.Err)
			continue
		}
		if got := restorer.Restore(line.Record); got != recording.UserRestored {
			t.Fatalf("restored %v: %v", got, line.Record)
		}
		byUser[line.Record.GetRequest().GetUserId()] = line.Record
	}
	return byUser, warnings
}

// askAs prices one item for a user, and says whether there was an answer.
func (s *serving) askAs(user int64) bool {
	body := fmt.Sprintf(`{"scene_name": "pdp_main", "region": "US", "user_id": %d, "items": [{"item_id": 1637}]}`, user)
	res, err := http.Post(s.prices+"/proscenium.pricing.v1.PricingService/GetPromotionInfo", "application/json", strings.NewReader(body))
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// load asks as one user after the other until the server is gone, and returns the highest user id that was sent.
func (s *serving) load(from int64) (wait func() (sent int64)) {
	var next atomic.Int64
	next.Store(from)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for s.askAs(next.Add(1)) {
			}
		})
	}
	return func() int64 { group.Wait(); return next.Load() }
}

func bytesIn(dir string) (total int64) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
	}
	return total
}

func TestRecordingsSurviveTheDeathOfTheProcess(t *testing.T) {
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	requests := filepath.Join(data, "requests")
	var sent int64
	var before int
	for death := range 3 {
		s := startServing(t, binary, "--data", data, "--recording-sample-ratio", "1")
		wait := s.load(sent)
		size := bytesIn(requests)
		waitFor(t, "a recording", func() bool { return bytesIn(requests) > size+20_000 })
		if err := s.command.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		sent = wait()
		_ = s.command.Wait()
		records, warnings := recordingsOf(t, data, sent)
		if len(records) <= before || len(warnings) > death+1 {
			t.Errorf("%d records of %d requests, %d before; warnings %v", len(records), sent, before, warnings)
		}
		before = len(records)
		for user, record := range records {
			r := record.GetRequest()
			if r.GetSceneName() != "pdp_main" || r.GetRegion() != "US" || r.GetItems()[0].GetItemId() != 1637 || record.GetWeight() != 1 || !record.GetRecordedAt().IsValid() {
				t.Fatalf("user %d: %v", user, record)
			}
		}
	}
	if files, err := filepath.Glob(filepath.Join(requests, "requests-*.jsonl")); err != nil || len(files) != 3 {
		t.Errorf("%d files of 3 processes", len(files))
	}
}

func TestAProcessThatEndsWritesWhatItHasSampled(t *testing.T) {
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	s := startServing(t, binary, "--data", data, "--recording-sample-ratio", "1", "--recording-directory", filepath.Join(data, "requests"))
	for user := range int64(20) {
		if !s.askAs(user + 1) {
			t.Fatalf("user %d has no answer\n%s", user+1, s.log())
		}
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.stdoutClosed
	if err := s.command.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, s.log())
	}
	records, warnings := recordingsOf(t, data, 20)
	if len(records) != 20 || len(warnings) != 0 {
		t.Errorf("users %v, warnings %v", slices.Sorted(maps.Keys(records)), warnings)
	}
	key, err := os.ReadFile(filepath.Join(data, recording.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(s.log(), strings.TrimSpace(string(key))) {
		t.Error("the log has the key")
	}
	if !strings.Contains(s.log(), "recording requests") {
		t.Errorf("the log does not say that requests are recorded:\n%s", s.log())
	}
}

func TestWithoutRecordingNothingIsKept(t *testing.T) {
	binary, data := build(t), filepath.Join(t.TempDir(), "data")
	s := startServing(t, binary, "--data", data)
	if !s.askAs(1) {
		t.Fatal("no answer")
	}
	for _, name := range []string{"requests", recording.KeyFile} {
		if _, err := os.Stat(filepath.Join(data, name)); !os.IsNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	status, page := s.page(t, "/metrics")
	if status != http.StatusOK || !strings.Contains(page, `proscenium_recording_requests_total{outcome="recorded"} 0`) {
		t.Errorf("%d, metrics without recordings", status)
	}
}

func TestARecorderThatCannotStartSaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"a directory that is a file", []string{"--data", t.TempDir(), "--recording-directory", file}, []string{file, "--recording-directory"}},
		{"data that is a file", []string{"--data", file}, []string{file}},
		{"a ratio that is none", []string{"--data", t.TempDir(), "--recording-sample-ratio", "7"}, []string{"recording.sample_ratio"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--recording-sample-ratio", "1"}, c.args...)
			got := command(t, "", args...)
			if got.code != exitUsage {
				t.Errorf("exit code %d", got.code)
			}
			for _, want := range c.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("%q does not say %q", got.stderr, want)
				}
			}
		})
	}
}
