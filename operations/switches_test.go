package operations

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"proscenium/fault"
	"proscenium/kv"
	"proscenium/traffic"
)

var atNight = Change{Feature: voucher, Scenes: []string{"shop_chat", "cart", "cart"}, Regions: []string{"US"}, Operator: "ann", Reason: "database moves"}

const atNightName = "PRICE_AFTER_VOUCHER in region:US,scene:cart,scene:shop_chat"

func TestASwitchHoldsWhenSetReturns(t *testing.T) {
	n := newNode(t, embedded(t), "a", "")
	n.expect(t)
	until := noon.Add(time.Hour)
	c := atNight
	c.Until = until
	got, apart, err := n.Set(t.Context(), c)
	if apart != nil || err != nil {
		t.Fatal(apart, err)
	}
	n.expect(t, atNightName)
	want := Switch{
		Feature: voucher, Regions: []string{"US"}, Scenes: []string{"cart", "shop_chat"}, Operator: "ann", Reason: "database moves",
		At: noon, Until: until, Stamp: Stamp{Time: noon.UnixNano(), Node: "a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(want, n.Thrown()[0]); diff != "" {
		t.Errorf("listed: -want +got:\n%s", diff)
	}
	n.now = until.Add(-1)
	n.expect(t, atNightName)
	n.now = until
	if got := n.Thrown(); len(got) > 0 {
		t.Errorf("it has ended, and %q is listed", names(got))
	}
}

func TestASwitchIsSetAnewAndTakenBack(t *testing.T) {
	n := newNode(t, embedded(t), "a", "")
	n.throw(t, atNight)
	again := Change{Feature: voucher, Scenes: []string{"cart", "shop_chat"}, Regions: []string{"US"}, Operator: "bob", Reason: "still"}
	n.throw(t, again)
	if got := n.Thrown(); len(got) != 1 || got[0].Operator != "bob" || got[0].Reason != "still" {
		t.Errorf("%+v", got)
	}
	again.Restore = true
	n.throw(t, again)
	n.expect(t)
	n.throw(t, again) // a repeat
	n.expect(t)
	n.throw(t, atNight)
	n.expect(t, atNightName)
}

func TestOnlyTheSwitchThatIsNamedIsTakenBack(t *testing.T) {
	n := newNode(t, embedded(t), "a", "")
	n.throw(t, atNight)
	for _, c := range []Change{
		{Feature: voucher, Scenes: []string{"cart", "shop_chat"}},
		{Feature: voucher, Scenes: []string{"cart"}, Regions: []string{"US"}},
		{Feature: tax, Scenes: []string{"cart", "shop_chat"}, Regions: []string{"US"}},
		{Feature: voucher},
	} {
		c.Restore = true
		_, _, err := n.Set(t.Context(), c)
		if fault.Reason(err) != "SWITCH_NOT_THROWN" || !strings.Contains(err.Error(), atNightName) {
			t.Errorf("%v: %v", c, err)
		}
	}
	n.expect(t, atNightName)
}

func TestAnotherProcessLearnsAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	k, err := kv.Open(kv.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Close() }()
	shared := k.Of(traffic.Live)
	a, b := newNode(t, shared, "a", ""), newNode(t, shared, "b", "")
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	for range 5 {
		a.throw(t, atNight)
		waitFor(t, "b to turn it off", func() bool { return len(b.Thrown()) == 1 })
		restore := atNight
		restore.Restore = true
		a.throw(t, restore)
		waitFor(t, "b to turn it on", func() bool { return len(b.Thrown()) == 0 })
	}
	cancel()
	running.Wait()
}

// A switch that another process threw a moment ago can be taken back here.
func TestASwitchOfAnotherProcessIsTakenBack(t *testing.T) {
	shared := embedded(t)
	a, b := newNode(t, shared, "a", ""), newNode(t, shared, "b", "")
	a.throw(t, atNight)
	restore := atNight
	restore.Restore = true
	b.throw(t, restore)
	if err := a.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.expect(t)

	a.throw(t, atNight)
	b.restart("c")
	b.line.set(true, false)
	_, _, err := b.Set(t.Context(), restore)
	if fault.Reason(err) != "SWITCH_NOT_THROWN" && err != nil || !strings.Contains(fmt.Sprint(err), "Redis does not answer") {
		t.Errorf("while Redis is out of reach: %v", err)
	}
}

