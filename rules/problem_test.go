package rules

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// found is a problem as a reader sees it: the token under the caret instead of numbers.
type found struct{ Code, Token, Message, Hint string }

func findProblems(t *testing.T, place Place, expr string) []found {
	t.Helper()
	rule, problems := Compile(place, expr)
	if (rule == nil) != (len(problems) > 0) {
		t.Fatalf("%q: rule %v with problems %v", expr, rule, problems)
	}
	var all []found
	for _, p := range problems {
		inPlainWords(t, p)
		token := ""
		if expr != "" {
			token = expr[p.Offset : p.Offset+p.Length]
		}
		all = append(all, found{p.Code, token, p.Message, p.Hint})
	}
	return all
}

// inPlainWords wants a remedy, and none of the words in which a grammar or a type checker speaks.
func inPlainWords(t *testing.T, p Problem) {
	t.Helper()
	if p.Hint == "" {
		t.Errorf("there is no hint: %+v", p)
	}
	for _, word := range []string{"expecting", "overload", "mismatched", "extraneous", "viable", "_==_", "_&&_", "Syntax error", "undeclared", "identifier", "literal", "does not fit together"} {
		if strings.Contains(p.Message+p.Hint, word) {
			t.Errorf("%q is no word for who edits configuration: %+v", word, p)
		}
	}
}

