package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"proscenium/rules"
)

func newEval() *cobra.Command {
	var place, input, format string
	var variables bool
	cmd := &cobra.Command{
		Use:   "eval EXPR",
		Short: "Try an expression in the environment of a place",
		Long: `Eval compiles a CEL expression as it would stand in a place of the configuration, and says its type, or what is wrong with it and where.
With an input it also says its value. The input is a YAML or JSON file of what the expression may look at:

  promo: {type: flash_sale, price: 499}
  user: {id: 7}
  request: {region: US, time: 2026-05-01T12:00:00Z}
  zone: America/New_York    # of the region, for time functions; default UTC

A variable of a part that the input does not have is an evaluation error, as it is in the engine.`,
		Example: `  proscenium eval 'promo.price < 500' --input facts.yaml
  proscenium eval 'voucher.type == "SHOP_VOUCHER"' --place voucher_pool
  proscenium eval --variables --place eligibility`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, "text", "json"); err != nil {
				return err
			}
			at, err := rules.ParsePlace(place)
			if err != nil {
				return fmt.Errorf("--place: %w", err)
			}
			if variables {
				return printPlace(cmd.OutOrStdout(), infoOf(at))
			}
			if len(args) == 0 {
				return fmt.Errorf("give an expression, such as: proscenium eval 'promo.price < 500'")
			}
			result, err := evaluate(at, args[0], input, cmd.InOrStdin())
			if err != nil {
				return err
			}
			return result.print(cmd.OutOrStdout(), format)
		},
	}
	cmd.Flags().StringVar(&place, "place", rules.PromoRule.String(), "where the expression stands: "+placeNames())
	cmd.Flags().StringVar(&input, "input", "", "YAML or JSON file of what the expression looks at; - is standard input")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().BoolVar(&variables, "variables", false, "list the variables and functions of the place instead")
	return cmd
}

func placeNames() string {
	var names []string
	for _, p := range rules.Places() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

func infoOf(at rules.Place) rules.PlaceInfo {
	for _, info := range rules.Places() {
		if info.Place == at {
			return info
		}
	}
	return rules.PlaceInfo{Place: at}
}

// evaluation is what became of an expression.
type evaluation struct {
	Expression string    `json:"expression"`
	Place      string    `json:"place"`
	Type       string    `json:"type,omitempty"`
	Value      any       `json:"value,omitempty"`
	Error      string    `json:"error,omitempty"`
	Problems   []problem `json:"problems,omitempty"`
}

type problem struct {
	Code    string `json:"code"`
	Offset  int    `json:"offset"`
	Length  int    `json:"length"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func evaluate(at rules.Place, expression, file string, stdin io.Reader) (*evaluation, error) {
	e := &evaluation{Expression: expression, Place: at.String()}
	rule, problems := rules.Compile(at, expression)
	for _, p := range problems {
		e.Problems = append(e.Problems, problem(p))
	}
	if len(problems) > 0 {
		return e, nil
	}
	e.Type = infoOf(at).Result
	if file == "" {
		return e, nil
	}
	in, err := readInput(file, stdin)
	if err != nil {
		return nil, err
	}
	if e.Type == "bool" {
		e.Value, err = rule.Bool(in)
	} else {
		e.Value, err = rule.Key(in)
	}
	if err != nil {
		e.Value, e.Error = nil, err.Error()
	}
	return e, nil
}

func readInput(file string, stdin io.Reader) (*rules.Input, error) {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(stdin)
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the input: %w", err)
	}
	in, err := parseInput(data)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", file, err)
	}
	return in, nil
}

// print writes the evaluation; it returns errFindings where the expression has problems or could not be evaluated.
func (e *evaluation) print(w io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(e); err != nil {
			return err
		}
	} else if err := e.printText(w); err != nil {
		return err
	}
	if len(e.Problems) > 0 || e.Error != "" {
		return errFindings
	}
	return nil
}

func (e *evaluation) printText(w io.Writer) error {
	var b strings.Builder
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "error %s: %s\n", p.Code, p.Message)
		p.pointOut(&b, e.Expression)
		if p.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
		}
	}
	if e.Type != "" {
		fmt.Fprintf(&b, "type:  %s\n", e.Type)
	}
	switch {
	case e.Error != "":
		fmt.Fprintf(&b, "error: %s\n", e.Error)
	case e.Value != nil:
		fmt.Fprintf(&b, "value: %v\n", e.Value)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// pointOut writes the line of the expression with a caret under what is wrong.
func (p *problem) pointOut(b *strings.Builder, expression string) {
	start := min(p.Offset, len(expression))
	from := strings.LastIndexByte(expression[:start], '\n') + 1
	line, _, _ := strings.Cut(expression[from:], "\n")
	before := expression[from:start]
	wrong := expression[start:min(start+p.Length, from+len(line))]
	fmt.Fprintf(b, "  %s\n  %s%s\n", strings.ReplaceAll(line, "\t", " "), strings.Repeat(" ", utf8.RuneCountInString(before)), strings.Repeat("^", max(1, utf8.RuneCountInString(wrong))))
}

func printPlace(w io.Writer, info rules.PlaceInfo) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "%s: %s; %s\n\n", info.Name, info.Description, info.Result)
	for _, v := range info.Variables {
		doc := v.Doc
		if len(v.Values) > 0 {
			doc += ": " + strings.Join(v.Values, ", ")
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", v.Name, v.Type, doc)
	}
	_, _ = fmt.Fprintln(table)
	for _, f := range info.Functions {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", f.Name, strings.Join(f.Signatures, "; "), f.Doc)
	}
	return table.Flush()
}
