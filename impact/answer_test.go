package impact

import (
	"errors"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"proscenium/fault"
	configv1 "proscenium/gen/proscenium/config/v1"
)

func TestAnErrorIsARefusalOnlyWhereItIsAboutTheRequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		err     error
		refused string // reason; empty: it is no answer
	}{
		{"a wrong request", fault.Invalid("user_id", "USER_REQUIRED", "give it"), "USER_REQUIRED"},
		{"a scene that is not there", fault.New(fault.NotFound, "SCENE_NOT_FOUND", "none"), "SCENE_NOT_FOUND"},
		{"a dependency that is away", fault.New(fault.Unavailable, "DEPENDENCY_FAILED", "gone"), ""},
		{"a bug", errors.New("bug"), ""},
	} {
		a := answerOf(nil, c.err)
		if got := refusalReason(a); got != c.refused || (a.Err == nil) != (c.refused != "") {
			t.Errorf("%s: refused with %q, error %v", c.name, got, a.Err)
		}
	}
}

func TestAnErrorOfACallIsARefusalOnlyWhereTheServerSaysWhy(t *testing.T) {
	said := func(code connect.Code, reason string) error {
		e := connect.NewError(code, errors.New("no"))
		if reason == "" {
			return e
		}
		detail, err := connect.NewErrorDetail(&errdetails.ErrorInfo{Reason: reason})
		if err != nil {
			t.Fatal(err)
		}
		e.AddDetail(detail)
		return e
	}
	for _, c := range []struct {
		name    string
		err     error
		refused string
		message string // of the error
	}{
		{"a wrong request", said(connect.CodeInvalidArgument, "USER_REQUIRED"), "USER_REQUIRED", ""},
		{"a scene of another client", said(connect.CodePermissionDenied, "SCENE_NOT_ALLOWED"), "SCENE_NOT_ALLOWED", ""},
		{"a key that is not known", said(connect.CodePermissionDenied, "CREDENTIAL_UNKNOWN"), "", "CREDENTIAL_UNKNOWN: no"},
		{"something else on the port", said(connect.CodeNotFound, ""), "", "not_found: no"},
		{"a dependency that is away", said(connect.CodeUnavailable, "DEPENDENCY_FAILED"), "", "DEPENDENCY_FAILED: no"},
		{"no connection", errors.New("refused"), "", "refused"},
	} {
		a := refusedBy(c.err)
		message := ""
		if a.Err != nil {
			message = a.Err.Error()
		}
		if got := refusalReason(a); got != c.refused || message != c.message {
			t.Errorf("%s: refused with %q, error %q", c.name, got, message)
		}
	}
}

func refusalReason(a Answer) string {
	if a.Refused == nil {
		return ""
	}
	return a.Refused.Reason
}

func TestTheCatalogAnswersWhereNoServiceIsNamedInAnyRegion(t *testing.T) {
	named := func(name string) *configv1.Provider {
		return &configv1.Provider{Kind: &configv1.Provider_Embedded{Embedded: &configv1.EmbeddedProvider{Name: name}}}
	}
	service := &configv1.Provider{Kind: &configv1.Provider_Connect{Connect: &configv1.ConnectProvider{}}}
	for _, c := range []struct {
		name string
		d    *configv1.Dependency
		want bool
	}{
		{"nothing", &configv1.Dependency{}, true},
		{"the embedded provider", &configv1.Dependency{Provider: named("")}, true},
		{"an embedded provider of another name", &configv1.Dependency{Provider: named("mine")}, false},
		{"a service", &configv1.Dependency{Provider: service}, false},
		{"a service in one region", &configv1.Dependency{Provider: named(""), Regions: map[string]*configv1.Provider{"US": service, "JP": named("")}}, false},
		{"the embedded provider in a region", &configv1.Dependency{Regions: map[string]*configv1.Provider{"US": named("")}}, true},
	} {
		if got := embedded(c.d); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