func TestWithoutRedisASwitchHoldsHereAndTheOthersLearnLater(t *testing.T) {
	shared := embedded(t)
	a, b := newNode(t, shared, "a", ""), newNode(t, shared, "b", "")
	a.line.set(true, false)
	if _, apart, _ := a.Set(t.Context(), atNight); !errors.Is(apart, errCut) {
		t.Errorf("apart: %v", apart)
	}
	a.expect(t, atNightName)
	if err := b.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.expect(t)
	a.line.set(false, false)
	for _, n := range []*node{a, b} {
		if err := n.Exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.expect(t, atNightName)
	}
	if log := a.log.String(); strings.Count(log, "not kept everywhere") != 1 || strings.Count(log, "kept here again") != 1 {
		t.Errorf("the log tells of the beginning and the end once:\n%s", log)
	}
}

func TestAnEmptiedRedisIsFilledAgain(t *testing.T) {
	shared := embedded(t)
	a, b := newNode(t, shared, "a", ""), newNode(t, shared, "b", "")
	a.throw(t, atNight)
	restored := Change{Feature: tax, Operator: "ann", Reason: "x"}
	a.throw(t, restored)
	restored.Restore = true
	a.throw(t, restored)
	if _, err := shared.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{a, b} {
		if err := n.Exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.expect(t, atNightName)
	if len(b.all()) != 2 {
		t.Error("what was taken back is not among what Redis has again")
	}
}

// What another process wrote between an exchange's reading and its writing is not overwritten: were that process gone now, its change would be lost.
func TestAnExchangeOverwritesNothingThatItDidNotRead(t *testing.T) {
	shared := embedded(t)
	a, b := newNode(t, shared, "a", ""), newNode(t, shared, "b", "")
	restore := atNight
	restore.Restore = true
	b.now = noon.Add(-time.Hour)
	b.line.between = func() {
		a.throw(t, atNight)
		a.throw(t, restore)
		a.line.set(true, false) // and is heard of no more
	}
	b.throw(t, atNight)
	b.expect(t)
	c := newNode(t, shared, "c", "")
	if err := c.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.expect(t)
}

func TestWhatWasTakenBackStaysTakenBackForAProcessThatWasCutOff(t *testing.T) {
	shared := embedded(t)
	a, b := newNode(t, shared, "a", t.TempDir()), newNode(t, shared, "b", "")
	a.throw(t, atNight)
	if err := b.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.line.set(true, false)
	restore := atNight
	restore.Restore = true
	b.now = noon.Add(-24 * time.Hour) // a clock that is late changes nothing
	b.throw(t, restore)
	a.now = noon.Add(10 * 24 * time.Hour)
	a.restart("a2")
	a.expect(t, atNightName)
	a.line.set(false, false)
	for _, n := range []*node{a, b} {
		if err := n.Exchange(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.expect(t)
	}
}

func TestWhatIsLongOverIsForgottenEverywhere(t *testing.T) {
	shared, dir := embedded(t), t.TempDir()
	a := newNode(t, shared, "a", dir)
	a.throw(t, atNight)
	restore := atNight
	restore.Restore = true
	a.throw(t, restore)
	a.throw(t, Change{Feature: tax, Until: noon.Add(time.Hour)})
	a.throw(t, Change{Feature: voucher})
	a.now = noon.Add(remembered)
	if err := a.Exchange(t.Context()); err != nil || len(a.all()) != 3 {
		t.Fatalf("%v; %d are known after %s, want 3", err, len(a.all()), remembered)
	}
	a.now = noon.Add(remembered + 2*time.Hour)
	if err := a.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	there, err := a.read(t.Context())
	if err != nil || len(there) != 1 || len(a.all()) != 1 {
		t.Errorf("%v; %d are in Redis, %d here; want that which holds", err, len(there), len(a.all()))
	}
	if _, err := a.save(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, switchesFile)); err != nil || strings.Count(string(data), "\n") != 2 {
		t.Errorf("on disk: %s, %v", data, err)
	}
}

func TestSwitchesHoldAfterARestartBeforeRedisAnswers(t *testing.T) {
	n := newNode(t, embedded(t), "a", filepath.Join(t.TempDir(), "data", "operations"))
	if _, err := os.Stat(n.options.Directory); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made before there was something to keep: %v", err)
	}
	n.line.set(true, false)
	n.throw(t, atNight)
	n.restart("b")
	n.expect(t, atNightName)
	err := filepath.WalkDir(n.options.Directory, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the permissions %o, want %o", name, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Without Redis, processes that share a directory learn of each other by it, and neither undoes what the other wrote.
func TestProcessesThatShareADirectoryKeepEachOthersSwitches(t *testing.T) {
	dir := t.TempDir()
	a, b := newNode(t, embedded(t), "a", dir), newNode(t, embedded(t), "b", dir)
	a.throw(t, atNight)
	b.throw(t, Change{Feature: tax})
	b.expect(t, atNightName, "TAX in all")
	a.restart("c")
	a.expect(t, atNightName, "TAX in all")
}

func TestADamagedFileIsPutAsideAndRedisFillsIn(t *testing.T) {
	n := newNode(t, embedded(t), "a", t.TempDir())
	n.throw(t, atNight)
	file := filepath.Join(n.options.Directory, switchesFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"cut off": whole[:len(whole)-1], "changed": slices.Concat(whole[:len(whole)-3], []byte("X"), whole[len(whole)-2:]), "foreign": []byte("{}\n"),
		"a line more": append(slices.Clone(whole), "{}\n"...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			n.restart("b")
			n.expect(t)
			if aside, err := os.ReadFile(file + ".damaged"); err != nil || !slices.Equal(aside, data) || !strings.Contains(n.log.String(), file+".damaged") {
				t.Errorf("put aside: %q, %v", aside, err)
			}
			if err := n.Exchange(t.Context()); err != nil {
				t.Fatal(err)
			}
			n.expect(t, atNightName)
			n.restart("c")
			n.expect(t, atNightName)
		})
	}
}

func TestADiskThatCannotBeWrittenStopsNothingAndIsTold(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, embedded(t), "a", filepath.Join(blocked, "operations"))
	if _, apart, _ := n.Set(t.Context(), atNight); apart == nil || !strings.Contains(apart.Error(), "not a directory") {
		t.Errorf("apart: %v", apart)
	}
	n.expect(t, atNightName)
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if _, err := n.save(); err != nil {
		t.Fatal(err)
	}
	n.restart("b")
	n.expect(t, atNightName)
}

