package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/engine/policy"
	adminv1 "proscenium/gen/proscenium/admin/v1"
	configv1 "proscenium/gen/proscenium/config/v1"
	"proscenium/operations"
	"proscenium/traffic"
)

// ListDowngrades lists what is off: by configuration, by a switch, by a breaker.
func (o *operationsService) ListDowngrades(
	_ context.Context, req *connect.Request[adminv1.ListDowngradesRequest],
) (*connect.Response[adminv1.ListDowngradesResponse], error) {
	since := make(map[string]time.Time)
	for _, b := range o.Policies.Breakers() {
		if !b.Downgraded { // that of the downgraded pools throws no switch
			since[keyOf(b.Command+"@"+b.Scene, b.Class.String())] = b.Since
		}
	}
	var all []*adminv1.Downgrade
	for _, d := range o.Engine.Downgrades() {
		switch d.Origin {
		case engine.FromConfiguration:
			all = append(all, ofDowngrade(&d, adminv1.DowngradeOrigin_DOWNGRADE_ORIGIN_CONFIGURATION))
		case engine.FromBreaker:
			answer := ofDowngrade(&d, adminv1.DowngradeOrigin_DOWNGRADE_ORIGIN_BREAKER)
			answer.Breaker, answer.Traffic, answer.Since = d.Breaker, ofClass(d.Class), timestamp(since[keyOf(d.Breaker, d.Class.String())])
			all = append(all, answer)
		case engine.FromSwitch: // the switchboard knows more of it
		}
	}
	for _, s := range o.Switches.Thrown() {
		all = append(all, ofSwitch(&s))
	}
	all = distinct(all, downgradeKey)
	page, next, err := pageOf(all, downgradeKey, "downgrades", nil, req.Msg.GetPageSize(), req.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&adminv1.ListDowngradesResponse{Downgrades: page, NextPageToken: next}), nil
}

// downgradeKey orders downgrades by origin, feature and the beginning of where they hold. The rest may be long, and tokens are not: a hash of it stands for it.
func downgradeKey(d *adminv1.Downgrade) string {
	where := strings.Join(d.GetWhere().GetRegions(), ",") + "/" + strings.Join(d.GetWhere().GetScenes(), ",")
	rest := sha256.Sum256([]byte(keyOf(where, d.GetBreaker(), d.GetTraffic().String(), fmt.Sprint(d.GetUntil().AsTime().UnixNano()), d.GetReason())))
	return keyOf(fmt.Sprintf("%d", d.GetOrigin()), fmt.Sprintf("%04d", d.GetFeature()), where[:min(len(where), 100)], hex.EncodeToString(rest[:8]))
}