func TestProblemsNameThePlaceAndTheRemedy(t *testing.T) {
	const roots = "there are promo, model, item, user and request"
	tests := []struct {
		name, expr string
		want       []found
	}{
		// Names.
		{"a misspelt field", `promo.prise > 3 && size( item . labels ) == 2`, []found{
			{CodeUnknownName, "prise", "unknown field prise of promo", "did you mean promo.price?"},
		}},
		{"a field that is like no other lists what there is", `model.colour_of_the_box == 'red'`, []found{
			{CodeUnknownName, "colour_of_the_box", "unknown field colour_of_the_box of model", "model has id"},
		}},
		{"a text without quotes", `promo.type == flash_sale`, []found{
			{CodeUnknownName, "flash_sale", "unknown name flash_sale", "write 'flash_sale' if it is a text; " + roots},
		}},
		{"true and null of other languages", `promo.sold_out == True || promo.type == None`, []found{
			{CodeUnknownName, "True", "unknown name True", "write true"},
			{CodeUnknownName, "None", "unknown name None", "nothing is null: compare with the empty value, such as '' or 0"},
		}},
		{"a duration that is none", `promo.end_time - request.time < 6h`, []found{
			{CodeSyntax, "6h", "unexpected 6h", "write duration('6h')"},
		}},
		{"misspelt roots, all of them", `promo.price > 3 && prmo.price < 2 || itm.labels == []`, []found{
			{CodeUnknownName, "prmo", "unknown name prmo", "did you mean promo.price?"},
			{CodeUnknownName, "itm", "unknown name itm", "did you mean item.labels?"},
		}},
		{"a field without its root", `price > 3`, []found{{CodeUnknownName, "price", "unknown name price", "did you mean promo.price?"}}},
		{"a root without a field", `promo == 1`, []found{
			{CodeUnknownName, "promo", "promo is not a value: name one of its fields", "such as promo.id"},
		}},
		{"a variable of another place", `voucher.id == 3`, []found{{CodeNotAvailable, "voucher", "voucher is not available in promo_rule", roots}}},
		{"a field of another place", `'x' in user.segments`, []found{
			{CodeNotAvailable, "segments", "user.segments is not available in promo_rule", "it is in voucher_applies_when, voucher_user_condition and eligibility"},
		}},
		{"names inside of loops, lists and arguments", `item.labels.all(x, x == promo.nme) && 'a' in [item.brnd] && hour(request.tme) > 1`, []found{
			{CodeUnknownName, "nme", "unknown field nme of promo", "promo has id, type, type_id, priority, price, pre_tax_price, post_tax_price, start_time, end_time, sold_out, stock, purchase_limit, audience, session_id, streamer_id and is_original"},
			{CodeUnknownName, "brnd", "unknown field brnd of item", "did you mean item.brand?"},
			{CodeUnknownName, "tme", "unknown field tme of request", "did you mean request.time?"},
		}},
		{"an iteration variable outside of its loop", `item.labels.exists(x, x == 'a') && x == 'b'`, []found{{CodeUnknownName, "x", "unknown name x", roots}}},
		{"an iteration variable that hides variables", `item.labels.exists(item, item == 'x')`, []found{
			{CodeUnknownName, "exists", "the iteration variable item hides the variables of item", "give it another name, such as x"},
		}},
		{"types are not values", `promo.id == int`, []found{{CodeUnknownName, "int", "unknown name int", "write 'int' if it is a text; " + roots}}},
		{"messages", `google.protobuf.Int64Value{value: 1} == 1`, []found{{CodeUnknownName, "{", "messages cannot be made here", "use variables, texts, numbers and lists"}}},

		// Functions.
		{"unknown functions, called both ways", `foo(1) + promo.price.bar(2) > 0`, []found{
			{CodeUnknownName, "foo", "unknown function foo", "proscenium eval --variables --place promo_rule lists what there is"},
			{CodeUnknownName, "bar", "unknown function bar", "proscenium eval --variables --place promo_rule lists what there is"},
		}},
		{"a misspelt function", `item.name.startWith('a')`, []found{{CodeUnknownName, "startWith", "unknown function startWith", "did you mean startsWith?"}}},
		{"a misspelt macro, once", `item.labels.exist (x, x == 'a')`, []found{{CodeUnknownName, "exist", "unknown function exist", "did you mean exists?"}}},
		{"a macro called as a function", `exists(item.labels, x, x == 'a')`, []found{
			{CodeUnknownName, "exists", "exists is not called like this", "write it as in item.labels.exists(x, x == 'a')"},
		}},
		{"a misspelt namespace", `set.contains(item.labels, ['a'])`, []found{{CodeUnknownName, "set", "unknown function set.contains", "did you mean sets.contains?"}}},
		{"habits of other languages", `len(item.labels) > 0`, []found{{CodeUnknownName, "len", "unknown function len", "use size"}}},
		{"presence", `has(promo.price)`, []found{
			{CodeUnknownName, "has", "unknown function has", "every variable is there: compare it with its empty value, such as '' or 0"},
		}},
		{"dynamic types", `dyn(1) == 1`, []found{{CodeUnknownName, "dyn", "unknown function dyn", "types are fixed here: convert with int, double or string"}}},

		// Types.
		{"operands of two types, in two lines, after other characters than ASCII", "'é' == promo.price ||\n  'ü' == promo . price", []found{
			{CodeType, "==", "no operator == for string and int", "write the number without quotes, or convert: string(x)"},
			{CodeType, "==", "no operator == for string and int", "write the number without quotes, or convert: string(x)"},
		}},
		{"names and types together", `promo.price > 1.5 && promo.end > request.time`, []found{
			{CodeType, ">", "no operator > for int and double", "amounts are in minor units: 5.99 is 599; convert other numbers: double(x), int(x)"},
			{CodeUnknownName, "end", "unknown field end of promo", "did you mean promo.end_time?"},
		}},
		{"an operand that is no condition", `promo.price && true`, []found{
			{CodeType, "promo.price", "bool is needed here, this is int", "write true or false without quotes, or compare the value first"},
		}},
		{"a field of a number", `promo.price.x == 1`, []found{{CodeType, "x", "int has no fields", "take the point and what follows it away; only names of variables have points"}}},
		{"a function of another type", `promo.price.startsWith('a')`, []found{
			{CodeType, "startsWith", "int has no startsWith(string)", "there is string.startsWith(string) -> bool"},
		}},
		{"a function of a list", `item.labels.contains('a')`, []found{
			{CodeType, "contains", "list(string) has no contains(string)", "there is string.contains(string) -> bool"},
		}},
		{"an argument of another type", `hour(1) == 2`, []found{{CodeType, "hour", "there is no hour(int)", "there is hour(timestamp) -> int"}}},
		{"a time as text", `request.time > '2026-11-11'`, []found{
			{CodeType, ">", "no operator > for timestamp and string", "write timestamp('2026-11-11T00:00:00Z'), or compare date(x) with '2026-11-11'"},
		}},
		{"in for texts", `'a' in item.name`, []found{{CodeType, "in", "string cannot be in string", "for a part of a text use text.contains(part)"}}},
		{"a list and its element", `item.labels == 'a'`, []found{
			{CodeType, "==", "no operator == for list(string) and string", "for an element of a list use x in list"},
		}},
		{"a list of two types", `item.id in [1, 'a']`, []found{{CodeType, "'a'", "int is needed here, this is string", "write the number without quotes, or convert: string(x)"}}},
		{"a condition with two types", `promo.sold_out ? 1 : 'a'`, []found{{CodeType, "?", "? : needs a bool and two values of one type, not bool, int and string", "write condition ? a : b, with a and b of one type"}}},
		{"an index of another type", `item.labels['a'] == 'b'`, []found{{CodeType, "[", "list(string) has no element [string]", "elements of a list have numbers from 0, as in item.labels[0]; for a value in it use value in list"}}},
		{"a loop over a number", `item.id.exists(x, x == 1)`, []found{{CodeType, "item.id", "int has no elements: a list is needed", "loop over a list, such as item.labels or [1, 2]"}}},
		{"a result of another type", ` promo.price `, []found{
			{CodeResultType, "promo.price", "promo_rule needs an expression of type bool, this one is of type int", "compare the number with something: == 1, or > 0"},
		}},

		// Values.
		{"a wrong pattern", `item.name.matches('(abc')`, []found{
			{CodeValue, "'(abc'", "the pattern is wrong: missing closing ): `(abc`", "the syntax is that of RE2; write patterns as r'…' so that a backslash is one"},
		}},
		{"a pattern that is long only when it runs", `item.name.matches('(a{100}b){9}')`, []found{
			{CodeCost, "'(a{100}b){9}'", "the pattern compiles to 929 steps, more than 500", "repeat less: x{1000} is a thousand steps"},
		}},
		{"a pattern that is not known yet", `item.name.matches(item.brand)`, []found{
			{CodeValue, "item.brand", "the pattern of matches is not a constant", "write it as a text, or use contains"},
		}},
		{"a wrong duration", `duration('abc') < duration('1s')`, []found{{CodeValue, "'abc'", "'abc' is not a duration", "such as duration('90s') or duration('1h30m')"}}},
		{"a wrong timestamp", `timestamp('2026') < request.time`, []found{
			{CodeValue, "'2026'", "'2026' is not a timestamp", "such as timestamp('2026-11-11T00:00:00Z')"},
		}},

		// Cost.
		{"loops inside each other", `item.labels.exists(l, item.categories.exists(c, c == l))`, []found{{
			CodeCost, `item.labels.exists(l, item.categories.exists(c, c == l))`,
			"the expression may cost 518002, more than the 100000 that promo_rule allows",
			"avoid loops within loops, and sets of two variables; write the shorter list as a constant",
		}}},
		{"too many loops inside each other", `[1].all(a, [1].all(b, [1].all(c, [1].all(d, a + b + c + d > 0))))`, []found{
			{CodeCost, "all", "more than 3 loops inside each other", "write x in list instead of the innermost loop"},
		}},

		// Syntax.
		{"nothing", ``, []found{{CodeSyntax, "", "the expression is empty", "write an expression, or leave the field out"}}},
		{"a comment only", ` // later`, []found{{CodeSyntax, " // later", "the expression is empty", "write an expression, or leave the field out"}}},
		{"half an expression", "promo.price >\n", []found{{CodeSyntax, ">", "the expression ends too early", "write what is to follow >, or take it out"}}},
		{"a missing parenthesis", `((promo.sold_out)`, []found{{CodeSyntax, ")", "the expression ends without )", "write ) where it belongs"}}},
		{"one equals sign", `'ü' = item.name`, []found{{CodeSyntax, "=", "unknown sign =", "use == to compare"}}},
		{"and in words", `promo.sold_out and true`, []found{{CodeSyntax, "and", "unexpected and", "use &&"}}},
		{"a string without an end", "item.name == 'abc", []found{
			{CodeSyntax, "'abc", "the string has no end, or an unknown escape", `end it with the quote that it begins with; write \\ for a backslash`},
		}},
		{"a number that is too large", `promo.id < 99999999999999999999`, []found{{CodeSyntax, "99999999999999999999", "the number 99999999999999999999 is too large", "whole numbers go to 9223372036854775807"}}},
		{"a loop without a name", `item.labels.exists(1, true)`, []found{{CodeSyntax, "1", "the first argument of a loop is a name", "such as x, in item.labels.exists(x, x == 'a')"}}},
		{"a bracket that is not closed", `item.id in [1, 2`, []found{{CodeSyntax, "2", "the expression ends without ]", "write ] where it belongs"}}},
		{"a bracket too many", `(promo.sold_out))`, []found{{CodeSyntax, ")", "unexpected )", "take it out, or open it before"}}},
		{"two values side by side", `promo.sold_out promo.price > 1`, []found{
			{CodeSyntax, "promo", "unexpected promo", "write an operator between sold_out and promo, such as == or &&, or take one of them out"},
		}},
		{"two operators side by side", `promo.price > < 1`, []found{
			{CodeSyntax, "<", "unexpected <", "something is missing between > and <, or one of them is too much"},
		}},
		{"an operator at the beginning", `&& promo.sold_out`, []found{
			{CodeSyntax, "&&", "unexpected &&", "an expression begins with a variable, a text in quotes, a number, ! or ("},
		}},
		{"a word of the language", `promo.sold_out && while`, []found{
			{CodeSyntax, "while", "while is a word of the language and names nothing", "quote it if it is a text, or use another name"},
		}},
		{"a number of the wrong kind", `item.id in ['1']`, []found{
			{CodeType, "in", "int cannot be in list(string)", "the list has elements of type string: write the number without quotes, or convert: string(x)"},
		}},
		{"not, of a number", `!promo.price == 1`, []found{
			{CodeType, "!", "no operator ! for int", "! takes a condition; put parentheses around a comparison: !(a == b)"},
		}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, findProblems(t, PromoRule, c.expr)); diff != "" {
				t.Errorf("%s\n(-want +got)\n%s", c.expr, diff)
			}
		})
	}
}

