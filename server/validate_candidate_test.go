package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	"proscenium/scenes"
	"proscenium/scenes/source"
)

func sent(files []source.File) *adminv1.ValidateRequest {
	return &adminv1.ValidateRequest{Files: filesOf(files)}
}

func TestACandidateIsCheckedAndNotApplied(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	before := o.reloader.Status()
	for name, client := range configClients(t, o.url) {
		t.Run(name, func(t *testing.T) {
			b := market(t, "b")
			slices.Reverse(b)
			b = append(b, source.File{Name: "catalog/items.csv", Data: []byte("no YAML")}, source.File{Name: "tests/x.yaml", Data: []byte("[")})
			res, err := client.Validate(t.Context(), connect.NewRequest(sent(b)))
			want := scenes.LoadFiles(market(t, "b"), time.Now()).Snapshot.Version
			if err != nil || !res.Msg.GetGood() || res.Msg.GetVersion() != want {
				t.Fatalf("%v, %v", res, err)
			}
			res, err = client.Validate(t.Context(), connect.NewRequest(sent(brokenMarket())))
			if err != nil || res.Msg.GetGood() || res.Msg.GetVersion() != "" || len(res.Msg.GetFindings()) < 2 {
				t.Fatalf("%v, %v", res, err)
			}
		})
	}
	if after := o.reloader.Status(); after.Version != before.Version || after.LoadedAt != before.LoadedAt || after.History.Len() != 1 {
		t.Errorf("a candidate changed something: %+v", after)
	}
}

func TestCandidatesThatAreNoneAreRefused(t *testing.T) {
	o := operate(t, market(t, "a"), nil)
	many := make([]*adminv1.File, 20_001)
	for i := range many {
		many[i] = &adminv1.File{Name: fmt.Sprintf("%d.yaml", i)}
	}
	var heavy []*adminv1.File
	for i := range 5 {
		heavy = append(heavy, &adminv1.File{Name: fmt.Sprintf("%d.yaml", i), Content: make([]byte, 15<<20)})
	}
	for _, c := range []struct {
		name  string
		files []*adminv1.File
		want  refusal
	}{
		{"none", nil, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"files"}}},
		{"too many", many, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"files"}}},
		{"without a name", []*adminv1.File{{}}, refusal{connect.CodeInvalidArgument, "INVALID_REQUEST", []string{"files[0].name"}}},
		{"twice the same", []*adminv1.File{{Name: "a.yaml"}, {Name: "a.yaml"}}, refusal{connect.CodeInvalidArgument, "DUPLICATE_FILE", []string{"files"}}},
		{"outside", []*adminv1.File{{Name: "../a.yaml"}}, refusal{connect.CodeInvalidArgument, "BAD_FILE_NAME", []string{"files"}}},
		{"absolute", []*adminv1.File{{Name: "/a.yaml"}}, refusal{connect.CodeInvalidArgument, "BAD_FILE_NAME", []string{"files"}}},
		{"more than is read", heavy, refusal{connect.CodeInvalidArgument, "CANDIDATE_TOO_LARGE", []string{"files"}}},
		{
			"far more than is read", append(slices.Clone(heavy), &adminv1.File{Name: "x.csv", Content: make([]byte, 16<<20)}, &adminv1.File{Name: "y.csv", Content: make([]byte, 16<<20)}),
			refusal{connect.CodeResourceExhausted, "REQUEST_TOO_LARGE", nil},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := o.client(t).Validate(t.Context(), connect.NewRequest(&adminv1.ValidateRequest{Files: c.files}))
			if err == nil {
				t.Fatal("checked")
			}
			if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOneCandidateIsCheckedAtATimeAndWhoHasGoneIsNotInTheWay(t *testing.T) {
	service := &configService{validating: make(chan struct{}, 1), now: time.Now}
	service.validating <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	refused := make(chan error)
	go func() {
		_, err := service.Validate(ctx, connect.NewRequest(sent(brokenMarket())))
		refused <- err
	}()
	select {
	case err := <-refused:
		t.Fatalf("two at a time: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	if err := <-refused; !errors.Is(err, context.Canceled) {
		t.Errorf("refused with %v", err)
	}
	<-service.validating
	if _, err := service.Validate(t.Context(), connect.NewRequest(sent(brokenMarket()))); err != nil {
		t.Error(err)
	}
	if len(service.validating) != 0 {
		t.Error("the slot is not free again")
	}
}

func TestCandidatesBeyondThoseThatMayWaitAreRefusedUnread(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	report := &reporter{log: slog.New(slog.DiscardHandler), observe: &counts{}, newID: newErrorID, callers: sampler{now: time.Now, perSecond: 1}, faults: sampler{now: time.Now, perSecond: 1}}
	test := httptest.NewServer(few(report, 2, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})))
	defer test.Close()
	post := func() string {
		res, err := http.Post(test.URL+adminv1connect.ConfigServiceValidateProcedure, "application/json", strings.NewReader("{}"))
		if err != nil {
			return err.Error()
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { post() })
		<-arrived
	}
	if body := post(); !strings.Contains(body, "TOO_MANY_VALIDATIONS") || !strings.Contains(body, "resource_exhausted") {
		t.Errorf("the third: %s", body)
	}
	close(release)
	all.Wait()
	all.Go(func() { post() })
	<-arrived
	all.Wait()
}

func TestACandidateOfOneWhoHasGoneIsNotChecked(t *testing.T) {
	c := &configService{now: time.Now, validating: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // there is room, and nobody there: either could come first
		req := connect.NewRequest(&adminv1.ValidateRequest{Files: []*adminv1.File{{Name: "a.yaml"}}})
		if res, err := c.Validate(ctx, req); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v, %v", res, err)
		}
	}
}

// deadlined notes the deadlines that a handler sets.
type deadlined struct {
	httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlined) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestACandidateThatIsSentTooSlowlyDoesNotKeepItsPlace(t *testing.T) {
	d, before := &deadlined{}, time.Now()
	few(nil, 1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if len(d.set) != 1 || !d.set[0].After(before) {
			t.Errorf("while it is read: %v", d.set)
		}
	})).ServeHTTP(d, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if len(d.set) != 2 || !d.set[1].IsZero() {
		t.Errorf("for the next request: %v", d.set)
	}
}
