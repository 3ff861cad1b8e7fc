package remote

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/baggage"

	"proscenium/traffic"
)

// markShadow says in the headers of a question that it is of shadow traffic: by a header of our own, and as a member of the baggage beside what the
// trace carries. Whoever is asked keeps it from live state, and passes it on.
func markShadow(ctx context.Context, header http.Header) {
	header.Set(traffic.Header, "1")
	header.Set("Baggage", shadowBaggage(ctx))
}

func shadowBaggage(ctx context.Context) string {
	alone := traffic.BaggageKey + "=1"
	member, err := baggage.NewMember(traffic.BaggageKey, "1")
	if err != nil {
		return alone
	}
	all, err := baggage.FromContext(ctx).SetMember(member)
	if err != nil {
		return alone // the trace's is full: the mark matters more
	}
	return all.String()
}
