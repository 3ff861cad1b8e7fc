package engine

import (
	"fmt"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/fault"
	"proscenium/scenes"
)

// begin checks the request against the configuration and sets up what all stages use. It returns the client of the caller, nil where there is none.
func (st *state) begin(caller Caller, now time.Time) (*scenes.Client, error) {
	req := st.req
	scene, err := st.findScene()
	if err != nil {
		return nil, err
	}
	st.scene = st.program.scenes[scene]
	var client *scenes.Client
	if caller.Client != "" {
		client = st.program.snap.Clients[caller.Client]
		if client == nil || !client.Allowed[scene] {
			return nil, fault.New(fault.PermissionDenied, "SCENE_NOT_ALLOWED",
				"client %s may not use scene %s: add it to the client's allowed_scenes", caller.Client, scene.Name)
		}
	}
	st.market = st.program.markets[st.class][req.Region]
	if st.market == nil {
		return nil, fault.Invalid("region", "REGION_NOT_SERVED", "region %q is not served here", req.Region)
	}
	if err := checkItems(req.Items); err != nil {
		return nil, err
	}
	st.at, st.replay = now.UnixNano(), !caller.At.IsZero()
	if req.AtTime != nil {
		st.at, st.atTime = req.AtTime.AsTime().UnixNano(), true
	}
	if req.Explain && !scene.Spec.GetAllowExplain() {
		return nil, fault.Invalid("explain", "EXPLAIN_NOT_ALLOWED", "scene %s does not return traces: leave explain out, or set allow_explain in the scene", scene.Name)
	}
	st.setFacts(scene)
	st.assign(st.scene)
	if st.atTime && !st.plan.anyTime {
		return nil, fault.Invalid("at_time", "AT_TIME_NOT_ALLOWED", "scene %s prices in real time: leave at_time out, or use a scene of time mode ANY_TIME", scene.Name)
	}
	if st.plan.login && req.UserId == nil {
		return nil, fault.Invalid("user_id", "USER_REQUIRED", "scene %s runs in login mode: give the user's id", scene.Name)
	}
	st.request.Scenario = st.plan.scenario.Name
	if req.Explain || caller.Trace {
		st.trace = newTracer(st)
	}
	st.findDowngrades(now)
	st.call = Call{
		Request: &st.request, Class: st.class, Region: st.market.region, Snap: st.program.snap, Explain: st.trace != nil, OnRuleError: st.ruleError,
		WithStock: st.plan.withStock && !st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_STOCK),
	}
	return client, nil
}

func (st *state) findScene() (*scenes.Scene, error) {
	if named, ok := st.req.Scene.(*pricingv1.GetPromotionInfoRequest_SceneName); ok {
		return st.program.sceneByName(named.SceneName)
	}
	return st.program.sceneByID(st.req.GetSceneId())
}

// setFacts fills what rules and providers see of the request.
func (st *state) setFacts(scene *scenes.Scene) {
	req, c := st.req, st.req.Context
	r := &st.request
	r.Region, r.Scene, r.UserID, r.At = req.Region, scene.Name, req.GetUserId(), st.at
	r.Scenario = scene.Scenario.Name
	r.OrderFlow = req.OrderFlow || scene.Spec.GetOrderFlow()
	if scene.Client != nil {
		r.Client = scene.Client.Name
	}
	r.Platform, r.UserPath, r.DeviceType = c.GetClientPlatform(), c.GetUserPath(), c.GetDeviceType()
	r.StreamerID, r.LiveStreamToken = c.GetLiveStreamStreamerId(), c.GetLiveStreamDiscountToken()
	r.VideoCreatorID, r.AdsID = c.GetVideoCreatorId(), c.GetAdsId()
	st.user.ID = r.UserID
	st.input.Request, st.input.User, st.input.Zone = r, &st.user, st.market.region.Zone
}

// checkItems refuses an item or a model that is named twice: its price would be counted twice.
func checkItems(items []*pricingv1.RequestItem) error {
	if id, is := repeated(items, func(it **pricingv1.RequestItem) int64 { return (*it).ItemId }); is {
		at := lastIndex(items, func(it *pricingv1.RequestItem) bool { return it.ItemId == id })
		return fault.Invalid(fmt.Sprintf("items[%d].item_id", at), "DUPLICATE_ITEM", "item %d is named twice: join its models in one entry", id)
	}
	for i, it := range items {
		if id, is := repeated(it.Models, func(m **pricingv1.RequestModel) int64 { return (*m).ModelId }); is {
			at := lastIndex(it.Models, func(m *pricingv1.RequestModel) bool { return m.ModelId == id })
			return fault.Invalid(fmt.Sprintf("items[%d].models[%d].model_id", i, at), "DUPLICATE_MODEL",
				"model %d is named twice: add up its quantities in one entry", id)
		}
	}
	return nil
}

func lastIndex[T any](list []T, is func(T) bool) int {
	for i := len(list) - 1; i >= 0; i-- {
		if is(list[i]) {
			return i
		}
	}
	return -1
}

// downgradedBy notes a downgrade in the answer and the trace.
func (st *state) downgradedBy(feature, scope string) {
	st.degrade(feature, scope, pricingv1.DegradationCause_DEGRADATION_CAUSE_OPERATOR)
	if st.trace != nil {
		st.trace.downgrade(feature, scope, "operator")
	}
}
