package rules_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/rules"
)

func TestExpressionsOverMessagesHoldOrTellWhatDecided(t *testing.T) {
	env := rules.NewMessages(map[string]proto.Message{"response": &pricingv1.GetPromotionInfoResponse{}})
	values := map[string]any{"response": &pricingv1.GetPromotionInfoResponse{
		Currency: "USD", Accurate: proto.Bool(false),
		Items: []*pricingv1.Item{{ItemId: 1, Status: pricingv1.Status_STATUS_OK}, {ItemId: 2, Status: pricingv1.Status_STATUS_NOT_FOUND}},
	}}
	for expr, want := range map[string]string{
		"response.currency == 'USD'":                                    "true",
		"response.items.exists(i, i.status == Status.STATUS_NOT_FOUND)": "true",
		"has(response.accurate) && !has(response.totals)":               "true",
		"sets.contains([1, 2], response.items.map(i, i.item_id))":       "true",
		"response.currency == 'EUR' && response.accurate":               "false response.currency",
		"response.items[0].item_id == 1 && response.accurate":           "false response.accurate",
		"size(response.items) > 2 + 3":                                  "false size(response.items) response.items",
		"response.items[7].item_id == 1":                                "error response.items",
	} {
		a, problems := env.Compile(expr)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", expr, problems)
		}
		held, err := a.Holds(values)
		got := []string{map[bool]string{true: "true", false: "false"}[held]}
		if err != nil {
			got[0] = "error"
		}
		if !held {
			for _, o := range a.Explain(values) {
				got = append(got, o.Text)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", expr, got, want)
		}
	}
}

func TestExpressionsOverMessagesAreBounded(t *testing.T) {
	env := rules.NewMessages(map[string]proto.Message{"response": &pricingv1.GetPromotionInfoResponse{}})
	a, problems := env.Compile("response.items.all(a, response.items.all(b, response.items.all(c, a.item_id + b.item_id + c.item_id > 0)))")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	many := &pricingv1.GetPromotionInfoResponse{}
	for range 2000 {
		many.Items = append(many.Items, &pricingv1.Item{ItemId: 1})
	}
	if _, err := a.Holds(map[string]any{"response": many}); err == nil {
		t.Error("eight billion steps are taken")
	}
	deep := strings.Repeat("response.items.all(x, ", 4) + "true" + strings.Repeat(")", 4)
	if _, problems := env.Compile(deep); len(problems) != 1 || problems[0].Code != rules.CodeCost {
		t.Errorf("got %v", problems)
	}
}

func TestWrongExpressionsOverMessagesSayWhatIsWrong(t *testing.T) {
	env := rules.NewMessages(map[string]proto.Message{"response": &pricingv1.GetPromotionInfoResponse{}})
	for expr, want := range map[string]string{
		"response.items.item_id == 1":                       "a list has no field item_id",
		"dyn(response.currency) == 1":                       "unknown function dyn",
		"type(response.currency) == string":                 "unknown function type",
		"response.item[0].item_id == 1":                     "unknown field item of GetPromotionInfoResponse",
		"response.items.exists(i, i.items.size() > 0)":      "unknown field items of Item",
		"response.items.filter(i, true)[0].models.tax":      "a list has no field tax",
		"response.items[0].status == 'OK'":                  "a value of Status is no text here",
		"response.items[0].status == Status.STATUS_FINE":    "unknown value STATUS_FINE of Status",
		"Item{item_id: 1} == response.items[0]":             "messages cannot be made here",
		"response.items.map(i, i.item_id)":                  "an expression of type bool is needed",
		"response.items.all(i, i.item_id == 1) && i == 'x'": "unknown name i",
	} {
		a, problems := env.Compile(expr)
		if a != nil || len(problems) == 0 || !strings.HasPrefix(problems[0].Message, want) {
			t.Errorf("%s: got %v, want %s", expr, problems, want)
		}
	}
}
