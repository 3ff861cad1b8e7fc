package scenetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/engine"
	"proscenium/fault"
)

// Selection says which cases run; the zero value: all.
type Selection struct {
	// Name is searched for in file/test/cell; nil: all match.
	Name *regexp.Regexp
	// Parallel is how many run at once; 0: as many as there are processors.
	Parallel int
}

// ErrNothingMatches is returned where no case is selected.
var ErrNothingMatches = errors.New("no test matches")

// Report is what became of the cases that ran.
type Report struct {
	Files []FileReport `json:"files"`
	// Passed and Failed count cases.
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	// Deselected counts the cases that were not selected.
	Deselected int `json:"deselected"`
	// Took is the time by the clock.
	Took time.Duration `json:"took_ns"`
	// Coverage is what all runs of the suite exercised; nil where it was not asked for.
	Coverage *Coverage `json:"coverage,omitempty"`
}

// FileReport is what became of the cases of a file, in its order.
type FileReport struct {
	Name  string       `json:"name"`
	Cases []CaseReport `json:"cases"`
	// Took is the sum of what its cases took.
	Took time.Duration `json:"took_ns"`

	lines []string
}

// CaseReport is what became of a case.
type CaseReport struct {
	Test string `json:"test"`
	// Cell is the combination of a matrix, such as request=a user=b.
	Cell string `json:"cell,omitempty"`
	// Line is where the test begins.
	Line     int           `json:"line"`
	Failures []Failure     `json:"failures,omitempty"`
	Took     time.Duration `json:"took_ns"`
	// Trace says how the answer of a case that failed came about; nil where there was none.
	Trace *pricingv1.Trace `json:"-"`
}

// Failed counts the cases that failed.
func (f *FileReport) Failed() int {
	n := 0
	for i := range f.Cases {
		if len(f.Cases[i].Failures) > 0 {
			n++
		}
	}
	return n
}

// Run prices the selected cases. Its error is ErrNothingMatches, or that they could not run: of ctx, or of the configuration's providers.
func (s *Suite) Run(ctx context.Context, sel Selection) (*Report, error) {
	start := time.Now()
	var chosen []*testCase
	for _, c := range s.cases {
		if sel.Name == nil || sel.Name.MatchString(c.name()) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return nil, ErrNothingMatches
	}
	systems, err := s.open(chosen)
	if err != nil {
		return nil, err
	}
	defer systems.close()

	reports := make([]CaseReport, len(chosen))
	var next atomic.Int64
	var workers sync.WaitGroup
	parallel := sel.Parallel
	if parallel <= 0 {
		parallel = runtime.GOMAXPROCS(0)
	}
	for range min(parallel, len(chosen)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(chosen)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				reports[i] = systems.run(ctx, chosen[i])
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	report := gatherReports(chosen, reports)
	report.Deselected = len(s.cases) - len(chosen)
	report.Took = time.Since(start)
	if s.coverage != nil {
		report.Coverage = s.coverage.report()
	}
	return report, nil
}

func gatherReports(cases []*testCase, reports []CaseReport) *Report {
	out := &Report{}
	for i, c := range cases {
		if last := len(out.Files) - 1; last < 0 || out.Files[last].Name != c.file.name {
			out.Files = append(out.Files, FileReport{Name: c.file.name, lines: c.file.lines})
		}
		f := &out.Files[len(out.Files)-1]
		f.Cases = append(f.Cases, reports[i])
		f.Took += reports[i].Took
		if len(reports[i].Failures) > 0 {
			out.Failed++
		} else {
			out.Passed++
		}
	}
	return out
}

// run prices one case and compares.
func (s *systems) run(ctx context.Context, c *testCase) CaseReport {
	start := time.Now()
	report := CaseReport{Test: c.test, Cell: c.cell, Line: c.at.Span().Line}
	answer, err := s.price(ctx, c)
	if err == nil && s.coverage != nil {
		s.coverage.saw(answer, s.of(c).Catalog)
	}
	if report.Failures = c.judge(answer, err); len(report.Failures) > 0 {
		report.Trace = answer.GetTrace()
	}
	slices.SortStableFunc(report.Failures, func(a, b Failure) int { // as the file is read
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	report.Took = time.Since(start)
	return report
}

// price answers a request as a server would. A panic is an error: one case must not end the others.
func (s *systems) price(ctx context.Context, c *testCase) (answer *pricingv1.GetPromotionInfoResponse, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the engine panicked: %v", r)
		}
	}()
	req := proto.CloneOf(c.request)
	if err := protovalidate.Validate(req); err != nil {
		return nil, err
	}
	return s.of(c).Engine.Price(ctx, engine.Caller{Client: c.client, At: c.arrives, Trace: true}, req)
}

// judge says what of the expectations does not hold.
func (c *testCase) judge(answer *pricingv1.GetPromotionInfoResponse, err error) []Failure {
	var out comparison
	for i := range c.expect {
		e := &c.expect[i]
		switch {
		case err != nil && (e.Refused == nil || !refuses(err)):
			out.say("", e.at, "the request was not answered: "+describe(err))
			return out.failures
		case err != nil:
			out.refused(e, err)
		case e.Refused != nil:
			f := failureAt(e.at.Field("refused"))
			f.Want, f.Got = "refused with "+e.Refused.GetReason(), "answered: "+showMessage(untraced(answer).ProtoReflect())
			out.failures = append(out.failures, f)
		default:
			out.expected(e, c.request, answer)
		}
	}
	return out.failures
}

// expected compares an answer with an expectation.
func (c *comparison) expected(e *expectation, req *pricingv1.GetPromotionInfoRequest, answer *pricingv1.GetPromotionInfoResponse) {
	switch {
	case e.Whole != nil:
		c.whole = true
		c.answer(e.Whole.ProtoReflect(), answer.ProtoReflect(), e.at.Field("whole"))
		c.whole = false
	case e.Answer != nil:
		c.answer(e.Answer.ProtoReflect(), answer.ProtoReflect(), e.at.Field("answer"))
	}
	values := map[string]any{"request": req, "response": untraced(answer), "trace": answer.GetTrace()}
	for _, a := range e.that {
		c.check(a, values)
	}
}

// untraced is an answer without its trace, which expressions find beside it. It shares all else.
func untraced(answer *pricingv1.GetPromotionInfoResponse) *pricingv1.GetPromotionInfoResponse {
	out := &pricingv1.GetPromotionInfoResponse{}
	answer.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Name() != "trace" {
			out.ProtoReflect().Set(fd, v)
		}
		return true
	})
	return out
}

