package recording

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counts is an observer.
type counts struct{ recorded, bytes, dropped, failed, errors atomic.Int64 }

func (c *counts) RequestsRecorded(requests, n int) {
	c.recorded.Add(int64(requests))
	c.bytes.Add(int64(n))
}
func (c *counts) RequestDropped() { c.dropped.Add(1) }
func (c *counts) RecordingFailed(requests int) {
	c.errors.Add(1)
	c.failed.Add(int64(requests))
}

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fixture is what a recorder is made of, and what it tells.
type fixture struct {
	Options
	counts *counts
	log    *bytes.Buffer
	now    atomic.Int64 // nanoseconds since noon
}

// options record everything in a new directory. The log is read after Close.
func options(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{counts: &counts{}, log: &bytes.Buffer{}}
	f.Options = Options{
		SampleRatio: 1, Directory: filepath.Join(t.TempDir(), "requests"), MaxBytes: 1 << 20, RotateBytes: 64 << 10,
		Pseudonyms: NewPseudonyms(keyOf(t, someKey)), Random: rand.Uint64, Observer: f.counts,
		Now: func() time.Time { return noon.Add(time.Duration(f.now.Load())) }, Log: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	return f
}

func (f *fixture) start(t *testing.T) *Recorder {
	t.Helper()
	r, err := Start(f.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func request(user int64) *pricingv1.GetPromotionInfoRequest {
	return &pricingv1.GetPromotionInfoRequest{
		Scene:  &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: "cart"},
		Region: "US",
		UserId: proto.Int64(user),
		Items:  []*pricingv1.RequestItem{{ItemId: 7, Models: []*pricingv1.RequestModel{{ModelId: 70, Quantity: proto.Int64(2)}}}},
	}
}

func end(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

// read returns what the files of a directory hold.
func read(t *testing.T, dir string) (records []*pricingv1.RecordedRequest) {
	t.Helper()
	if found, err := filepath.Glob(filepath.Join(dir, "*.jsonl")); err != nil || len(found) == 0 {
		return nil
	}
	for line, err := range Lines([]string{dir}) {
		if err != nil || line.Err != nil {
			t.Fatal(err, line.Err)
		}
		records = append(records, line.Record)
	}
	return records
}

func TestWhatIsRecordedIsTheRequestWithoutWhatIsPersonal(t *testing.T) {
	f := options(t)
	f.SampleRatio, f.Random = 0.25, func() uint64 { return 0 }
	hashed := pricingv1.RecordedRequest_USERS_HASHED
	full := request(42)
	full.Context = &pricingv1.RequestContext{
		ClientPlatform: "ios", UserPath: "live_stream \u2028\n\"", LiveStreamStreamerId: 5, LiveStreamDiscountToken: "a token", VideoCreatorId: 6, AdsId: 7, DeviceType: "phone",
	}
	full.AtTime, full.OrderFlow, full.Explain = timestamppb.New(noon.Add(time.Hour)), true, true
	withoutToken := proto.CloneOf(full)
	withoutToken.UserId, withoutToken.Context.LiveStreamDiscountToken = proto.Int64(f.Pseudonyms.Of(42)), ""
	guest := request(1)
	guest.UserId, guest.Scene = nil, &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: 0}
	guest.Items = append(guest.Items, &pricingv1.RequestItem{ItemId: math.MaxInt64, ShopId: 3})
	unknown := request(1)
	unknown.UserId = nil
	unknown.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 999, protowire.BytesType), "a name and an address"))
	known := proto.CloneOf(unknown)
	known.ProtoReflect().SetUnknown(nil)

	r := f.start(t)
	at := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.UTC)
	before := proto.CloneOf(full)
	r.Record(at, "shop", full)
	r.Record(at, "", guest)
	r.Record(at.Add(1), "", unknown)
	if !proto.Equal(full, before) {
		t.Errorf("the request itself was changed: %v", full)
	}
	full.Items[0].ItemId = 8 // what happens to the request later is not recorded
	end(t, r)

	want := []*pricingv1.RecordedRequest{
		{RecordedAt: timestamppb.New(at), Client: "shop", Request: withoutToken, Users: hashed, Weight: 4, TokenRemoved: true},
		{RecordedAt: timestamppb.New(at), Request: guest, Users: hashed, Weight: 4},
		{RecordedAt: timestamppb.New(at.Add(1)), Request: known, Users: hashed, Weight: 4},
	}
	if diff := cmp.Diff(want, read(t, f.Directory), protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	text := content(t, f.Directory)
	for _, hidden := range []string{"a token", "address", `"42"`} {
		if strings.Contains(text, hidden) {
			t.Errorf("%q is in %s", hidden, text)
		}
	}
	if n := f.counts.recorded.Load(); n != 3 || f.counts.bytes.Load() != int64(len(text)) {
		t.Errorf("counted %d requests and %d bytes of %d", n, f.counts.bytes.Load(), len(text))
	}
}