func TestProblemsOfOtherPlaces(t *testing.T) {
	tests := []struct {
		name  string
		place Place
		expr  string
		want  []found
	}{
		{"a value that a closed set does not have", VoucherPool, `voucher.reward_type == 'DISCONT' || voucher.type in ['SHOP_VOUCHER', 'BANK']`, []found{
			{CodeValue, "'DISCONT'", "voucher.reward_type is never 'DISCONT'", "did you mean 'DISCOUNT'?"},
			{CodeValue, "'BANK'", "voucher.type is never 'BANK'", "it is one of SHOP_VOUCHER, PLATFORM_VOUCHER"},
		}},
		{"the case of a value", VoucherPool, `'new_price' == voucher.discount_kind`, []found{
			{CodeValue, "'new_price'", "voucher.discount_kind is never 'new_price'", "did you mean 'NEW_PRICE'?"},
		}},
		{"the item of a pool", VoucherPool, `item.id == 1`, []found{{CodeNotAvailable, "item", "item is not available in voucher_pool", "there is only voucher"}}},
		{"a unit that is a condition", ExperimentUnit, `user.logged_in`, []found{{
			CodeResultType, "user.logged_in", "experiment_unit needs an expression of type string or int, this one is of type bool",
			"choose what is the same whenever the unit is, such as user.id",
		}}},
		{"a key that is a condition", LimitKey, `user.id > 0`, []found{{
			CodeResultType, "user.id > 0", "limit_key needs an expression of type string or int, this one is of type bool", "choose what is counted apart, such as string(user.id)",
		}}},
		{"the segments in a key", LimitKey, `user.segments[0]`, []found{{
			CodeNotAvailable, "segments", "user.segments is not available in limit_key", "it is in voucher_applies_when, voucher_user_condition and eligibility",
		}}},
		{"segments that cross", VoucherUserCondition, `user.segments.all(a, user.segments.exists(b, a == b))`, []found{{
			CodeCost, "user.segments.all(a, user.segments.exists(b, a == b))", "the expression may cost 16005002, more than the 100000 that voucher_user_condition allows",
			"avoid loops within loops, and sets of two variables; write the shorter list as a constant",
		}}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, findProblems(t, c.place, c.expr)); diff != "" {
				t.Errorf("%s\n(-want +got)\n%s", c.expr, diff)
			}
		})
	}
}