// refused compares how a request was refused.
func (c *comparison) refused(e *expectation, err error) {
	reason, fields := refusal(err)
	at := e.at.Field("refused")
	if reason != e.Refused.GetReason() {
		c.fail("refused.reason", at.Field("reason"), e.Refused.GetReason(), describe(err))
		return
	}
	if want := e.Refused.GetField(); want != "" {
		if !slices.Contains(fields, want) {
			c.fail("refused.field", at.Field("field"), want, cmp.Or(strings.Join(fields, ", "), absent))
		}
	}
}

// refuses says whether an error is an answer to the request. Any other is a fault of the engine, such as a panic, and no test can want one.
func refuses(err error) bool {
	var domain *fault.Error
	var invalid *protovalidate.ValidationError
	return errors.As(err, &domain) || errors.As(err, &invalid)
}

// refusal is the reason that a caller of a server would get, and the fields.
func refusal(err error) (reason string, fields []string) {
	var domain *fault.Error
	var invalid *protovalidate.ValidationError
	switch {
	case errors.As(err, &domain):
		if domain.Field != "" {
			fields = append(fields, domain.Field)
		}
		return domain.Reason, fields
	case errors.As(err, &invalid):
		for _, v := range invalid.Violations {
			fields = append(fields, protovalidate.FieldPathString(v.Proto.GetField()))
		}
		return "INVALID_REQUEST", fields
	}
	return "", nil
}

// describe tells why a request was not answered.
func describe(err error) string {
	var domain *fault.Error
	var invalid *protovalidate.ValidationError
	switch {
	case errors.As(err, &domain):
		text := domain.Reason + ": " + domain.Message
		if domain.Field != "" {
			text = domain.Reason + " (" + domain.Field + "): " + domain.Message
		}
		return text
	case errors.As(err, &invalid):
		var all []string
		for _, v := range invalid.Violations {
			all = append(all, fmt.Sprintf("%s: %s", protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage()))
		}
		return "INVALID_REQUEST: " + strings.Join(all, "; ")
	default:
		return err.Error()
	}
}
