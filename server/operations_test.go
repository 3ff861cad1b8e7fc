package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/engine/policy"
	"proscenium/fault"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	"proscenium/gen/proscenium/admin/v1/adminv1connect"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/operations"
	"proscenium/scenes"
	"proscenium/traffic"
)

const priceAfterVoucher = configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER

var midnight = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// desk is what an operator has in front of them: switches and log over an embedded Redis, and policies that the test sets.
type desk struct {
	*operated
	switches *operations.Switches
	audit    *operations.Audit
	limits   []policy.LimitStatus
	breakers []policy.BreakerStatus
	off      []engine.Downgraded
	snap     *scenes.Snapshot
	purge    func(context.Context) (int, error)
	now      time.Time
}

func (d *desk) Limits() []policy.LimitStatus     { return slices.Clone(d.limits) }
func (d *desk) Breakers() []policy.BreakerStatus { return slices.Clone(d.breakers) }
func (d *desk) Downgrades() []engine.Downgraded  { return d.off }
func (d *desk) Snapshot() *scenes.Snapshot       { return d.snap }

// unreachable is a Redis that does not answer.
type unreachable struct{ operations.Shared }

var errUnreachable = errors.New("no route")

func (unreachable) Run(context.Context, *kv.Script, []string, ...any) (any, error) {
	return nil, errUnreachable
}

func (unreachable) Last(context.Context, string, string, int64) ([]kv.Message, error) {
	return nil, errUnreachable
}

func openDesk(t *testing.T, shared operations.Shared) *desk {
	t.Helper()
	d := &desk{operated: &operated{edits: &edits{}}, now: midnight, purge: func(context.Context) (int, error) { return 7, nil }}
	d.ready.Set(true)
	d.snap = scenes.LoadFiles(market(t, "for the desk"), time.Now()).Snapshot
	if d.snap == nil {
		t.Fatal("the configuration of the test is broken")
	}
	options := operations.Options{Shared: shared, Node: "node-1", Now: func() time.Time { return d.now }, Log: slog.New(slog.DiscardHandler)}
	d.switches = operations.OpenSwitches(options)
	ids := uint64(0)
	d.audit = operations.OpenAudit(options, func() uint64 { ids++; return ids })
	d.serveWith(t, failing{}, func(deps *AdminServicesDeps) {
		deps.Now = func() time.Time { return d.now }
		deps.Operations = &OperationsDeps{
			Policies: d, Engine: d, Switches: d.switches, Audit: d.audit,
			PurgeShadow: func(ctx context.Context) (int, error) { return d.purge(ctx) },
		}
	})
	return d
}

func liveStore(t *testing.T) *kv.Store {
	t.Helper()
	return kvtest.Embedded(t).Of(traffic.Live)
}

// operators call in every way but GET.
func operators(t *testing.T, url string) map[string]adminv1connect.OperationsServiceClient {
	t.Helper()
	all := make(map[string]adminv1connect.OperationsServiceClient)
	for name, way := range transports(t) {
		if name != "Connect by GET" {
			all[name] = adminv1connect.NewOperationsServiceClient(way.client, url, way.options...)
		}
	}
	return all
}

func (d *desk) operator() adminv1connect.OperationsServiceClient {
	return adminv1connect.NewOperationsServiceClient(http.DefaultClient, d.url)
}

func throwing(change func(*adminv1.SetDowngradeRequest)) *adminv1.SetDowngradeRequest {
	req := &adminv1.SetDowngradeRequest{
		Feature: priceAfterVoucher, Where: &adminv1.Where{Regions: []string{"US"}, Scenes: []string{"cart"}}, Operator: "ann", Reason: "the database moves",
	}
	if change != nil {
		change(req)
	}
	return req
}

