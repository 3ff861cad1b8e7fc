package scenes

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// defaults are the values of fields that are not written, where these are not zero, false or empty.
type defaults map[protoreflect.FullName]protoreflect.Value

// Defaults are the values of fields that are not written, by the full names of the fields, where these are not zero, false or empty. The
// caller owns the map, and changes none of the values.
func Defaults() map[protoreflect.FullName]protoreflect.Value { return newDefaults() }

func newDefaults() defaults {
	enum := protoreflect.ValueOfEnum
	i32, i64, number := protoreflect.ValueOfInt32, protoreflect.ValueOfInt64, protoreflect.ValueOfFloat64
	duration := func(d time.Duration) protoreflect.Value {
		return protoreflect.ValueOfMessage(durationpb.New(d).ProtoReflect())
	}
	d := defaults{
		"Region.rounding":                           enum(configv1.Rounding_ROUNDING_HALF_UP.Number()),
		"PriceRuleType.exclusivity":                 enum(configv1.Exclusivity_EXCLUSIVITY_NONE.Number()),
		"Scenario.time_mode":                        enum(configv1.TimeMode_TIME_MODE_REAL_TIME.Number()),
		"ScenarioModelDisplay.main_promo_sorting":   enum(configv1.MainPromoSorting_MAIN_PROMO_SORTING_PROMO_PRIORITY.Number()),
		"ScenarioModelDisplay.teaser_promo_sorting": enum(configv1.TeaserPromoSorting_TEASER_PROMO_SORTING_EARLIEST_START.Number()),
		"ScenarioItemDisplay.main_promo_sorting":    enum(configv1.MainPromoSorting_MAIN_PROMO_SORTING_PROMO_PRIORITY.Number()),
		"ScenarioItemDisplay.teaser_promo_sorting":  enum(configv1.TeaserPromoSorting_TEASER_PROMO_SORTING_EARLIEST_START.Number()),
		"ScenarioItemDisplay.teaser_strictness":     enum(configv1.TeaserStrictness_TEASER_STRICTNESS_NO_CHECK.Number()),
		"ScenarioTax.selection_mode":                enum(configv1.TaxSelectionMode_TAX_SELECTION_MODE_REGIONAL.Number()),
		"Dependency.max_batch":                      i32(100),
		"Dependency.max_parallel":                   i32(8),
		"Dependency.timeout":                        duration(500 * time.Millisecond),
		"ConnectProvider.protocol":                  enum(configv1.Protocol_PROTOCOL_CONNECT.Number()),
		"ConnectProvider.max_response_bytes":        i64(16 << 20),
		"Retries.max_attempts":                      i32(1),
		"Retries.backoff":                           duration(5 * time.Millisecond),
		"Retries.budget_percent":                    i32(10),
		"Cache.ttl":                                 duration(5 * time.Second),
		"Cache.max_entries":                         i64(100_000),
		"RedisCache.ttl":                            duration(30 * time.Second),
		"ChangeStream.debounce":                     duration(100 * time.Millisecond),
		"Client.priority":                           enum(configv1.Priority_PRIORITY_NORMAL.Number()),
		"Breaker.minimum_number_of_calls":           i32(100),
		"Breaker.window":                            duration(10 * time.Second),
		"Breaker.open":                              duration(5 * time.Second),
		"Breaker.half_open_calls":                   i32(5),
		"LimitDimension.precision":                  enum(configv1.LimitPrecision_LIMIT_PRECISION_PRECISE.Number()),
		"LimitDimension.counting":                   enum(configv1.LimitCounting_LIMIT_COUNTING_EACH.Number()),
		"HierarchyLimit.multiplier":                 number(1),
		"WantEstimation.starving_timeout":           duration(2 * time.Second),
		"LoadShedding.target_latency":               duration(20 * time.Millisecond),
	}
	full := make(defaults, len(d))
	for name, v := range d {
		full["proscenium.config.v1."+name] = v
	}
	return full
}

// present says whether a message that is not written is as good as an empty one, which then stands in the snapshot in its place.
func present(fd protoreflect.FieldDescriptor) bool {
	if fd.Message() == nil || fd.IsList() || fd.IsMap() || isTime(fd.Message()) || fd.ContainingOneof() != nil {
		return false
	}
	switch fd.FullName() {
	case "proscenium.config.v1.ConnectProvider.retries":
		return true
	case "proscenium.config.v1.Scene.rate_limiter", "proscenium.config.v1.Caches.change_stream":
		return false // absent: none
	}
	switch fd.Parent().Name() {
	case "Scene", "Scenario", "Caches":
		return true
	}
	return false
}

func isTime(md protoreflect.MessageDescriptor) bool {
	return md.FullName() == "google.protobuf.Duration" || md.FullName() == "google.protobuf.Timestamp"
}

// fill writes the defaults into a message and all below it.
func (d defaults) fill(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			if v, ok := d[fd.FullName()]; ok {
				m.Set(fd, fresh(v))
			} else if present(fd) {
				m.Mutable(fd)
			}
		}
		d.below(m, fd, d.fill)
	}
	if l, is := m.Interface().(*configv1.LimitDimension); is && l.GetChunk() == 0 {
		l.Chunk = defaultChunk(l)
	}
}

// defaultChunk is how many of a limit are reserved at once, where it does not say; 0 where nothing is reserved.
func defaultChunk(l *configv1.LimitDimension) int64 {
	if !reserved(l) {
		return 0
	}
	chunk := l.GetLimit() / 100
	if l.GetBurst() > 0 {
		chunk = min(chunk, l.GetBurst())
	}
	return max(1, chunk)
}

// strip takes out what says no more than its absence would: defaults, and messages in which nothing is left. It orders lists that stand
// for sets. Configurations of the same meaning are equal after it.
func (d defaults) strip(m protoreflect.Message) {
	if l, is := m.Interface().(*configv1.LimitDimension); is && l.GetChunk() == defaultChunk(l) {
		l.Chunk = 0
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		if v, ok := d[fd.FullName()]; ok && v.Equal(m.Get(fd)) {
			m.Clear(fd)
			continue
		}
		if fd.IsList() && fd.Message() == nil {
			sortScalars(m.Mutable(fd).List())
		}
		d.below(m, fd, d.strip)
		if fd.Message() != nil && fd.Cardinality() != protoreflect.Repeated && !isTime(fd.Message()) && fd.ContainingOneof() == nil &&
			proto.Size(m.Get(fd).Message().Interface()) == 0 {
			m.Clear(fd)
		}
	}
}

// below does something with each message that a field holds.
func (d defaults) below(m protoreflect.Message, fd protoreflect.FieldDescriptor, do func(protoreflect.Message)) {
	switch {
	case !m.Has(fd):
	case fd.IsMap():
		if fd.MapValue().Message() == nil {
			return
		}
		m.Get(fd).Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
			do(v.Message())
			return true
		})
	case fd.Message() == nil || isTime(fd.Message()):
	case fd.IsList():
		for i := range m.Get(fd).List().Len() {
			do(m.Get(fd).List().Get(i).Message())
		}
	default:
		do(m.Get(fd).Message())
	}
}

// fresh is a value that nobody else holds.
func fresh(v protoreflect.Value) protoreflect.Value {
	if m, ok := v.Interface().(protoreflect.Message); ok {
		return protoreflect.ValueOfMessage(proto.Clone(m.Interface()).ProtoReflect())
	}
	return v
}