// distinct sorts a list by its keys, which are unique then.
func distinct[T any](list []T, key func(T) string) []T {
	slices.SortStableFunc(list, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return slices.CompactFunc(list, func(a, b T) bool { return key(a) == key(b) })
}

// ListLimits lists limits and queues.
func (o *operationsService) ListLimits(
	_ context.Context, req *connect.Request[adminv1.ListLimitsRequest],
) (*connect.Response[adminv1.ListLimitsResponse], error) {
	prefix := req.Msg.GetNamePrefix()
	all := slices.DeleteFunc(o.Policies.Limits(), func(s policy.LimitStatus) bool { return !strings.HasPrefix(s.Name, prefix) })
	key := func(s policy.LimitStatus) string { return keyOf(s.Name, s.Dimension, s.Class.String(), s.Algorithm) }
	page, next, err := pageOf(distinct(all, key), key, "limits", []string{prefix}, req.Msg.GetPageSize(), req.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ListLimitsResponse{NextPageToken: next}
	for i := range page {
		answer.Limits = append(answer.Limits, ofLimit(&page[i]))
	}
	return connect.NewResponse(answer), nil
}

// ListBreakers lists breakers.
func (o *operationsService) ListBreakers(
	_ context.Context, req *connect.Request[adminv1.ListBreakersRequest],
) (*connect.Response[adminv1.ListBreakersResponse], error) {
	onlyOpen := req.Msg.GetOnlyOpen()
	all := slices.DeleteFunc(o.Policies.Breakers(), func(s policy.BreakerStatus) bool { return onlyOpen && s.State == "closed" })
	key := func(s policy.BreakerStatus) string {
		return keyOf(s.Command, s.Scene, fmt.Sprint(s.Downgraded), s.Class.String())
	}
	page, next, err := pageOf(distinct(all, key), key, "breakers", []string{fmt.Sprint(onlyOpen)}, req.Msg.GetPageSize(), req.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	answer := &adminv1.ListBreakersResponse{NextPageToken: next}
	for i := range page {
		answer.Breakers = append(answer.Breakers, ofBreaker(&page[i]))
	}
	return connect.NewResponse(answer), nil
}

// ListClients lists the clients of the configuration that serves; none before the first.
func (o *operationsService) ListClients(
	_ context.Context, req *connect.Request[adminv1.ListClientsRequest],
) (*connect.Response[adminv1.ListClientsResponse], error) {
	var all []*adminv1.ClientStatus
	if snap := o.Engine.Snapshot(); snap != nil {
		described := make(map[string]string)
		for _, c := range snap.Bundle.GetClients() {
			described[c.GetName()] = c.GetDescription()
		}
		for _, name := range slices.Sorted(maps.Keys(snap.Clients)) {
			c := snap.Clients[name]
			status := &adminv1.ClientStatus{
				Id: c.ID, Name: c.Name, Description: described[name], CredentialIds: c.CredentialIDs, AllowShadow: c.AllowShadow,
				Priority: strings.TrimPrefix(c.Priority.String(), "PRIORITY_"),
			}
			if c.Quota != nil {
				status.Quota = c.Quota.Name
			}
			for s := range c.Allowed {
				status.AllowedScenes = append(status.AllowedScenes, s.Name)
			}
			slices.Sort(status.AllowedScenes)
			all = append(all, status)
		}
	}
	page, next, err := pageOf(all, (*adminv1.ClientStatus).GetName, "clients", nil, req.Msg.GetPageSize(), req.Msg.GetPageToken())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&adminv1.ListClientsResponse{Clients: page, NextPageToken: next}), nil
}

func ofDowngrade(d *engine.Downgraded, origin adminv1.DowngradeOrigin) *adminv1.Downgrade {
	reason := d.Reason
	if reason == "" && d.Feature == configv1.DowngradeFeature_DOWNGRADE_FEATURE_SCENE && len(d.Scenes) == 1 && len(d.Regions) == 0 {
		reason = "the scene has is_downgraded"
	}
	return &adminv1.Downgrade{
		Feature: d.Feature, Where: &adminv1.Where{Regions: d.Regions, Scenes: d.Scenes}, Origin: origin, Reason: reason, Until: timestamp(d.Until),
	}
}

func ofSwitch(s *operations.Switch) *adminv1.Downgrade {
	return &adminv1.Downgrade{
		Feature: s.Feature, Where: &adminv1.Where{Regions: s.Regions, Scenes: s.Scenes}, Origin: adminv1.DowngradeOrigin_DOWNGRADE_ORIGIN_SWITCH,
		Operator: s.Operator, Reason: s.Reason, Since: timestamp(s.At), Until: timestamp(s.Until),
	}
}

func ofLimit(s *policy.LimitStatus) *adminv1.LimitStatus {
	return &adminv1.LimitStatus{
		Name: s.Name, Dimension: s.Dimension, Traffic: ofClass(s.Class), Algorithm: s.Algorithm, Precision: s.Precision, Window: durationpb.New(s.Window),
		Limit: s.Limit, SoftLimit: s.Soft, Burst: s.Burst, DryRun: s.DryRun, Inherited: s.Inherited,
		Allowed: s.Allowed, Soft: s.Marked, Refused: s.Refused, Fallback: s.Fallback,
		GrantedMilli: s.Granted, WantedMilli: s.Wanted, UsedMilli: s.Used, State: s.State, UsedBy: s.UsedBy,
	}
}

func ofBreaker(s *policy.BreakerStatus) *adminv1.BreakerStatus {
	return &adminv1.BreakerStatus{
		Command: s.Command, Scene: s.Scene, Traffic: ofClass(s.Class), State: s.State, Since: timestamp(s.Since), Calls: s.Calls, Errors: s.Errors, Slow: s.Slow,
		OpenUntil: timestamp(s.OpenUntil), Opened: s.Opened, Refused: s.Refused, Downgraded: s.Downgraded,
	}
}

func ofEntry(e *operations.Entry) *adminv1.AuditEntry {
	return &adminv1.AuditEntry{
		Id: e.ID, At: timestamp(e.At), Operator: e.Operator, Reason: e.Reason, Action: e.Action, Subject: e.Subject, Node: e.Node, Peer: e.Peer, Outcome: e.Outcome,
	}
}

func ofClass(c traffic.Class) adminv1.Traffic {
	if c == traffic.Shadow {
		return adminv1.Traffic_TRAFFIC_SHADOW
	}
	return adminv1.Traffic_TRAFFIC_LIVE
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