func TestOffsetsAreBytes(t *testing.T) {
	for _, c := range []struct {
		name, expr     string
		offset, length int
	}{
		{"after characters of two, three and four bytes", `'é€🎁' == item.nam`, len(`'é€🎁' == item.`), len("nam")},
		{"in the second line", "item.name == 'é' ||\r\n\titem.nam == 'a'", len("item.name == 'é' ||\r\n\titem."), len("nam")},
		{"in a string with a line break", "item.name == '''é\né''' || 1", len("item.name == '''é\né''' || "), 1},
		{"after a comment", "true && // é comment with item.nam\n item.nam == ''", len("true && // é comment with item.nam\n item."), len("nam")},
		{"of a sign of more bytes than one", "true && €", len("true && "), len("€")},
		{"of a literal with such characters", "item.labels == ['a'] || promo.id in [-1, 'é€']", len("item.labels == ['a'] || promo.id in [-1, "), len("'é€'")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := Compile(PromoRule, c.expr)
			if len(problems) != 1 || problems[0].Offset != c.offset || problems[0].Length != c.length {
				t.Errorf("%q: got %+v, want one problem at %d, length %d", c.expr, problems, c.offset, c.length)
			}
		})
	}
}

func TestWhatNoParserShouldSee(t *testing.T) {
	long := strings.Repeat("é", maxLength-2)
	for _, c := range []struct {
		name, expr, code string
		offset           int
	}{
		{"bytes that are no UTF-8", "item.name == 'a\xff'", CodeSyntax, len("item.name == 'a")},
		{"more parentheses than the parser takes", strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), CodeTooLong, 0},
		{"a chain of more operators than it takes", "promo.id" + strings.Repeat("+1", 1900) + " > 0", CodeTooLong, 0},
		{"more characters than the configuration allows", "'" + long + "'x", CodeTooLong, len("'" + long + "'")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := Compile(PromoRule, c.expr)
			if len(problems) != 1 || problems[0].Code != c.code || problems[0].Offset != c.offset {
				t.Errorf("got %+v, want %s at %d", problems, c.code, c.offset)
			}
		})
	}
	if _, problems := Compile(PromoRule, "'"+long+"' == ''"); len(problems) != 1 || problems[0].Code != CodeTooLong {
		t.Errorf("got %+v, want %s", problems, CodeTooLong)
	}
	if _, problems := Compile(0, "true"); len(problems) != 1 || problems[0].Code != CodePlace {
		t.Errorf("a place that does not exist: got %+v, want %s", problems, CodePlace)
	}
}

