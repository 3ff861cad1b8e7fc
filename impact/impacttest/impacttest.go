// Package impacttest makes recordings of the reference marketplace, and edits of its configuration, for tests.
package impacttest

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/configs"
	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/recording"
	"proscenium/scenes"
)

// Edited is the reference configuration, without its catalog, with a text of a file replaced by another. The text must be there.
func Edited(tb testing.TB, file, old, text string) fstest.MapFS {
	tb.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(configs.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".yaml") {
			return err
		}
		data, err := fs.ReadFile(configs.FS, name)
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	if file == "" {
		return files
	}
	if files[file] == nil || !strings.Contains(string(files[file].Data), old) {
		tb.Fatalf("%s has no %q", file, old)
	}
	files[file].Data = []byte(strings.Replace(string(files[file].Data), old, text, 1))
	return files
}

// Load loads a configuration that has no errors.
func Load(tb testing.TB, files fs.FS) *scenes.Snapshot {
	tb.Helper()
	loaded := scenes.Load(files, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if loaded.Snapshot == nil {
		tb.Fatal(loaded.Diagnostics)
	}
	return loaded.Snapshot
}

// market is what requests can ask for.
type market struct {
	items  []int64
	models map[int64][]int64
	snap   *scenes.Snapshot
}

func open(tb testing.TB) *market {
	tb.Helper()
	m := &market{models: map[int64][]int64{}, snap: Load(tb, configs.FS)}
	file, err := configs.FS.Open(configs.CatalogDir + "/models.csv.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		tb.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	for _, row := range rows[1:] {
		model, errModel := strconv.ParseInt(row[0], 10, 64)
		item, errItem := strconv.ParseInt(row[1], 10, 64)
		if errModel != nil || errItem != nil {
			tb.Fatal(row)
		}
		if m.models[item] == nil {
			m.items = append(m.items, item)
		}
		m.models[item] = append(m.models[item], model)
	}
	return m
}

// Records are n requests to all scenes of the reference marketplace, as its clients may send them. The same seed makes the same ones.
func Records(tb testing.TB, seed uint64, n int) []*pricingv1.RecordedRequest {
	tb.Helper()
	m, r := open(tb), rand.New(rand.NewPCG(seed, 0))
	records := make([]*pricingv1.RecordedRequest, n)
	for i := range records {
		records[i] = m.record(r)
	}
	return records
}

func (m *market) record(r *rand.Rand) *pricingv1.RecordedRequest {
	year := []int{2017, 2026}[r.IntN(2)]
	day := func(year int) *timestamppb.Timestamp {
		return timestamppb.New(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(365*24*60)) * time.Minute))
	}
	scene := m.snap.Scenes[r.IntN(len(m.snap.Scenes))]
	req := &pricingv1.GetPromotionInfoRequest{
		Scene:  &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: scene.Name},
		Region: "US", OrderFlow: r.IntN(20) == 0,
	}
	if r.IntN(10) == 0 {
		req.Scene = &pricingv1.GetPromotionInfoRequest_SceneId{SceneId: scene.ID}
	}
	if r.IntN(10) > 0 {
		req.UserId = proto.Int64(int64(1 + r.IntN(2600)))
	}
	if scene.TimeMode == configv1.TimeMode_TIME_MODE_ANY_TIME && r.IntN(2) == 0 {
		req.AtTime = day(2017)
	}
	if r.IntN(3) == 0 {
		req.Context = &pricingv1.RequestContext{
			ClientPlatform: []string{"ios", "android", "web"}[r.IntN(3)], UserPath: []string{"home", "search", "live_stream", "video"}[r.IntN(4)],
			DeviceType: "phone", LiveStreamStreamerId: int64(r.IntN(5)),
		}
	}
	for range 1 + r.IntN(4) {
		item := &pricingv1.RequestItem{ItemId: m.items[r.IntN(len(m.items))]}
		if r.IntN(50) == 0 {
			item.ItemId = 9_999_999 // unknown
		}
		if containsItem(req.Items, item.ItemId) {
			continue
		}
		for _, model := range m.models[item.ItemId] {
			if len(item.Models) < 4 && r.IntN(3) > 0 {
				asked := &pricingv1.RequestModel{ModelId: model}
				if r.IntN(3) == 0 {
					asked.Quantity = proto.Int64(int64(1 + r.IntN(5)))
				}
				item.Models = append(item.Models, asked)
			}
		}
		if len(item.Models) == 0 && len(m.models[item.ItemId]) > 10 {
			continue
		}
		req.Items = append(req.Items, item)
	}
	if len(req.Items) == 0 {
		req.Items = []*pricingv1.RequestItem{{ItemId: m.items[0]}}
	}
	record := &pricingv1.RecordedRequest{RecordedAt: day(year), Request: req}
	if scene.Client != nil && r.IntN(10) > 0 {
		record.Client = scene.Client.Name
	}
	return record
}

func containsItem(items []*pricingv1.RequestItem, id int64) bool {
	for _, item := range items {
		if item.GetItemId() == id {
			return true
		}
	}
	return false
}

// Lines are records as a recording has them, in a file requests.jsonl.
func Lines(records []*pricingv1.RecordedRequest) iter.Seq2[recording.Line, error] {
	return func(yield func(recording.Line, error) bool) {
		for i, record := range records {
			line := recording.Line{File: "requests.jsonl", Number: i + 1, Bytes: proto.Size(record), Record: proto.CloneOf(record)}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// Text is a recording's file.
func Text(tb testing.TB, records []*pricingv1.RecordedRequest) string {
	tb.Helper()
	var b strings.Builder
	for _, record := range records {
		line, err := protojson.Marshal(record)
		if err != nil {
			tb.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", line)
	}
	return b.String()
}