func TestWhatInRedisIsNoSwitchIsLeftAlone(t *testing.T) {
	n := newNode(t, embedded(t), "a", "")
	n.throw(t, atNight)
	there, err := n.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var good string
	for _, text := range there {
		good = text
	}
	foreign := map[string]string{
		"x1": "not JSON", "x2": `{"feature":"TIME_TRAVEL","stamp":{"time":1,"node":"z"}}`, "x3": good,
		"x4": strings.Replace(good, `"regions":["US"]`, `"regions":["US","US"]`, 1),
		"x5": strings.Replace(good, fmt.Sprint(noon.UnixNano()), "9223372036854775807", 1),
	}
	for field, text := range foreign {
		if _, err := n.line.Run(t.Context(), writeEntries, []string{sharedEntries, sharedNotices}, "z", field, "", text); err != nil {
			t.Fatal(err)
		}
	}
	n.restart("b")
	if err := n.Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.expect(t, atNightName)
	there, err = n.read(t.Context())
	if err != nil || len(there) != 1+len(foreign) {
		t.Errorf("%v, %v", there, err)
	}
}

func TestThereIsABound(t *testing.T) {
	n := newNode(t, embedded(t), "a", "")
	n.line.set(true, false)
	for i := range maxInForce {
		sw := &Switch{Feature: tax, Scenes: []string{fmt.Sprint(i)}, At: noon}
		if err := n.put(sw.field(), sw); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := n.Set(t.Context(), atNight); fault.Reason(err) != "TOO_MANY_SWITCHES" {
		t.Errorf("one more: %v", err)
	}
	five := Change{Feature: tax, Scenes: []string{"5"}, Reason: "again"}
	n.throw(t, five)
	five.Restore = true
	n.throw(t, five)
	n.throw(t, atNight)
}

// Callers set and read at the same time; what Changed was told last is what holds.
func TestManyAtOnce(t *testing.T) {
	shared, dir := embedded(t), t.TempDir()
	a, b := newNode(t, shared, "a", dir), newNode(t, shared, "b", t.TempDir())
	var all sync.WaitGroup
	for i := range 8 {
		n := []*node{a, b}[i%2]
		all.Go(func() {
			for j := range 10 {
				c := Change{Feature: tax, Scenes: []string{fmt.Sprint((i + j) % 5)}, Restore: j%3 == 2}
				if _, _, err := n.Set(context.Background(), c); err != nil && fault.Reason(err) != "SWITCH_NOT_THROWN" {
					t.Error(err)
				}
				n.Thrown()
			}
		})
	}
	all.Wait()
	for range 2 {
		for _, n := range []*node{a, b} {
			if err := n.Exchange(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(names(a.Thrown()), names(b.Thrown())) {
		t.Errorf("a has %q, b has %q", names(a.Thrown()), names(b.Thrown()))
	}
	a.expect(t, names(a.Thrown())...)
	b.expect(t, names(b.Thrown())...)
}
