package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"pgregory.net/rapid"

	"proscenium/facts"
)

// TestClosuresAgreeWithTheInterpreter runs random expressions over random inputs both ways: the same value, or an error from both.
func TestClosuresAgreeWithTheInterpreter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SampledFrom([]Place{PromoRule, VoucherPool, VoucherAppliesWhen, VoucherUserCondition, Eligibility, ExperimentUnit, LimitKey}).Draw(t, "place")
		g := &generator{T: t, env: place.environment()}
		depth := rapid.IntRange(1, 4).Draw(t, "depth")
		var expr string
		switch {
		case place != ExperimentUnit && place != LimitKey:
			expr = g.boolean(depth)
		case rapid.Bool().Draw(t, "text"):
			expr = g.text(depth)
		default:
			expr = g.integer(depth)
		}
		closures, interpreter := bothWays(t, place, expr)
		if closures.Interpreted() {
			t.Fatalf("%s: closures do not cover %s", place, expr)
		}
		for range 5 {
			compareBoth(t, closures, interpreter, drawInput(t))
		}
	})
}

// bothWays compiles without the limit of cost: random expressions exceed it.
func bothWays(t interface{ Fatalf(string, ...any) }, place Place, expr string) (closures, interpreter *Rule) {
	env := place.environment()
	checked, issues := env.cel.Compile(expr)
	if issues.Err() != nil {
		t.Fatalf("%s: %s: %v", place, expr, issues.Err())
	}
	closures, _, err := newRule(env, expr, checked)
	if err != nil {
		t.Fatalf("%s: %s: %v", place, expr, err)
	}
	plain, err := env.cel.Program(checked)
	if err != nil {
		t.Fatalf("%s: %s: %v", place, expr, err)
	}
	p := &program{program: plain}
	p.activations.New = func() any { return &activation{env: env} }
	return closures, &Rule{src: expr, program: p}
}

func compareBoth(t interface{ Fatalf(string, ...any) }, closures, interpreter *Rule, in *Input) {
	if _, isKey := closures.code.(fn[bool]); !isKey {
		got, gotErr := closures.Key(in)
		want, wantErr := interpreter.Key(in)
		if got != want && gotErr == nil || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%s\nclosures: %q, %v\ninterpreter: %q, %v\ninput: %s", closures, got, gotErr, want, wantErr, show(in))
		}
		return
	}
	got, gotErr := closures.Bool(in)
	want, wantErr := interpreter.Bool(in)
	if got != want || (gotErr == nil) != (wantErr == nil) {
		t.Fatalf("%s\nclosures: %t, %v\ninterpreter: %t, %v\ninput: %s", closures, got, gotErr, want, wantErr, show(in))
	}
}

func show(in *Input) string {
	return fmt.Sprintf("promo %+v type %+v price %d model %+v item %+v user %+v request %+v voucher %+v live %+v zone %v",
		in.Promo, in.PromoType, in.PromoPrice, in.Model, in.Item, in.User, in.Request, in.Voucher, in.LiveStream, in.Zone)
}

// generator writes random expressions of a type, at most depth operators deep.
type generator struct {
	*rapid.T
	env *environment
	// texts and ints are the iteration variables in scope.
	texts, ints []string
	loops       int
}

func (g *generator) pick(options ...func() string) string {
	return options[rapid.IntRange(0, len(options)-1).Draw(g.T, "option")]()
}

func (g *generator) of(words ...string) string { return rapid.SampledFrom(words).Draw(g.T, "word") }

// variable is a variable of the type, or other, where the place has none.
func (g *generator) variable(t *cel.Type, other string) string {
	var names []string
	for _, name := range g.env.names {
		if g.env.vars[name].celType().IsExactType(t) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return other
	}
	return g.of(names...)
}