// content is that of all files of a directory.
func content(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, entry := range entries(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	return b.String()
}

func entries(t *testing.T, dir string) []fs.FileInfo {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	infos := make([]fs.FileInfo, len(found))
	for i, entry := range found {
		if infos[i], err = entry.Info(); err != nil {
			t.Fatal(err)
		}
	}
	return infos
}

func TestSamplingTakesTheShareThatWasAskedFor(t *testing.T) {
	for _, ratio := range []float64{1e-3, 0.01, 0.5, math.Nextafter(1, 0), 1} {
		f := options(t)
		f.SampleRatio, f.Random = ratio, rand.New(rand.NewPCG(1, 2)).Uint64
		r := f.start(t)
		const draws = 1_000_000
		sampled := 0
		for range draws {
			if r.Sample() {
				sampled++
			}
		}
		deviation := 5 * math.Sqrt(draws*ratio*(1-ratio))
		if math.Abs(float64(sampled)-draws*ratio) > deviation+1e-6*draws {
			t.Errorf("%d of %d at a ratio of %v", sampled, draws, ratio)
		}
		end(t, r)
	}
}

func TestARequestThatIsNotSampledCostsNoAllocation(t *testing.T) {
	f := options(t)
	f.SampleRatio, f.Random = 0.5, func() uint64 { return math.MaxUint64 }
	r := f.start(t)
	if n := testing.AllocsPerRun(1000, func() {
		if r.Sample() {
			t.Error("sampled")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOptionsThatCannotBeMeantAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"sample ratio 0":   func(o *Options) { o.SampleRatio = 0 },
		"sample ratio 1.5": func(o *Options) { o.SampleRatio = 1.5 },
		"sample ratio NaN": func(o *Options) { o.SampleRatio = math.NaN() },
		"do not fit twice": func(o *Options) { o.RotateBytes = o.MaxBytes },
		"files of 0 bytes": func(o *Options) { o.RotateBytes = 0 },
		"the age of -1ns":  func(o *Options) { o.MaxAge = -1 },
		"not a directory":  func(o *Options) { o.Directory = filepath.Join(os.Args[0], "x") },
	} {
		t.Run(name, func(t *testing.T) {
			f := options(t)
			change(&f.Options)
			r, err := Start(f.Options)
			if err == nil {
				_ = r.Close()
			}
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestFilesAreForTheOwnerAloneAndNamedByTime(t *testing.T) {
	f := options(t)
	r := f.start(t)
	if left := entries(t, f.Directory); len(left) != 0 {
		t.Errorf("before the first request there is %v", left)
	}
	r.Record(noon, "", request(1))
	end(t, r)
	if info, err := os.Stat(f.Directory); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v of the directory", info.Mode())
	}
	files := entries(t, f.Directory)
	if len(files) != 1 || files[0].Mode() != 0o600 {
		t.Fatalf("files %v", files)
	}
	if want := fmt.Sprintf("requests-20260501T120000.000Z-%d-0001.jsonl", os.Getpid()); files[0].Name() != want {
		t.Errorf("file %s, want %s", files[0].Name(), want)
	}
}

func TestARequestNeverWaitsForTheDisk(t *testing.T) {
	f := options(t)
	release := make(chan struct{})
	r := f.start(t)
	end(t, r)
	r.writer.open = func(string) (file, error) { <-release; return nil, fs.ErrPermission }
	// A recorder whose writer stands still.
	r = &Recorder{
		threshold: math.MaxUint64, random: f.Random, observer: f.counts, queue: make(chan sample, maxWaiting),
		end: make(chan struct{}), over: make(chan struct{}), ended: make(chan struct{}), writer: r.writer,
	}
	go r.run()
	const sent = 3 * maxWaiting
	for range sent {
		r.Record(noon, "", request(1))
	}
	if n := f.counts.dropped.Load(); n == 0 || n > sent-maxWaiting {
		t.Errorf("%d of %d were dropped, and %d fit", n, sent, maxWaiting)
	}
	close(release)
	if err := r.Close(); err == nil {
		t.Error("Close says nothing of the lines that were lost")
	}
	if lost, dropped := f.counts.failed.Load(), f.counts.dropped.Load(); lost+dropped != sent {
		t.Errorf("%d failed and %d dropped of %d", lost, dropped, sent)
	}
	if n := r.waiting.Load(); n != 0 {
		t.Errorf("%d bytes are said to wait", n)
	}
}

func TestWhatWaitsIsBoundedInBytes(t *testing.T) {
	f := options(t)
	long := request(1)
	for i := range 100 {
		item := &pricingv1.RequestItem{ItemId: int64(i + 1)}
		for range 200 {
			item.Models = append(item.Models, &pricingv1.RequestModel{ModelId: math.MaxInt64})
		}
		long.Items = append(long.Items, item)
	}
	// Nobody takes from the queue.
	r := &Recorder{observer: f.counts, queue: make(chan sample, maxWaiting), end: make(chan struct{})}
	fit := maxWaitingBytes / int64(long.SizeVT())
	for range fit + 10 {
		r.Record(noon, "", long)
	}
	if n := int64(len(r.queue)); n != fit || f.counts.dropped.Load() != 10 {
		t.Errorf("%d requests of %d bytes wait, %d were dropped", n, long.SizeVT(), f.counts.dropped.Load())
	}
	if n := r.waiting.Load(); n > maxWaitingBytes {
		t.Errorf("%d bytes wait", n)
	}
}

func TestARequestAfterTheEndIsDropped(t *testing.T) {
	f := options(t)
	r := f.start(t)
	end(t, r)
	r.Record(noon, "", request(1))
	if n := f.counts.dropped.Load(); n != 1 || r.waiting.Load() != 0 {
		t.Errorf("%d dropped, %d bytes wait", n, r.waiting.Load())
	}
	end(t, r)
}

func TestALineIsInItsFileWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := options(t)
		r := f.start(t)
		r.Record(noon, "", request(1))
		synctest.Wait()
		if n := f.counts.recorded.Load(); n != 0 {
			t.Errorf("%d requests were written one by one", n)
		}
		time.Sleep(flushEvery)
		synctest.Wait()
		if n := len(read(t, f.Directory)); n != 1 {
			t.Errorf("%d requests after a second", n)
		}
		end(t, r)
	})
}

func TestManyMayRecordAtOnceAndNothingIsLost(t *testing.T) {
	f := options(t)
	f.RotateBytes, f.MaxBytes = 100<<10, 100<<20
	r := f.start(t)
	const users = 4000 // fewer than may wait
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range users / 4 {
				r.Record(noon.Add(time.Duration(i)), "shop", request(int64(g*users/4+i+1)))
			}
		})
	}
	group.Wait()
	end(t, r)
	all := map[int64]bool{}
	for _, record := range read(t, f.Directory) {
		all[record.GetRequest().GetUserId()] = true
	}
	for user := range int64(users) {
		if !all[f.Pseudonyms.Of(user+1)] {
			t.Fatalf("user %d is missing; %d are there", user+1, len(all))
		}
	}
	if n := f.counts.recorded.Load(); n != users || f.counts.dropped.Load() != 0 {
		t.Errorf("%d recorded, %d dropped", n, f.counts.dropped.Load())
	}
}