func TestAnOperatorTurnsAFeatureOffAndOnOverEveryTransport(t *testing.T) {
	d := openDesk(t, liveStore(t))
	for name, client := range operators(t, d.url) {
		t.Run(name, func(t *testing.T) {
			res, err := client.SetDowngrade(t.Context(), connect.NewRequest(throwing(func(r *adminv1.SetDowngradeRequest) {
				r.Until = timestamppb.New(midnight.Add(time.Hour))
			})))
			if err != nil {
				t.Fatal(err)
			}
			got := res.Msg.GetDowngrade()
			if res.Msg.GetFleetError() != "" || got.GetFeature() != priceAfterVoucher || got.GetOrigin() != adminv1.DowngradeOrigin_DOWNGRADE_ORIGIN_SWITCH ||
				got.GetOperator() != "ann" || got.GetReason() != "the database moves" || !got.GetSince().AsTime().Equal(midnight) || !got.GetUntil().AsTime().Equal(midnight.Add(time.Hour)) {
				t.Errorf("%v", res.Msg)
			}
			if thrown := d.switches.Thrown(); len(thrown) != 1 || thrown[0].Name() != "PRICE_AFTER_VOUCHER in region:US,scene:cart" {
				t.Errorf("thrown: %v", thrown)
			}
			if _, err := client.SetDowngrade(t.Context(), connect.NewRequest(throwing(func(r *adminv1.SetDowngradeRequest) { r.Restore = true }))); err != nil {
				t.Fatal(err)
			}
			if thrown := d.switches.Thrown(); len(thrown) != 0 {
				t.Errorf("thrown: %v", thrown)
			}
		})
	}
}

func TestASwitchThatWouldNotDoWhatIsMeantIsRefusedAndNoted(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*adminv1.SetDowngradeRequest)
		code   connect.Code
		reason string
		field  string
		says   string
	}{
		{"a scene that is misspelt", func(r *adminv1.SetDowngradeRequest) { r.Where.Scenes = []string{"cart", "crat"} }, connect.CodeInvalidArgument, "UNKNOWN_SCENE", "where.scenes[1]", "did you mean cart?"},
		{"a region that is not served", func(r *adminv1.SetDowngradeRequest) { r.Where.Regions = []string{"ZZ"} }, connect.CodeInvalidArgument, "UNKNOWN_REGION", "where.regions[0]", "US"},
		{"an end that has passed", func(r *adminv1.SetDowngradeRequest) { r.Until = timestamppb.New(midnight) }, connect.CodeInvalidArgument, "UNTIL_PAST", "until", "2026-05-01T00:00:00Z"},
		{"an end in another age", func(r *adminv1.SetDowngradeRequest) {
			r.Until = timestamppb.New(time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC))
		}, connect.CodeInvalidArgument, "UNTIL_TOO_LATE", "until", "2200"},
		{"an end of what is taken back", func(r *adminv1.SetDowngradeRequest) {
			r.Restore, r.Until = true, timestamppb.New(midnight.Add(time.Hour))
		}, connect.CodeInvalidArgument, "UNTIL_WITH_RESTORE", "until", "leave until"},
		{"taking back what was not thrown", func(r *adminv1.SetDowngradeRequest) { r.Restore = true }, connect.CodeNotFound, "SWITCH_NOT_THROWN", "", "none is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openDesk(t, liveStore(t))
			for name, client := range operators(t, d.url) {
				_, err := client.SetDowngrade(t.Context(), connect.NewRequest(throwing(c.change)))
				got := refusalOf(t, err)
				want := refusal{Code: c.code, Reason: c.reason}
				if c.field != "" {
					want.Fields = []string{c.field}
				}
				if diff := cmp.Diff(want, got); diff != "" || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
				}
			}
			if len(d.switches.Thrown()) > 0 {
				t.Error("a switch was thrown")
			}
			entries, _ := d.audit.List(t.Context(), operations.Query{})
			if len(entries) != len(operators(t, d.url)) || !strings.HasPrefix(entries[0].Outcome, c.reason+": ") || entries[0].Operator != "ann" || entries[0].Peer == "" ||
				!strings.HasPrefix(entries[0].Subject, "PRICE_AFTER_VOUCHER in ") {
				t.Errorf("%d entries, such as %+v", len(entries), entries[0])
			}
		})
	}
}