func (g *generator) boolean(depth int) string {
	if depth == 0 {
		return g.pick(func() string { return g.of("true", "false") }, func() string { return g.variable(cel.BoolType, "true") })
	}
	d := depth - 1
	return g.pick(
		func() string { return g.boolean(0) },
		func() string { return "(" + g.boolean(d) + g.of(" && ", " || ") + g.boolean(d) + ")" },
		func() string { return "(" + g.boolean(d) + g.of(" && ", " || ") + g.boolean(d) + ")" },
		func() string {
			op := g.of(" && ", " || ")
			return "(" + g.boolean(d) + op + g.boolean(d) + op + g.boolean(d) + op + g.boolean(d) + ")"
		},
		func() string { return "!" + g.boolean(d) },
		func() string { return "(" + g.boolean(d) + " ? " + g.boolean(d) + " : " + g.boolean(d) + ")" },
		func() string { return "(" + g.boolean(d) + g.of(" == ", " != ") + g.boolean(d) + ")" },
		func() string { return "(" + g.integer(d) + g.comparison() + g.integer(d) + ")" },
		func() string { return "(" + g.integer(d) + g.comparison() + g.number() + ")" },
		func() string { return "(" + g.text(d) + g.comparison() + g.text(d) + ")" },
		func() string { return "(" + g.text(d) + g.of(" == ", " != ") + g.word() + ")" },
		func() string { return "(" + g.double(d) + g.comparison() + g.double(d) + ")" },
		func() string { return "(" + g.timestamp(d) + g.comparison() + g.timestamp(d) + ")" },
		func() string { return "(" + g.duration(d) + g.comparison() + g.duration(d) + ")" },
		func() string { return "(" + g.textList(d) + g.of(" == ", " != ") + g.textList(d) + ")" },
		func() string { return "(" + g.text(d) + " in " + g.textList(d) + ")" },
		func() string { return "(" + g.text(d) + " in [" + g.text(d) + ", " + g.text(d) + "])" },
		func() string { return "(" + g.integer(d) + " in " + g.intList() + ")" },
		func() string { return "(" + g.integer(d) + " in [" + g.integer(d) + ", " + g.integer(d) + "])" },
		func() string { return "(" + g.text(d) + " in [])" },
		func() string {
			return g.text(d) + g.of(".contains(", ".startsWith(", ".endsWith(") + g.text(d) + ")"
		},
		func() string { return g.text(d) + ".matches(" + g.of(`'^a'`, `'[0-9]+'`, `r'\d$'`, `'(b|c)*d'`) + ")" },
		func() string {
			return g.of("sets.contains(", "sets.intersects(", "sets.equivalent(") + g.textList(d) + ", " + g.textList(d) + ")"
		},
		func() string { return g.loop(d) },
		func() string { return "(date(" + g.timestamp(d) + ")" + g.comparison() + g.day() + ")" },
		func() string { return "(" + g.day() + g.comparison() + "date(" + g.timestamp(d) + "))" },
		func() string { return "(date(" + g.timestamp(d) + ") in [" + g.day() + ", " + g.day() + "])" },
		func() string {
			return "(date(" + g.timestamp(d) + ")" + g.comparison() + "date(" + g.timestamp(d) + "))"
		},
	)
}

func (g *generator) loop(depth int) string {
	if g.loops == maxLoops {
		return g.boolean(0)
	}
	g.loops++
	defer func() { g.loops-- }()
	x := fmt.Sprintf("x%d", g.loops)
	macro := g.of(".exists(", ".all(", ".exists_one(") + x + ", "
	if rapid.Bool().Draw(g.T, "texts") {
		list := g.textList(depth)
		g.texts = append(g.texts, x)
		defer func() { g.texts = g.texts[:len(g.texts)-1] }()
		return list + macro + g.boolean(depth) + ")"
	}
	list := g.intList()
	g.ints = append(g.ints, x)
	defer func() { g.ints = g.ints[:len(g.ints)-1] }()
	return list + macro + g.boolean(depth) + ")"
}

func (g *generator) comparison() string { return g.of(" == ", " != ", " < ", " <= ", " > ", " >= ") }

func (g *generator) number() string {
	return strconv.FormatInt(drawInt(g.T), 10)
}

