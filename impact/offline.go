package impact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"buf.build/go/protovalidate"

	"proscenium/assembly"
	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/fault"
	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
)

// Offline prices as a server with a configuration and a catalog would, at the instant of each request.
type Offline struct {
	system    *assembly.System
	snap      *scenes.Snapshot
	now       time.Time
	validator protovalidate.Validator
	replaced  []string
}

// NewOffline makes a pricer. now stands for the instant of requests that have none. The catalog may be shared. Nothing is asked of other services:
// where the configuration names one, the catalog answers, see [Offline.Replaced].
func NewOffline(snap *scenes.Snapshot, cat *catalog.Catalog, now time.Time) (*Offline, error) {
	validator, err := protovalidate.New(protovalidate.WithDisableLazy(), protovalidate.WithMessages(&pricingv1.GetPromotionInfoRequest{}))
	if err != nil {
		return nil, fmt.Errorf("compile the constraints of requests: %w", err)
	}
	system, err := assembly.Over(cat, assembly.Options{Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	o := &Offline{system: system, now: now, validator: validator}
	own := *snap
	own.Dependencies = make(map[string]*configv1.Dependency, len(snap.Dependencies))
	for command, d := range snap.Dependencies {
		if embedded(d) {
			own.Dependencies[command] = d
		} else {
			o.replaced = append(o.replaced, command)
		}
	}
	slices.Sort(o.replaced)
	o.snap = &own
	if err := system.Apply(o.snap); err != nil {
		system.Close()
		return nil, err
	}
	return o, nil
}

// embedded says whether the catalog answers a command in every region.
func embedded(d *configv1.Dependency) bool {
	all := slices.Collect(maps.Values(d.GetRegions()))
	if d.GetProvider() != nil {
		all = append(all, d.GetProvider())
	}
	return !slices.ContainsFunc(all, func(p *configv1.Provider) bool { return p.GetEmbedded() == nil || p.GetEmbedded().GetName() != "" })
}

// Replaced are the commands that the catalog answers here, and another provider on a server; sorted.
func (o *Offline) Replaced() []string { return o.replaced }

// Close lets go of what the pricer keeps.
func (o *Offline) Close() { o.system.Close() }

// SceneName is the name of the scene that a request asks for; false if the configuration does not have it.
func (o *Offline) SceneName(msg *pricingv1.GetPromotionInfoRequest) (string, bool) {
	scene := o.snap.ScenesByName[msg.GetSceneName()]
	if byID, ok := msg.GetScene().(*pricingv1.GetPromotionInfoRequest_SceneId); ok {
		scene = o.snap.ScenesByID[byID.SceneId]
	}
	if scene == nil {
		return "", false
	}
	return scene.Name, true
}

// Price answers a request.
func (o *Offline) Price(ctx context.Context, req *Request) Answer { return o.price(ctx, req, false) }

// Trace answers a request with its trace, whatever the scene allows to its callers.
func (o *Offline) Trace(ctx context.Context, req *Request) Answer { return o.price(ctx, req, true) }

func (o *Offline) price(ctx context.Context, req *Request, trace bool) Answer {
	if err := o.validator.Validate(req.Msg); err != nil {
		return invalid(err)
	}
	at := req.At
	if at.IsZero() {
		at = o.now
	}
	resp, err := o.system.Engine.Price(ctx, engine.Caller{Client: req.Client, At: at, Trace: trace}, req.Msg)
	return answerOf(resp, err)
}

// invalid is how a server refuses a request that breaks constraints of the schema.
func invalid(err error) Answer {
	var violations *protovalidate.ValidationError
	if !errors.As(err, &violations) {
		return Answer{Err: err}
	}
	v := violations.Violations[0]
	return answerOf(nil, fault.New(fault.InvalidArgument, "INVALID_REQUEST", "%s: %s", protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage()))
}
