package remote

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"proscenium/engine"
	"proscenium/facts"
	providerv1 "proscenium/gen/proscenium/provider/v1"
)

// Context is the part of a question that is the same for all of a price request.
func Context(call *engine.Call) *providerv1.CallContext {
	r := call.Request
	return &providerv1.CallContext{
		Region:                  r.Region,
		UserId:                  r.UserID,
		AtTime:                  Timestamp(r.At),
		OrderFlow:               r.OrderFlow,
		Scene:                   r.Scene,
		ClientPlatform:          r.Platform,
		UserPath:                r.UserPath,
		LiveStreamStreamerId:    r.StreamerID,
		LiveStreamDiscountToken: r.LiveStreamToken,
		VideoCreatorId:          r.VideoCreatorID,
		AdsId:                   r.AdsID,
		DeviceType:              r.DeviceType,
		Scenario:                r.Scenario,
		Client:                  r.Client,
	}
}

// Block allocates n messages at once.
func Block[T any](n int) []*T {
	block, messages := make([]T, n), make([]*T, n)
	for i := range block {
		messages[i] = &block[i]
	}
	return messages
}

// Timestamp is an instant in Unix nanoseconds as a message.
func Timestamp(nanos int64) *timestamppb.Timestamp {
	t := &timestamppb.Timestamp{Seconds: nanos / 1e9, Nanos: int32(nanos % 1e9)}
	if t.Nanos < 0 {
		t.Seconds, t.Nanos = t.Seconds-1, t.Nanos+1e9
	}
	return t
}

// Start and End are the bounds of a window as messages, nil where it is open.
func Start(nanos int64) *timestamppb.Timestamp { return bound(nanos, facts.Always) }

// End is the end of a window as a message, nil where it is open.
func End(nanos int64) *timestamppb.Timestamp { return bound(nanos, facts.Never) }

func bound(nanos, open int64) *timestamppb.Timestamp {
	if nanos == open {
		return nil
	}
	return Timestamp(nanos)
}

// Years that Unix nanoseconds in 64 bits can tell apart, in seconds.
const (
	firstSecond = math.MinInt64/int64(time.Second) + 1
	lastSecond  = math.MaxInt64/int64(time.Second) - 1
)

// Instant is a timestamp in Unix nanoseconds. Times before the year 1678 and after 2261 become the nearest there is. It is [Malformed] if the
// message is no time.
func Instant(t *timestamppb.Timestamp) (int64, error) {
	if t.GetNanos() < 0 || t.GetNanos() >= 1e9 {
		return 0, Malformed("a time with %d nanoseconds", t.GetNanos())
	}
	s := min(max(t.GetSeconds(), firstSecond), lastSecond)
	return s*int64(time.Second) + int64(t.GetNanos()), nil
}

// Window reads [start, end), where nil is open. It is [Malformed] if the end is not after the start, or a bound is no time.
func Window(start, end *timestamppb.Timestamp) (from, to int64, err error) {
	from, to = facts.Always, facts.Never
	if start != nil {
		if from, err = Instant(start); err != nil {
			return 0, 0, err
		}
	}
	if end != nil {
		if to, err = Instant(end); err != nil {
			return 0, 0, err
		}
	}
	if to <= from {
		return 0, 0, Malformed("a window whose end is not after its start")
	}
	return from, to, nil
}