func (g *generator) integer(depth int) string {
	if depth == 0 {
		return g.pick(
			g.number,
			func() string { return g.variable(cel.IntType, "1") },
			func() string { return g.of(append([]string{"7"}, g.ints...)...) },
		)
	}
	d := depth - 1
	return g.pick(
		func() string { return g.integer(0) },
		func() string {
			return "(" + g.integer(d) + g.of(" + ", " - ", " * ", " / ", " % ") + g.integer(d) + ")"
		},
		func() string { return "-(" + g.integer(d) + ")" },
		func() string { return "size(" + g.text(d) + ")" },
		func() string { return g.textList(d) + ".size()" },
		func() string { return "int(" + g.double(d) + ")" },
		func() string { return "int(" + g.timestamp(d) + ")" },
		func() string { return "(" + g.boolean(d) + " ? " + g.integer(d) + " : " + g.integer(d) + ")" },
		func() string { return g.of("hour(", "minute(", "weekday(") + g.timestamp(d) + ")" },
		func() string {
			return g.timestamp(d) + g.of(".getFullYear()", ".getMonth()", ".getDate()", ".getDayOfMonth()", ".getDayOfWeek()",
				".getDayOfYear()", ".getHours()", ".getMinutes()", ".getSeconds()")
		},
		func() string { return "bucket(" + g.text(d) + ", " + g.text(d) + ", " + g.integer(d) + ")" },
		func() string { return "bucket(" + g.integer(d) + ", 'salt', 100)" },
		func() string { return g.intList() + "[" + g.integer(d) + "]" },
	)
}

func (g *generator) double(depth int) string {
	if depth == 0 {
		return g.of("0.0", "1.5", "-2.25", "1e308", "9223372036854775807.0", "-9223372036854775808.0")
	}
	d := depth - 1
	return g.pick(
		func() string { return g.double(0) },
		func() string { return "double(" + g.integer(d) + ")" },
		func() string { return "(" + g.double(d) + g.of(" + ", " - ", " * ", " / ") + g.double(d) + ")" },
		func() string { return "-(" + g.double(d) + ")" },
	)
}

func (g *generator) word() string {
	return g.of("''", "'a'", "'web'", "'B'", "'é'", "'US'", "'12'", "'DISCOUNT'")
}

func (g *generator) text(depth int) string {
	if depth == 0 {
		return g.pick(
			g.word,
			func() string { return g.variable(cel.StringType, "'a'") },
			func() string { return g.of(append([]string{"'b'"}, g.texts...)...) },
		)
	}
	d := depth - 1
	return g.pick(
		func() string { return g.text(0) },
		func() string { return "(" + g.text(d) + " + " + g.text(d) + ")" },
		func() string { return g.text(d) + g.of(".lowerAscii()", ".upperAscii()") },
		func() string { return "string(" + g.integer(d) + ")" },
		func() string { return "(" + g.boolean(d) + " ? " + g.text(d) + " : " + g.text(d) + ")" },
		func() string { return g.textList(d) + "[" + g.integer(d) + "]" },
		func() string { return "date(" + g.timestamp(d) + ")" },
	)
}

func (g *generator) textList(depth int) string {
	return g.pick(
		func() string { return g.variable(cel.ListType(cel.StringType), "['a']") },
		func() string { return "['a', 'B', 'web']" },
		func() string { return "['1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', '12', 'é']" },
		func() string {
			list := g.variable(cel.ListType(cel.StringType), "['b']")
			if depth == 0 {
				return list
			}
			return "(" + g.boolean(depth-1) + " ? " + list + " : ['c'])"
		},
	)
}

func (g *generator) intList() string {
	var numbers []string
	for range rapid.IntRange(1, 12).Draw(g.T, "numbers") {
		numbers = append(numbers, g.number())
	}
	return "[" + strings.Join(numbers, ", ") + "]"
}

func (g *generator) timestamp(depth int) string {
	if depth == 0 {
		return g.pick(
			func() string { return g.variable(cel.TimestampType, "timestamp('2026-11-11T10:00:00Z')") },
			func() string {
				return "timestamp('" + g.of("0001-01-01T00:00:00Z", "1677-09-21T00:12:43.145224192Z", "2026-11-01T05:59:59.999999999Z",
					"2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:15Z", "9999-12-31T23:59:59.999999999Z") + "')"
			},
		)
	}
	d := depth - 1
	return g.pick(
		func() string { return g.timestamp(0) },
		func() string { return "(" + g.timestamp(d) + g.of(" + ", " - ") + g.duration(d) + ")" },
		func() string { return "(" + g.duration(d) + " + " + g.timestamp(d) + ")" },
		func() string { return "(" + g.boolean(d) + " ? " + g.timestamp(d) + " : " + g.timestamp(d) + ")" },
	)
}

