package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"buf.build/go/protovalidate"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"proscenium/assembly"
	"proscenium/engine"
	"proscenium/fault"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes/report"
)

func newExplain() *cobra.Command {
	var configDir, catalogDir, request, format, client string
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Answer one request offline, and say why",
		Long: `Explain prices a request as a server with this configuration and catalog would, now, and prints the trace: the plan and its stages, each
promotion with what kept or dropped it, each voucher with the first reason why it does not apply, each call to a dependency, and how each
price came about. The answer follows.

The request is JSON, as for the server. Explain also explains scenes that do not allow it to callers.`,
		Example: `  proscenium explain --request request.json
  echo '{"scene_name": "sls_future_price", "region": "US", "items": [{"item_id": 1000}], "at_time": "2017-05-12T12:00:00Z"}' |
    proscenium explain --request -
  proscenium explain --config configs --request request.json --format json | jq .trace.prices`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			req, err := readRequest(request, cmd.InOrStdin())
			if err != nil {
				return err
			}
			from, err := openSource(configDir, catalogDir)
			if err != nil {
				return err
			}
			answer, err := explain(cmd.Context(), from, client, req, cmd.ErrOrStderr())
			if err != nil {
				return refused(cmd.ErrOrStderr(), err)
			}
			return writeAnswer(cmd.OutOrStdout(), format, answer)
		},
	}
	cmd.Flags().StringVar(&configDir, "config", "", "directory of the configuration, or its address etcd://HOST:PORT/PREFIX (default: the reference marketplace, built in)")
	cmd.Flags().StringVar(&catalogDir, "catalog", "", "directory of the catalog (default: the folder catalog in the directory of the configuration)")
	cmd.Flags().StringVar(&request, "request", "", "file with the request as JSON; - is standard input")
	cmd.Flags().StringVar(&client, "client", "", "price as this client, with the scenes that it may use (default: all scenes)")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cobra.CheckErr(cmd.MarkFlagRequired("request"))
	return cmd
}

func readRequest(file string, stdin io.Reader) (*pricingv1.GetPromotionInfoRequest, error) {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(stdin)
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	req := &pricingv1.GetPromotionInfoRequest{}
	if err := protojson.Unmarshal(data, req); err != nil {
		return nil, fmt.Errorf("request %s: %w", file, err)
	}
	return req, nil
}

// explain answers the request, with its trace. Findings of configuration or catalog are written to w.
func explain(ctx context.Context, from *source, client string, req *pricingv1.GetPromotionInfoRequest, w io.Writer) (*pricingv1.GetPromotionInfoResponse, error) {
	read := from.load(ctx, time.Now())
	if read.Snapshot == nil {
		if err := (report.Text{Color: coloured(w)}).Write(w, read.Diagnostics); err != nil {
			return nil, err
		}
		return nil, errFindings
	}
	// Nobody uses the snapshot yet. What a scene tells its callers is its owner's choice; who has the files may know all.
	for _, scene := range read.Snapshot.Scenes {
		scene.Spec.AllowExplain = true
	}
	system, err := openSystem(from, assembly.Options{Now: time.Now}, w)
	if err != nil {
		return nil, err
	}
	defer system.Close()
	if err := system.Apply(read.Snapshot); err != nil {
		return nil, err
	}
	if err := protovalidate.Validate(req); err != nil {
		return nil, err
	}
	req.Explain = true
	return system.Engine.Price(ctx, engine.Caller{Client: client}, req)
}

// refused says why a request was not answered, as a server would have; other errors stay what they are.
func refused(w io.Writer, err error) error {
	var domain *fault.Error
	var invalid *protovalidate.ValidationError
	switch {
	case errors.As(err, &domain):
		field := ""
		if domain.Field != "" {
			field = domain.Field + ": "
		}
		_, _ = fmt.Fprintf(w, "refused: %s%s [%s]\n", field, domain.Message, domain.Reason)
	case errors.As(err, &invalid):
		for _, v := range invalid.Violations {
			_, _ = fmt.Fprintf(w, "refused: %s: %s [INVALID_REQUEST]\n", protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage())
		}
	default:
		return err
	}
	return errFindings
}

