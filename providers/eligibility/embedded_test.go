package eligibility_test

import (
	"context"
	"testing"
	"time"

	"proscenium/catalog/catalogtest"
	"proscenium/engine"
	"proscenium/facts"
	"proscenium/providers/eligibility"
	"proscenium/rules"
	"proscenium/scenes"
)

var tables = map[string]string{
	"users.csv":                "user_id,segments\n5,new_user age_65_plus\n",
	"live_stream_sessions.csv": "session_id,streamer_id,start,end,discount_token\n70,7,1970-01-01T00:00:00Z,1970-01-01T00:01:00Z,secret\n71,7,1970-01-01T00:00:00Z,1970-01-01T00:01:00Z,\n",
}

// check asks about one promotion at a second of 1970.
func check(t *testing.T, command engine.Command, when string, r facts.Request, p facts.Promo, enable bool) bool {
	t.Helper()
	snap := &scenes.Snapshot{EligibilityRules: map[string]*rules.Rule{}}
	if when != "" {
		rule, problems := rules.Compile(rules.Eligibility, when)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		snap.EligibilityRules[command.String()] = rule
	}
	call := &engine.Call{Request: &r, Region: &scenes.Region{Code: "US", Zone: time.UTC}, Snap: snap, EnableOngoingLiveStreams: enable}
	out := make([]bool, 1)
	keys := []engine.EligibilityKey{{Promo: &p, Type: &facts.PriceRuleType{ID: 1, Name: "x"}}}
	if err := eligibility.NewEmbedded(catalogtest.Open(t, tables), command).Query(context.Background(), call, keys, out); err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestWithoutARuleLiveStreamsGoByTokenOrTime(t *testing.T) {
	second := int64(time.Second)
	promo := facts.Promo{PreTax: 5, SessionID: 70, StreamerID: 7}
	watching := facts.Request{UserID: 5, At: second, StreamerID: 7, LiveStreamToken: "secret"}
	with := func(change func(*facts.Request)) facts.Request {
		r := watching
		change(&r)
		return r
	}
	for _, c := range []struct {
		name   string
		r      facts.Request
		p      facts.Promo
		enable bool
		want   bool
	}{
		{"token and streamer", watching, promo, false, true},
		{"a wrong token", with(func(r *facts.Request) { r.LiveStreamToken = "secreT" }), promo, false, false},
		{"a longer token", with(func(r *facts.Request) { r.LiveStreamToken = "secret1" }), promo, false, false},
		{"no token", with(func(r *facts.Request) { r.LiveStreamToken = "" }), promo, false, false},
		{"another streamer", with(func(r *facts.Request) { r.StreamerID = 8 }), promo, false, false},
		{"another session, which has no token", with(func(r *facts.Request) { r.LiveStreamToken = "" }), facts.Promo{PreTax: 5, SessionID: 71, StreamerID: 7}, false, false},
		{"an unknown session", watching, facts.Promo{PreTax: 5, SessionID: 72, StreamerID: 7}, true, false},
		{"enabled for everybody while it is on", facts.Request{UserID: 5, At: 60*second - 1}, promo, true, true},
		{"enabled, but over", facts.Request{UserID: 5, At: 60 * second}, promo, true, false},
		{"on, but not enabled", facts.Request{UserID: 5, At: second}, promo, false, false},
	} {
		if got := check(t, engine.CheckLiveStream, "", c.r, c.p, c.enable); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

func TestWithoutARuleOtherPromotionsAreForNobody(t *testing.T) {
	for _, command := range []engine.Command{engine.CheckExclusivePrice, engine.CheckWelcomePackage} {
		if check(t, command, "", facts.Request{UserID: 5}, facts.Promo{PreTax: 5}, true) {
			t.Errorf("%s: eligible", command)
		}
	}
}

func TestRulesSeePromotionUserAndStream(t *testing.T) {
	for _, c := range []struct {
		name, when string
		command    engine.Command
		r          facts.Request
		p          facts.Promo
		want       bool
	}{
		{"a user of the audience", "promo.audience in user.segments", engine.CheckExclusivePrice, facts.Request{UserID: 5}, facts.Promo{PreTax: 5, Audience: "new_user"}, true},
		{"a user of none", "promo.audience in user.segments", engine.CheckExclusivePrice, facts.Request{UserID: 6}, facts.Promo{PreTax: 5, Audience: "new_user"}, false},
		{"the price that the record has", "promo.price == 45", engine.CheckWelcomePackage, facts.Request{UserID: 5}, facts.Promo{PreTax: facts.NoPrice, PostTax: 45}, true},
		{"the stream", "live_stream.ongoing && live_stream.token_valid", engine.CheckLiveStream, facts.Request{UserID: 5, LiveStreamToken: "secret"}, facts.Promo{PreTax: 5, SessionID: 70}, true},
		{"a rule that fails while it runs", "promo.price / (promo.price - promo.price) == 0", engine.CheckExclusivePrice, facts.Request{UserID: 5}, facts.Promo{PreTax: 5}, false},
	} {
		if got := check(t, c.command, c.when, c.r, c.p, false); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