func TestARequestThatTheEndOvertakesIsDropped(t *testing.T) {
	f := options(t)
	r := f.start(t)
	end(t, r)
	r.waiting.Add(3)
	r.enqueue(sample{noon, "web", []byte("abc")}) // of a Record that asked before the end
	if n := f.counts.dropped.Load(); n != 1 || r.waiting.Load() != 0 || len(r.queue) != 0 {
		t.Errorf("%d dropped, %d bytes and %d requests waiting", n, r.waiting.Load(), len(r.queue))
	}
}

func TestEachRequestIsRecordedOrCountedAlsoAtTheEnd(t *testing.T) {
	for range 50 {
		f := options(t)
		r := f.start(t)
		var asking sync.WaitGroup
		start := make(chan struct{})
		const each, senders = 40, 8
		for range senders {
			asking.Go(func() {
				<-start
				for i := range each {
					r.Record(noon, "web", request(int64(i)))
				}
			})
		}
		close(start)
		end(t, r)
		asking.Wait()
		recorded, dropped := f.counts.recorded.Load(), f.counts.dropped.Load()
		if recorded+dropped != each*senders || r.waiting.Load() != 0 {
			t.Fatalf("%d recorded and %d dropped of %d, %d bytes waiting", recorded, dropped, each*senders, r.waiting.Load())
		}
	}
}

func BenchmarkNotSampled(b *testing.B) {
	r := &Recorder{random: rand.Uint64, threshold: threshold(0.001)}
	b.ReportAllocs()
	for b.Loop() {
		r.Sample()
	}
}

func BenchmarkSampled(b *testing.B) {
	r := &Recorder{observer: &counts{}, queue: make(chan sample, maxWaiting), end: make(chan struct{})}
	req := request(1)
	b.ReportAllocs()
	for b.Loop() {
		r.Record(noon, "shop", req)
		r.waiting.Add(-int64(len((<-r.queue).request)))
	}
}

func BenchmarkLine(b *testing.B) {
	key := Key{new([keyBytes]byte)}
	l := lines{pseudonyms: NewPseudonyms(key), weight: 100}
	data, err := request(1).MarshalVT()
	if err != nil {
		b.Fatal(err)
	}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		if line, err = l.append(line[:0], sample{noon, "shop", data}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPseudonym(b *testing.B) {
	p := NewPseudonyms(Key{new([keyBytes]byte)})
	b.ReportAllocs()
	for b.Loop() {
		p.Of(1)
	}
}