func (g *generator) duration(depth int) string {
	if depth == 0 {
		return "duration('" + g.of("0s", "1ns", "-90m", "1h30m", "2562047h47m16.854775807s", "-2562047h47m16s") + "')"
	}
	d := depth - 1
	return g.pick(
		func() string { return g.duration(0) },
		func() string { return "(" + g.duration(d) + g.of(" + ", " - ") + g.duration(d) + ")" },
		func() string { return "(" + g.timestamp(d) + " - " + g.timestamp(d) + ")" },
		func() string { return "time_of_day(" + g.timestamp(d) + ")" },
		func() string { return "(" + g.boolean(d) + " ? " + g.duration(d) + " : " + g.duration(d) + ")" },
	)
}

func (g *generator) day() string {
	return g.of("'2026-11-11'", "'2026-11-01'", "'0001-01-01'", "'9999-12-31'", "'2026-1-1'", "'2026-13-01'", "''", "'x'", "'1970-01-01'")
}

func drawInt(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.SampledFrom([]int64{0, 1, -1, 2, 3, 100, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, math.MaxUint32, math.MaxUint32 + 1}),
		rapid.Int64(),
	).Draw(t, "int")
}

func drawInstant(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.SampledFrom([]int64{facts.Always, facts.Never, facts.Always + 1, facts.Never - 1, 0, -1, 1793512799999999999}),
		rapid.Int64(),
	).Draw(t, "instant")
}

func drawText(t *rapid.T) string {
	return rapid.OneOf(rapid.SampledFrom([]string{"", "a", "web", "B", "é", "US", "12", "ab9"}), rapid.StringN(0, 4, -1)).Draw(t, "text")
}

func drawTexts(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.Custom(drawText), 0, 4).Draw(t, "texts")
}

// maybe is nil now and then.
func maybe[T any](t *rapid.T, draw func() *T) *T {
	if rapid.IntRange(0, 5).Draw(t, "missing") == 0 {
		return nil
	}
	return draw()
}

func drawInput(t *rapid.T) *Input {
	flag := func() bool { return rapid.Bool().Draw(t, "flag") }
	return &Input{
		Promo: maybe(t, func() *facts.Promo {
			return &facts.Promo{
				ID: drawInt(t), Type: 3, SoldOut: flag(), PreTax: drawInt(t), PostTax: facts.NoPrice, Start: drawInstant(t), End: drawInstant(t),
				Stock: drawInt(t), PurchaseLimit: 2, Audience: drawText(t), SessionID: drawInt(t),
			}
		}),
		PromoType: maybe(t, func() *facts.PriceRuleType {
			return &facts.PriceRuleType{ID: 3, Name: drawText(t), Priority: math.MaxInt32, Original: flag()}
		}),
		PromoPrice: drawInt(t),
		Model:      maybe(t, func() *facts.Model { return &facts.Model{ID: drawInt(t)} }),
		Item: maybe(t, func() *facts.Item {
			return &facts.Item{ID: drawInt(t), Name: drawText(t), Brand: drawText(t), Categories: drawTexts(t), Labels: drawTexts(t)}
		}),
		User: maybe(t, func() *facts.User { return &facts.User{ID: drawInt(t), Segments: drawTexts(t)} }),
		Request: maybe(t, func() *facts.Request {
			return &facts.Request{Region: "US", Scene: drawText(t), At: drawInstant(t), OrderFlow: flag(), Platform: drawText(t), AdsID: drawInt(t)}
		}),
		Voucher: maybe(t, func() *facts.Voucher {
			return &facts.Voucher{
				ID: drawInt(t), Name: drawText(t), Layer: facts.Layer(rapid.IntRange(0, 2).Draw(t, "layer")),
				RewardType: int32(rapid.IntRange(-1, 15).Draw(t, "reward")), Kind: facts.DiscountKind(rapid.IntRange(0, 3).Draw(t, "kind")),
				Hidden: flag(), UserCondition: drawText(t), Value: drawInt(t), Start: drawInstant(t), End: drawInstant(t),
			}
		}),
		LiveStream: maybe(t, func() *facts.LiveStream { return &facts.LiveStream{Ongoing: flag(), AutoEnable: flag()} }),
		Zone: maybe(t, func() *time.Location {
			return rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("east", 14*3600), time.FixedZone("west", -12*3600), newYork()}).Draw(t, "zone")
		}),
	}
}

// newYork has daylight saving; tests must have the zone.
func newYork() *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	return zone
}
