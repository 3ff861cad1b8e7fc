package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/engine/policy/limit"
	"proscenium/fault"
)

// The headers that tell a caller of the limits around its request. Over gRPC they are metadata: headers of an answer, trailers of an error.
//
// RateLimit-Policy and RateLimit are lists of structured fields (RFC 9651) as in draft-ietf-httpapi-ratelimit-headers-10: each limit is a string LIMIT/DIMENSION,
// with the parameters q (requests) and w (seconds) of what is allowed, and r (requests) and t (seconds) of what is left. What a limit counts by, such
// as a user, is in neither.
const (
	rateLimitHeader       = "Ratelimit"
	rateLimitPolicyHeader = "Ratelimit-Policy"
	retryAfterHeader      = "Retry-After"
)

// maxField is the greatest integer of a structured field.
const maxField = 999_999_999_999_999

// tellVerdicts writes the headers; none where no limit was asked that is enforced. Of a limit that was asked twice the later verdict counts.
func tellVerdicts(header http.Header, verdicts []limit.Verdict) {
	var policies, left strings.Builder
	for i := range verdicts {
		v := &verdicts[i]
		if v.DryRun || v.Name == "" || repeated(verdicts[i+1:], v) {
			continue
		}
		if policies.Len() > 0 {
			policies.WriteString(", ")
			left.WriteString(", ")
		}
		name := strconv.Quote(v.Name + "/" + v.Dimension) // names of configuration: letters, digits and underscores
		policies.WriteString(name + ";q=" + field(v.Limit))
		if v.Window > 0 && v.Window%time.Second == 0 { // the field has no part of a second
			policies.WriteString(";w=" + field(int64(v.Window/time.Second)))
		}
		left.WriteString(name + ";r=" + field(v.Remaining) + ";t=" + field(wholeSeconds(v.Reset)))
	}
	if policies.Len() == 0 {
		return
	}
	header[rateLimitPolicyHeader] = []string{policies.String()}
	header[rateLimitHeader] = []string{left.String()}
}

func repeated(later []limit.Verdict, v *limit.Verdict) bool {
	for i := range later {
		if !later[i].DryRun && later[i].Name == v.Name && later[i].Dimension == v.Dimension {
			return true
		}
	}
	return false
}

func field(n int64) string { return strconv.FormatInt(min(max(n, 0), maxField), 10) }

// wholeSeconds rounds up: who waits that long does not come too early.
func wholeSeconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Second) + 1
}

// judged is the error of a request with what the limits around it said.
type judged struct {
	error
	verdicts []limit.Verdict
}

func (j judged) Unwrap() error { return j.error }

// exceeded are the details of an error that another attempt may not meet.
func exceeded(f *failure, e *fault.Error) {
	if e.RetryAfter > 0 {
		f.retryAfter = e.RetryAfter
	}
	for i, v := range e.Violations {
		if i == maxViolations {
			break
		}
		f.quotas = append(f.quotas, &errdetails.QuotaFailure_Violation{Subject: v.Subject, Description: v.Description})
	}
}

func retryInfo(after time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(after)}
}
