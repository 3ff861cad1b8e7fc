package server

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"proscenium/engine"
	"proscenium/engine/policy/shed"
	"proscenium/fault"
	"proscenium/scenes"
)

// ClientHeader names, where access is open, the client to act as.
const ClientHeader = "X-Proscenium-Client"

// Credential is a key that callers may present. The key itself is not known here.
type Credential struct {
	// ID is what the configuration's clients name in credential_ids.
	ID string
	// SHA256 is that of the key.
	SHA256 [sha256.Size]byte
	// Expires ends the credential; zero: never.
	Expires time.Time
}

// Access says who may call.
type Access struct {
	// Required refuses calls without a key. Otherwise such a call may use every scene, or act as the client that [ClientHeader] names.
	// A key that is presented is checked in either case.
	Required    bool
	Credentials []Credential
}

// authenticator finds the client of a call. It is safe for concurrent use.
type authenticator struct {
	required bool
	// Finding a key by its hash takes a time that says nothing about any other key: who does not know a key can't choose its hash.
	byHash   map[[sha256.Size]byte]Credential
	now      func() time.Time
	snapshot func() *scenes.Snapshot
	clients  atomic.Pointer[clientIndex]
}

// clientIndex finds the client of a credential in one snapshot.
type clientIndex struct {
	snap         *scenes.Snapshot
	byCredential map[string]string
	// priorities are the highest that requests of the clients can have.
	priorities map[string]shed.Priority
}

func newAuthenticator(access Access, now func() time.Time, snapshot func() *scenes.Snapshot) (*authenticator, error) {
	a := &authenticator{
		required: access.Required, now: now, snapshot: snapshot,
		byHash: make(map[[sha256.Size]byte]Credential, len(access.Credentials)),
	}
	ids := make(map[string]bool, len(access.Credentials))
	for _, c := range access.Credentials {
		if c.ID == "" {
			return nil, fmt.Errorf("credentials: an entry has no id")
		}
		if ids[c.ID] {
			return nil, fmt.Errorf("credentials: the id %q stands twice; give each credential an id of its own", c.ID)
		}
		if other, ok := a.byHash[c.SHA256]; ok {
			return nil, fmt.Errorf("credentials: %q and %q have the same key; a key belongs to one credential", other.ID, c.ID)
		}
		ids[c.ID] = true
		a.byHash[c.SHA256] = c
	}
	return a, nil
}

// caller tells who sent a request with this header. Errors are *fault.Error.
func (a *authenticator) caller(header http.Header) (engine.Caller, error) {
	authorization := header.Get("Authorization")
	if authorization == "" {
		return a.withoutKey(header)
	}
	scheme, key, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || key == "" {
		return engine.Caller{}, fault.New(fault.Unauthenticated, "CREDENTIAL_MALFORMED", "the Authorization header must be: Bearer KEY")
	}
	credential, ok := a.byHash[sha256.Sum256([]byte(key))]
	if !ok {
		return engine.Caller{}, fault.New(fault.Unauthenticated, "CREDENTIAL_UNKNOWN", "no credential has this key")
	}
	if !credential.Expires.IsZero() && !a.now().Before(credential.Expires) {
		return engine.Caller{}, fault.New(fault.Unauthenticated, "CREDENTIAL_EXPIRED",
			"the credential %q ended at %s; ask for a new key", credential.ID, credential.Expires.UTC().Format(time.RFC3339))
	}
	client, ok := a.index().byCredential[credential.ID]
	if !ok {
		return engine.Caller{}, fault.New(fault.PermissionDenied, "CREDENTIAL_WITHOUT_CLIENT",
			"no client has the credential %q; add it to the credential_ids of one", credential.ID)
	}
	return engine.Caller{Client: client}, nil
}

func (a *authenticator) withoutKey(header http.Header) (engine.Caller, error) {
	if a.required {
		return engine.Caller{}, fault.New(fault.Unauthenticated, "CREDENTIAL_REQUIRED", "send a key, as Authorization: Bearer KEY")
	}
	name := header.Get(ClientHeader)
	if name == "" {
		return engine.Caller{}, nil
	}
	if snap := a.snapshot(); snap == nil || snap.Clients[name] == nil {
		return engine.Caller{}, fault.New(fault.InvalidArgument, "CLIENT_UNKNOWN", "%s names %q, which is no client of the configuration", ClientHeader, name)
	}
	return engine.Caller{Client: name}, nil
}

// index is that of the serving snapshot. Who comes first after a reload builds it; nobody waits for it.
func (a *authenticator) index() *clientIndex {
	snap := a.snapshot()
	if index := a.clients.Load(); index != nil && index.snap == snap {
		return index
	}
	index := &clientIndex{snap: snap, byCredential: make(map[string]string), priorities: make(map[string]shed.Priority)}
	if snap != nil {
		for name, client := range snap.Clients {
			index.priorities[name] = highestPriority(client)
			for _, id := range client.CredentialIDs {
				index.byCredential[id] = name
			}
		}
	}
	a.clients.Store(index)
	return index
}

// priority is the highest that a request of a client can have. That of a call without a client depends on its scene alone, and may be any.
func (a *authenticator) priority(client string) shed.Priority {
	if p, known := a.index().priorities[client]; known {
		return p
	}
	return shed.Critical
}

type callerKey struct{}

func withCaller(ctx context.Context, caller engine.Caller) context.Context {
	if caller == (engine.Caller{}) {
		return ctx
	}
	return context.WithValue(ctx, callerKey{}, caller)
}

func callerOf(ctx context.Context) engine.Caller {
	caller, _ := ctx.Value(callerKey{}).(engine.Caller)
	return caller
}
