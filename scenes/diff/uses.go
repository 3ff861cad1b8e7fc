package diff

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// uses knows which scenes use what, on both sides.
type uses struct{ before, after *usage }

func newUses(before, after *configv1.Bundle) *uses { return &uses{newUsage(before), newUsage(after)} }

// add says which scenes use the entity of a change.
func (u *uses) add(c *Change) {
	side := u.after
	if c.Kind == Removed {
		side = u.before
	}
	c.UsedBy = side.scenesOf(c)
	c.EveryScene = len(c.UsedBy) > 0 && len(c.UsedBy) == len(side.bundle.GetScenes())
}

// usage is which scenes of a bundle use what.
type usage struct {
	bundle *configv1.Bundle
	// scenes has the names of the scenes that refer to an entity, directly or through others, by section and name.
	scenes map[named]map[string]bool
}

type named struct{ section, name string }

func newUsage(b *configv1.Bundle) *usage {
	u := &usage{bundle: b, scenes: map[named]map[string]bool{}}
	entities := map[named]protoreflect.Message{}
	m := b.ProtoReflect()
	for _, fd := range fieldsOf(m) {
		if fd.IsMap() {
			m.Get(fd).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				entities[named{string(fd.Name()), k.String()}] = v.Message()
				return true
			})
		}
		if !fd.IsList() {
			continue
		}
		for i := range m.Get(fd).List().Len() {
			e := m.Get(fd).List().Get(i).Message()
			entities[named{string(fd.Name()), identities()[fd.FullName()].label(e)}] = e
		}
	}
	known := references()
	for _, s := range b.GetScenes() {
		u.follow(s.GetName(), s.ProtoReflect(), entities, known)
	}
	return u
}

// follow notes what a message refers to, and what that does. References back to scenes and to clients lead away from what a scene uses.
func (u *usage) follow(scene string, m protoreflect.Message, entities map[named]protoreflect.Message, known map[protoreflect.FullName]string) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		section, refers := known[fd.FullName()]
		switch {
		case fd.IsMap():
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				u.follow(scene, v.List().Get(i).Message(), entities, known)
			}
		case !fd.IsList() && fd.Message() != nil && !isTime(fd.Message()):
			u.follow(scene, v.Message(), entities, known)
		case !refers || section == "scenes" || section == "clients" || fd.IsList():
		default:
			at := named{section, v.String()}
			if u.scenes[at] == nil {
				u.scenes[at] = map[string]bool{}
			}
			if target := entities[at]; target != nil && !u.scenes[at][scene] {
				u.scenes[at][scene] = true
				u.follow(scene, target, entities, known)
			}
		}
		return true
	})
}

// scenesOf are the names of the scenes that use the entity of a change, sorted.
func (u *usage) scenesOf(c *Change) []string {
	switch c.Section {
	case "scenarios", "exclusion_rules", "inclusion_rules", "voucher_pools", "bypass_rules", "experiments":
		return slices.Sorted(maps.Keys(u.scenes[named{c.Section, c.Name}]))
	case "price_rule_types":
		return u.scenesWith(func(s *configv1.Scene) bool { return u.shows(s, c.Name) })
	case "eligibility_rules":
		return u.scenesWith(u.login)
	case "vouchers":
		return u.scenesWith(func(s *configv1.Scene) bool { return s.GetVoucher().GetEnabled() })
	case "limits":
		return u.scenesWith(func(s *configv1.Scene) bool { return u.limited(s, strings.TrimPrefix(c.Name, "shadow_")) })
	case "hierarchy_limits":
		return u.scenesWith(func(s *configv1.Scene) bool {
			return s.GetRateLimiter().GetResource() == strings.TrimPrefix(c.Name, "shadow_")
		})
	case "downgrades":
		return u.downgraded(c.Name)
	default: // regions, dependencies, caches and breakers are everybody's, a scene is itself
		return nil
	}
}

func (u *usage) scenesWith(uses func(*configv1.Scene) bool) []string {
	var names []string
	for _, s := range u.bundle.GetScenes() {
		if uses(s) {
			names = append(names, s.GetName())
		}
	}
	slices.Sort(names)
	return names
}

// shows says whether promotions of a type get past the rules of a scene, as far as types decide it.
func (u *usage) shows(s *configv1.Scene, typeName string) bool {
	for _, r := range u.bundle.GetExclusionRules() {
		types := r.GetExcludedPriceRuleTypes()
		if r.GetName() == s.GetProductPromotion().GetExclusionRule() && r.GetWhen() == "" && (len(types) == 0 || slices.Contains(types, typeName)) {
			return false
		}
	}
	for _, r := range u.bundle.GetInclusionRules() {
		types := r.GetIncludedPriceRuleTypes()
		if r.GetName() == s.GetProductPromotion().GetInclusionRule() && len(types) > 0 && !slices.Contains(types, typeName) {
			return false
		}
	}
	return true
}

// limited says whether requests of a scene are counted by a limit: on their way in, by themselves or as those of a client.
func (u *usage) limited(s *configv1.Scene, limit string) bool {
	return slices.Contains(s.GetLimits(), limit) || slices.Contains(u.bundle.GetInbound().GetLimits(), limit) ||
		slices.ContainsFunc(u.bundle.GetClients(), func(c *configv1.Client) bool {
			return c.GetQuota() == limit && slices.Contains(c.GetAllowedScenes(), s.GetName())
		})
}

// login says whether a scene runs in login mode, in one of its groups at least: only then eligibility is checked.
func (u *usage) login(s *configv1.Scene) bool {
	for _, scenario := range u.bundle.GetScenarios() {
		if scenario.GetEligibility().GetLoginMode() && u.scenes[named{"scenarios", scenario.GetName()}][s.GetName()] {
			return true
		}
	}
	return false
}

// downgraded are the scenes that a downgrade names; none: it is for all of them.
func (u *usage) downgraded(label string) []string {
	id := identities()[configPackage+"Bundle.downgrades"]
	for _, d := range u.bundle.GetDowngrades() {
		if id.label(d.ProtoReflect()) != label {
			continue
		}
		return u.scenesWith(func(s *configv1.Scene) bool {
			return len(d.GetScenes()) == 0 || slices.Contains(d.GetScenes(), s.GetName())
		})
	}
	return nil
}
