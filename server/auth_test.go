package server

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"proscenium/fault"
	"proscenium/scenes"
)

func TestCredentials(t *testing.T) {
	hash := func(key string) [32]byte { return sha256.Sum256([]byte(key)) }
	credentials := []Credential{
		{ID: "shop_key", SHA256: hash("sesame")},
		{ID: "old_key", SHA256: hash("former-sesame"), Expires: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)},
		{ID: "stray", SHA256: hash("stray-sesame")},
	}
	type header = http.Header
	bearer := func(key string) header { return header{"Authorization": {"Bearer " + key}} }
	refused := func(code connect.Code, reason string) refusal { return refusal{Code: code, Reason: reason} }
	for _, c := range []struct {
		name       string
		required   bool
		header     header
		wantClient string
		want       refusal
	}{
		{"open, no key", false, nil, "", refusal{}},
		{"open, acting as a client", false, header{ClientHeader: {"shop"}}, "shop", refusal{}},
		{"open, acting as nobody known", false, header{ClientHeader: {"ship"}}, "", refused(connect.CodeInvalidArgument, "CLIENT_UNKNOWN")},
		{"open, the right key", false, bearer("sesame"), "shop", refusal{}},
		{"open, a wrong key", false, bearer("sesam"), "", refused(connect.CodeUnauthenticated, "CREDENTIAL_UNKNOWN")},
		{"required, no key", true, nil, "", refused(connect.CodeUnauthenticated, "CREDENTIAL_REQUIRED")},
		{"required, acting as a client", true, header{ClientHeader: {"shop"}}, "", refused(connect.CodeUnauthenticated, "CREDENTIAL_REQUIRED")},
		{"required, the right key", true, bearer("sesame"), "shop", refusal{}},
		{"required, the right key, lower-case scheme", true, header{"Authorization": {"bearer sesame"}}, "shop", refusal{}},
		{"required, another scheme", true, header{"Authorization": {"Basic sesame"}}, "", refused(connect.CodeUnauthenticated, "CREDENTIAL_MALFORMED")},
		{"required, an empty key", true, header{"Authorization": {"Bearer "}}, "", refused(connect.CodeUnauthenticated, "CREDENTIAL_MALFORMED")},
		{"required, the hash instead of the key", true, bearer("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"), "", refused(connect.CodeUnauthenticated, "CREDENTIAL_UNKNOWN")},
		{"required, a key that has just expired", true, bearer("former-sesame"), "", refused(connect.CodeUnauthenticated, "CREDENTIAL_EXPIRED")},
		{"required, a key of no client", true, bearer("stray-sesame"), "", refused(connect.CodePermissionDenied, "CREDENTIAL_WITHOUT_CLIENT")},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start(t, &pricer{price: echo}, func(d *Deps) { d.Access = Access{Required: c.required, Credentials: credentials} })
			for name, client := range clients(t, f.url) {
				t.Run(name, func(t *testing.T) {
					req := connect.NewRequest(request(nil))
					for key, values := range c.header {
						req.Header().Set(key, values[0])
					}
					res, err := client.GetPromotionInfo(t.Context(), req)
					if err != nil {
						if diff := cmp.Diff(c.want, refusalOf(t, err)); diff != "" {
							t.Errorf("%v (-want +got):\n%s", err, diff)
						}
						return
					}
					if c.want.Reason != "" || res.Msg.GetCurrency() != c.wantClient {
						t.Errorf("answered as client %q; want %q, %v", res.Msg.GetCurrency(), c.wantClient, c.want)
					}
				})
			}
			_, key, _ := strings.Cut(c.header.Get("Authorization"), " ")
			if key != "" && strings.Contains(f.log.String(), key) {
				t.Errorf("the log shows a key:\n%s", f.log.String())
			}
		})
	}
}

func TestAKeyFollowsItsClientThroughReloads(t *testing.T) {
	p := &pricer{price: echo}
	auth, err := newAuthenticator(Access{Required: true, Credentials: []Credential{{ID: "shop_key", SHA256: sha256.Sum256([]byte("sesame"))}}}, time.Now, p.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer sesame"}}
	if _, err := auth.caller(header); fault.Reason(err) != "CREDENTIAL_WITHOUT_CLIENT" {
		t.Errorf("before the first configuration: %v", err)
	}
	for _, name := range []string{"shop", "mall"} {
		p.snap = &scenes.Snapshot{Clients: map[string]*scenes.Client{name: {Name: name, CredentialIDs: []string{"shop_key"}}}}
		if caller, err := auth.caller(header); err != nil || caller.Client != name {
			t.Errorf("client %q, %v; want %q", caller.Client, err, name)
		}
	}
}

func TestCredentialsThatContradictEachOtherAreRefused(t *testing.T) {
	for name, credentials := range map[string][]Credential{
		"no id":         {{SHA256: [32]byte{1}}},
		"one id twice":  {{ID: "a", SHA256: [32]byte{1}}, {ID: "a", SHA256: [32]byte{2}}},
		"one key twice": {{ID: "a", SHA256: [32]byte{1}}, {ID: "b", SHA256: [32]byte{1}}},
	} {
		if _, err := newAuthenticator(Access{Credentials: credentials}, time.Now, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