// FuzzCompile: it never panics, every problem stays inside of the expression, and what compiles runs both ways alike.
func FuzzCompile(f *testing.F) {
	for _, c := range typicalRules() {
		f.Add(byte(c.place-PromoRule), c.expr)
	}
	for _, expr := range []string{
		`promo.prise > 3`, "'é' == promo.price ||\n  'ü' == promo . price", `item.labels.filter(x, x > 'a').map(x, size(x)) == [1]`, `{'a': 1}[item.name] == 1`,
		`'''a` + "\n" + `''' == r"\d" + b'x'`, `1.5e3 / 0.0 > double("NaN")`, `0x1F % 7u == 0u`, `(((`, `]`, `"\u00e9" == '\x41'`, "// only\n", `.promo.price == 1`,
		`promo.type.matches('[')`, `duration('1h') + timestamp('2026-11-11T00:00:00Z') > request.time`, `[[1]] == [[]]`, `a.b.c.d(e.f, 'g')[h]`, "`promo`.price",
	} {
		f.Add(byte(0), expr)
	}
	full, empty := typicalInput(), &Input{}
	f.Fuzz(func(t *testing.T, number byte, expr string) {
		place := PromoRule + Place(number)%lastPlace
		rule, problems := Compile(place, expr)
		for _, p := range problems {
			end := p.Offset + p.Length
			if p.Code == "" || p.Message == "" || p.Hint == "" || p.Offset < 0 || p.Length < 1 || end > max(len(expr), 1) {
				t.Fatalf("%q: %+v is outside of %d bytes", expr, p, len(expr))
			}
			if utf8.ValidString(expr) && (!utf8.ValidString(expr[:p.Offset]) || expr != "" && !utf8.ValidString(expr[p.Offset:end])) {
				t.Fatalf("%q: %+v cuts a character", expr, p)
			}
		}
		if (rule == nil) == (len(problems) == 0) {
			t.Fatalf("%q: rule %v with problems %+v", expr, rule, problems)
		}
		if rule == nil || rule.Interpreted() {
			return
		}
		closures, interpreter := bothWays(t, place, expr)
		compareBoth(t, closures, interpreter, full)
		compareBoth(t, closures, interpreter, empty)
	})
}