func TestRequestsOfOperatorsAreValidated(t *testing.T) {
	d := openDesk(t, liveStore(t))
	client := d.operator()
	for name, call := range map[string]func() error{
		"feature": func() error {
			_, err := client.SetDowngrade(t.Context(), connect.NewRequest(throwing(func(r *adminv1.SetDowngradeRequest) { r.Feature = 0 })))
			return err
		},
		"operator": func() error {
			_, err := client.SetDowngrade(t.Context(), connect.NewRequest(throwing(func(r *adminv1.SetDowngradeRequest) { r.Operator = "" })))
			return err
		},
		"reason": func() error {
			_, err := client.PurgeShadowData(t.Context(), connect.NewRequest(&adminv1.PurgeShadowDataRequest{Operator: "ann"}))
			return err
		},
		"page_size": func() error {
			_, err := client.ListLimits(t.Context(), connect.NewRequest(&adminv1.ListLimitsRequest{PageSize: 501}))
			return err
		},
		"page_token": func() error {
			_, err := client.ListBreakers(t.Context(), connect.NewRequest(&adminv1.ListBreakersRequest{PageToken: "bm9uc2Vuc2U"}))
			return err
		},
		"to": func() error {
			_, err := client.QueryAuditLog(t.Context(), connect.NewRequest(&adminv1.QueryAuditLogRequest{From: timestamppb.New(midnight), To: timestamppb.New(midnight)}))
			return err
		},
	} {
		err := call()
		if got := refusalOf(t, err); got.Code != connect.CodeInvalidArgument || !slices.Equal(got.Fields, []string{name}) {
			t.Errorf("%s: %v %v", name, err, got.Fields)
		}
	}
}

func TestBeforeTheFirstConfigurationNothingIsTurnedOff(t *testing.T) {
	d := openDesk(t, liveStore(t))
	d.snap = nil
	_, err := d.operator().SetDowngrade(t.Context(), connect.NewRequest(throwing(nil)))
	if got := refusalOf(t, err); got.Reason != "NOTHING_SERVES" || got.Code != connect.CodeFailedPrecondition {
		t.Errorf("%v", err)
	}
	if res, err := d.operator().ListClients(t.Context(), connect.NewRequest(&adminv1.ListClientsRequest{})); err != nil || len(res.Msg.GetClients()) > 0 {
		t.Errorf("%v, %v", res, err)
	}
}

// A scene that was thrown out of the configuration since can be taken back.
func TestASwitchOfASceneThatIsGoneIsTakenBack(t *testing.T) {
	d := openDesk(t, liveStore(t))
	if _, err := d.operator().SetDowngrade(t.Context(), connect.NewRequest(throwing(nil))); err != nil {
		t.Fatal(err)
	}
	d.snap = &scenes.Snapshot{}
	if _, err := d.operator().SetDowngrade(t.Context(), connect.NewRequest(throwing(func(r *adminv1.SetDowngradeRequest) { r.Restore = true }))); err != nil {
		t.Error(err)
	}
}

func TestWithoutRedisTheOperatorIsToldThatTheFleetDoesNotKnow(t *testing.T) {
	d := openDesk(t, unreachable{})
	res, err := d.operator().SetDowngrade(t.Context(), connect.NewRequest(throwing(nil)))
	if err != nil || !strings.Contains(res.Msg.GetFleetError(), "no route") || len(d.switches.Thrown()) != 1 {
		t.Errorf("%v, %v", res, err)
	}
	log, err := d.operator().QueryAuditLog(t.Context(), connect.NewRequest(&adminv1.QueryAuditLogRequest{}))
	if err != nil || len(log.Msg.GetEntries()) != 1 || log.Header().Get(IncompleteHeader) == "" {
		t.Errorf("%v, %v", log, err)
	}
}