func writeAnswer(w io.Writer, format string, answer *pricingv1.GetPromotionInfoResponse) error {
	if format == "text" {
		if err := writeTrace(w, answer.GetTrace()); err != nil {
			return err
		}
		answer.Trace = nil
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(answer)
	if err != nil {
		return err
	}
	// protojson varies its spaces from build to build, so that nobody compares its output; people and diffs want it steady.
	var steady bytes.Buffer
	if err := json.Indent(&steady, text, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, steady.String())
	return err
}

// writeTrace writes the trace as tables, in the order in which things happen.
func writeTrace(w io.Writer, t *pricingv1.Trace) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		text := make([]string, len(cells))
		for i, cell := range cells {
			text[i] = fmt.Sprint(cell)
		}
		_, _ = fmt.Fprintln(table, "  "+strings.TrimRight(strings.Join(text, "\t"), "\t "))
	}
	head := func(title string, n int) bool {
		if n > 0 {
			_, _ = fmt.Fprintf(table, "\n%s\n", title)
		}
		return n > 0
	}
	_, _ = fmt.Fprintf(table, "scene %s, scenario %s, configuration %s\n", t.GetScene(), t.GetScenario(), t.GetConfigVersion())
	if t.GetGroup() != "" {
		_, _ = fmt.Fprintf(table, "experiment %s, group %s\n", t.GetExperiment(), t.GetGroup())
	}
	_, _ = fmt.Fprintf(table, "plan: %s\n", strings.Join(t.GetPlan(), " > "))

	if head("calls", len(t.GetCalls())) {
		for _, c := range t.GetCalls() {
			row(c.GetCommand(), c.GetOutcome(), micros(c.GetDuration()), fmt.Sprintf("%d keys", c.GetKeys()), c.GetError())
		}
	}
	if head("stages", len(t.GetStages())) {
		for _, s := range t.GetStages() {
			row(s.GetName(), micros(s.GetDuration()))
		}
	}
	if head("promotions", len(t.GetPromos())) {
		row("model", "promotion", "type", "price", "", "stage", "reason")
		for _, p := range t.GetPromos() {
			row(p.GetModelId(), p.GetPromotionId(), p.GetPriceRuleType(), p.GetPrice(), kept(p), p.GetStage(), p.GetReason())
		}
	}
	if head("vouchers", len(t.GetVouchers())) {
		row("model", "voucher", "", "discount", "reason")
		for _, alike := range alike(t.GetVouchers()) {
			v := alike[0]
			if len(alike) > fewAlike {
				row(v.GetModelId(), fmt.Sprintf("%d vouchers", len(alike)), applied(v), "", v.GetReason())
				continue
			}
			for _, v := range alike {
				row(v.GetModelId(), v.GetVoucherId(), applied(v), v.GetDiscount(), voucherReason(v))
			}
		}
	}
	if head("downgrades", len(t.GetDowngrades())) {
		for _, d := range t.GetDowngrades() {
			row(d.GetFeature(), d.GetScope(), d.GetCause())
		}
	}
	if head("rule errors", len(t.GetRuleErrors())) {
		for _, e := range t.GetRuleErrors() {
			row(e.GetRule(), e.GetError())
		}
	}
	if head("prices", len(t.GetPrices())) {
		for _, p := range t.GetPrices() {
			row(p.GetModelId(), p.GetFormula())
		}
	}
	_, _ = fmt.Fprintln(table)
	return table.Flush()
}

// fewAlike vouchers that a model misses for the same plain reason are listed; more are counted. A marketplace has thousands that are for other
// products.
const fewAlike = 3

// alike cuts the vouchers where model or reason change, and around each that has more to tell than its reason.
func alike(all []*pricingv1.TraceVoucher) [][]*pricingv1.TraceVoucher {
	plain := func(v *pricingv1.TraceVoucher) bool {
		return !v.GetApplied() && v.GetDiscount() == 0 && v.GetMissing() == 0 && v.GetLostToVoucherId() == 0
	}
	var groups [][]*pricingv1.TraceVoucher
	for i, v := range all {
		if i > 0 && plain(v) && plain(all[i-1]) && v.GetModelId() == all[i-1].GetModelId() && v.GetReason() == all[i-1].GetReason() {
			groups[len(groups)-1] = append(groups[len(groups)-1], v)
			continue
		}
		groups = append(groups, []*pricingv1.TraceVoucher{v})
	}
	return groups
}

func micros(d *durationpb.Duration) string {
	return fmt.Sprintf("%d us", d.AsDuration().Microseconds())
}

func kept(p *pricingv1.TracePromo) string {
	if !p.GetKept() {
		return "dropped"
	}
	return strings.Join(append([]string{"kept"}, p.GetRoles()...), " ")
}

func applied(v *pricingv1.TraceVoucher) string {
	if v.GetApplied() {
		return "applied"
	}
	return "not applied"
}

func voucherReason(v *pricingv1.TraceVoucher) string {
	switch {
	case v.GetLostToVoucherId() != 0:
		return fmt.Sprintf("%s %d, which saves %d more", v.GetReason(), v.GetLostToVoucherId(), v.GetMissing())
	case v.GetMissing() != 0:
		return fmt.Sprintf("%s: %d more", v.GetReason(), v.GetMissing())
	default:
		return v.GetReason()
	}
}