func TestWhatIsOffIsListedWithWhoTurnedItOff(t *testing.T) {
	d := openDesk(t, liveStore(t))
	d.off = []engine.Downgraded{
		{Feature: configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE, Scenes: []string{"cart"}},
		{Feature: priceAfterVoucher, Origin: engine.FromBreaker, Scenes: []string{"cart"}, Breaker: "voucher.best_vouchers@cart", Class: traffic.Shadow},
		{Feature: configv1.DowngradeFeature_DOWNGRADE_FEATURE_TAX, Regions: []string{"DE"}, Reason: "audit", Until: midnight.Add(time.Hour)},
		{Feature: priceAfterVoucher, Origin: engine.FromSwitch, Regions: []string{"US"}, Scenes: []string{"cart"}},
	}
	d.breakers = []policy.BreakerStatus{
		{Command: "voucher.best_vouchers", Scene: "cart", Class: traffic.Shadow, State: "open", Since: midnight.Add(-time.Minute)},
		{Command: "voucher.best_vouchers", Scene: "cart", Class: traffic.Shadow, Downgraded: true, State: "closed"},
	}
	if _, err := d.operator().SetDowngrade(t.Context(), connect.NewRequest(throwing(nil))); err != nil {
		t.Fatal(err)
	}
	for name, client := range operators(t, d.url) {
		res, err := client.ListDowngrades(t.Context(), connect.NewRequest(&adminv1.ListDowngradesRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range res.Msg.GetDowngrades() {
			got = append(got, fmt.Sprint(strings.TrimPrefix(o.GetOrigin().String(), "DOWNGRADE_ORIGIN_"), " ", operations.FeatureName(o.GetFeature()), " ",
				o.GetWhere().GetRegions(), o.GetWhere().GetScenes(), " ", o.GetOperator(), o.GetReason(), o.GetBreaker(), " ", o.GetTraffic(), " ", o.GetSince() != nil, " ", o.GetUntil() != nil))
		}
		want := []string{
			"CONFIGURATION TAX [DE] [] audit TRAFFIC_UNSPECIFIED false true",
			"CONFIGURATION SCENE [] [cart] the scene has is_downgraded TRAFFIC_UNSPECIFIED false false",
			"SWITCH PRICE_AFTER_VOUCHER [US] [cart] annthe database moves TRAFFIC_UNSPECIFIED true false",
			"BREAKER PRICE_AFTER_VOUCHER [] [cart] voucher.best_vouchers@cart TRAFFIC_SHADOW true false",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLimitsBreakersAndClientsAreListedAsTheyAre(t *testing.T) {
	d := openDesk(t, liveStore(t))
	d.limits = []policy.LimitStatus{
		{Name: "claims", Dimension: "per_user", Class: traffic.Shadow, Algorithm: "sliding", Precision: "PRECISE", Window: time.Hour, Limit: 20, Soft: 10, Burst: 3, DryRun: true, Inherited: true, Allowed: 4, Marked: 3, Refused: 2, Fallback: 1, UsedBy: []string{"inbound"}},
		{Name: "queues", Dimension: "q", Algorithm: "hierarchy", Granted: 1500, Wanted: 2500, Used: 500, State: "granted"},
	}
	d.breakers = []policy.BreakerStatus{
		{Command: "tax.rates", State: "closed", Calls: 10, Errors: 1, Slow: 2},
		{Command: "tax.rates", Scene: "cart", Class: traffic.Shadow, State: "open", Since: midnight, OpenUntil: midnight.Add(time.Second), Opened: 3, Refused: 4, Downgraded: true},
	}
	client := d.operator()
	limits, err := client.ListLimits(t.Context(), connect.NewRequest(&adminv1.ListLimitsRequest{NamePrefix: "cl"}))
	if err != nil || len(limits.Msg.GetLimits()) != 1 {
		t.Fatal(limits, err)
	}
	if l := limits.Msg.GetLimits()[0]; l.GetTraffic() != adminv1.Traffic_TRAFFIC_SHADOW || l.GetWindow().AsDuration() != time.Hour || l.GetLimit() != 20 || l.GetSoftLimit() != 10 ||
		l.GetBurst() != 3 || !l.GetDryRun() || !l.GetInherited() || l.GetAllowed() != 4 || l.GetSoft() != 3 || l.GetRefused() != 2 || l.GetFallback() != 1 || !slices.Equal(l.GetUsedBy(), []string{"inbound"}) {
		t.Errorf("%v", l)
	}
	limits, err = client.ListLimits(t.Context(), connect.NewRequest(&adminv1.ListLimitsRequest{}))
	if err != nil || len(limits.Msg.GetLimits()) != 2 {
		t.Fatal(limits, err)
	}
	if q := limits.Msg.GetLimits()[1]; q.GetGrantedMilli() != 1500 || q.GetWantedMilli() != 2500 || q.GetUsedMilli() != 500 || q.GetState() != "granted" {
		t.Errorf("%v", q)
	}
	breakers, err := client.ListBreakers(t.Context(), connect.NewRequest(&adminv1.ListBreakersRequest{OnlyOpen: true}))
	if err != nil || len(breakers.Msg.GetBreakers()) != 1 {
		t.Fatal(breakers, err)
	}
	if b := breakers.Msg.GetBreakers()[0]; b.GetScene() != "cart" || b.GetTraffic() != adminv1.Traffic_TRAFFIC_SHADOW || b.GetState() != "open" || !b.GetSince().AsTime().Equal(midnight) ||
		!b.GetOpenUntil().AsTime().Equal(midnight.Add(time.Second)) || b.GetOpened() != 3 || b.GetRefused() != 4 || !b.GetDowngraded() {
		t.Errorf("%v", b)
	}
	got, err := client.ListClients(t.Context(), connect.NewRequest(&adminv1.ListClientsRequest{}))
	if err != nil || len(got.Msg.GetClients()) != len(d.snap.Clients) {
		t.Fatal(got, err)
	}
	described := false
	for _, c := range got.Msg.GetClients() {
		if c.GetPriority() == "" || len(c.GetAllowedScenes()) != len(d.snap.Clients[c.GetName()].Allowed) || c.GetId() != d.snap.Clients[c.GetName()].ID {
			t.Errorf("%v", c)
		}
		described = described || c.GetDescription() == "for the desk"
	}
	if !described {
		t.Error("no client has its description")
	}
	if code, page := d.get(t, "/policyz"); code != http.StatusOK || !strings.Contains(page, "claims/per_user") || !strings.Contains(page, "tax.rates") || !strings.Contains(page, "(1 left out)") {
		t.Errorf("%d %s", code, page)
	}
	if _, page := d.get(t, "/"); !strings.Contains(page, "/policyz") || !strings.Contains(page, adminv1connect.OperationsServiceName) {
		t.Errorf("%s", page)
	}
}

func (d *desk) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get(d.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

// Pages neither repeat nor leave out what was there all the time, whatever comes and goes meanwhile.
func TestPagesAreStableWhileItemsComeAndGo(t *testing.T) {
	d := openDesk(t, liveStore(t))
	name := func(i int) policy.LimitStatus { return policy.LimitStatus{Name: fmt.Sprintf("l%03d", i)} }
	for i := range 120 {
		d.limits = append(d.limits, name(2*i))
	}
	seen := map[string]int{}
	token := ""
	for pages := 0; ; pages++ {
		res, err := d.operator().ListLimits(t.Context(), connect.NewRequest(&adminv1.ListLimitsRequest{PageToken: token}))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(res.Msg.GetLimits()); n != 50 && res.Msg.GetNextPageToken() != "" {
			t.Errorf("a page has %d limits, want 50", n)
		}
		for _, l := range res.Msg.GetLimits() {
			seen[l.GetName()]++
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			break
		}
		d.limits = slices.DeleteFunc(d.limits, func(s policy.LimitStatus) bool { return s.Name == fmt.Sprintf("l%03d", 2*(50*(pages+1)-1)) }) // the last of the page
		d.limits = append(d.limits, name(1+2*pages), name(201+2*pages))
	}
	for i := range 120 {
		if n := seen[fmt.Sprintf("l%03d", 2*i)]; n != 1 {
			t.Errorf("limit %d was listed %d times", 2*i, n)
		}
	}
	for n, times := range seen {
		if times != 1 {
			t.Errorf("%s was listed %d times", n, times)
		}
	}
	first, err := d.operator().ListLimits(t.Context(), connect.NewRequest(&adminv1.ListLimitsRequest{PageSize: 1}))
	if err != nil {
		t.Fatal(err)
	}
	for what, req := range map[string]*adminv1.ListLimitsRequest{"other filters": {PageToken: first.Msg.GetNextPageToken(), NamePrefix: "l1"}} {
		if _, err := d.operator().ListLimits(t.Context(), connect.NewRequest(req)); refusalOf(t, err).Reason != "INVALID_PAGE_TOKEN" {
			t.Errorf("a token of %s: %v", what, err)
		}
	}
	if _, err := d.operator().ListBreakers(t.Context(), connect.NewRequest(&adminv1.ListBreakersRequest{PageToken: first.Msg.GetNextPageToken()})); refusalOf(t, err).Reason != "INVALID_PAGE_TOKEN" {
		t.Errorf("a token of another list: %v", err)
	}
}

// The longest switches have tokens that may be sent back.
func TestTokensAreShort(t *testing.T) {
	d := openDesk(t, liveStore(t))
	long := make([]string, 1000)
	for i := range long {
		long[i] = strings.Repeat("s", 90) + fmt.Sprintf("%04d", i)
	}
	for i := range 3 {
		if _, _, err := d.switches.Set(t.Context(), operations.Change{Feature: priceAfterVoucher, Scenes: long[i:], Operator: "ann", Reason: strings.Repeat("r", 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	token, listed := "", 0
	for range 3 {
		res, err := d.operator().ListDowngrades(t.Context(), connect.NewRequest(&adminv1.ListDowngradesRequest{PageSize: 1, PageToken: token}))
		if err != nil {
			t.Fatal(err)
		}
		token = res.Msg.GetNextPageToken()
		listed += len(res.Msg.GetDowngrades())
	}
	if token != "" || listed != 3 {
		t.Errorf("%d listed, token %q", listed, token)
	}
}

func TestTheAuditLogPagesBackwardsWhileEntriesAreAdded(t *testing.T) {
	d := openDesk(t, liveStore(t))
	add := func(subject, operator string) {
		d.audit.Add(operations.Entry{Action: operations.SetDowngrade, Subject: subject, Operator: operator, Outcome: operations.Done})
		d.now = d.now.Add(time.Second)
	}
	for i := range 5 {
		add(fmt.Sprint(i), []string{"ann", "bob"}[i%2])
	}
	var got []string
	token := ""
	for {
		res, err := d.operator().QueryAuditLog(t.Context(), connect.NewRequest(&adminv1.QueryAuditLogRequest{PageSize: 2, PageToken: token}))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.Msg.GetEntries() {
			got = append(got, e.GetSubject())
		}
		if token = res.Msg.GetNextPageToken(); token == "" {
			break
		}
		add("late", "ann")
	}
	if want := []string{"4", "3", "2", "1", "0"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	res, err := d.operator().QueryAuditLog(t.Context(), connect.NewRequest(&adminv1.QueryAuditLogRequest{
		Operator: "bob", From: timestamppb.New(midnight.Add(2 * time.Second)), To: timestamppb.New(midnight.Add(4 * time.Second)),
	}))
	if err != nil || len(res.Msg.GetEntries()) != 1 {
		t.Fatal(res, err)
	}
	if e := res.Msg.GetEntries()[0]; e.GetSubject() != "3" || e.GetNode() != "node-1" || e.GetId() == "" || !e.GetAt().AsTime().Equal(midnight.Add(3*time.Second)) || e.GetOutcome() != "done" {
		t.Errorf("%v", e)
	}
}

func TestAPurgeOfShadowDataIsNotedWhateverBecameOfIt(t *testing.T) {
	d := openDesk(t, liveStore(t))
	req := &adminv1.PurgeShadowDataRequest{Operator: "ann", Reason: "after the stress test"}
	for name, client := range operators(t, d.url) {
		res, err := client.PurgeShadowData(t.Context(), connect.NewRequest(req))
		if err != nil || res.Msg.GetRemovedKeys() != 7 {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
	d.now = d.now.Add(time.Second)
	d.purge = func(context.Context) (int, error) { return 3, errors.New("secret address") }
	_, err := d.operator().PurgeShadowData(t.Context(), connect.NewRequest(req))
	if got := refusalOf(t, err); got.Code != connect.CodeUnavailable || got.Reason != "PURGE_INCOMPLETE" || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	entries, _ := d.audit.List(t.Context(), operations.Query{})
	if len(entries) != len(operators(t, d.url))+1 || !strings.HasPrefix(entries[0].Outcome, "PURGE_INCOMPLETE: ") || entries[1].Outcome != operations.Done || entries[1].Subject != "7 keys" {
		t.Errorf("%+v", entries)
	}
}

func TestRollbacksAreInTheAuditLog(t *testing.T) {
	d := openDesk(t, liveStore(t))
	client := adminv1connect.NewConfigServiceClient(http.DefaultClient, d.url)
	if _, err := client.Rollback(t.Context(), connect.NewRequest(&adminv1.RollbackRequest{Version: "f00", Reason: "prices"})); err == nil {
		t.Fatal("rolled back") // the configuration of the desk has a bug
	}
	entries, _ := d.audit.List(t.Context(), operations.Query{})
	if len(entries) != 1 || entries[0].Action != operations.Rollback || entries[0].Subject != "version f00" || entries[0].Reason != "prices" || entries[0].Outcome != "INTERNAL" {
		t.Errorf("%+v", entries)
	}
	if got := outcomeOf(fault.New(fault.NotFound, "UNKNOWN_VERSION", "no")); got != "UNKNOWN_VERSION: no" {
		t.Error(got)
	}
}

func TestTheDeskIsReflectedHealthyAndClosedToPagesOfOthers(t *testing.T) {
	d := openDesk(t, liveStore(t))
	h2 := http2Client(t)
	stream := grpcreflect.NewClient(h2, d.url, connect.WithGRPC()).NewStream(t.Context())
	listed, err := stream.ListServices()
	if err != nil || !slices.Contains(listed, adminv1connect.OperationsServiceName) || !slices.Contains(listed, adminv1connect.ConfigServiceName) {
		t.Errorf("%v, %v", listed, err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
	if res, err := grpchealth.NewClient(h2, d.url, connect.WithGRPC()).Check(t.Context(), &grpchealth.CheckRequest{Service: adminv1connect.OperationsServiceName}); err != nil || res.Status != grpchealth.StatusServing {
		t.Errorf("%v, %v", res, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+adminv1connect.OperationsServiceSetDowngradeProcedure,
		strings.NewReader(`{"feature": "DOWNGRADE_FEATURE_TAX", "operator": "eve", "reason": "fun"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", "https://evil.example")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden || len(d.switches.Thrown()) > 0 {
		t.Errorf("a page of another origin: %d", res.StatusCode)
	}
}
