package scenetest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The elements of JUnit's XML, as CI systems read them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		File      string        `xml:"file,attr"`
		Line      int           `xml:"line,attr"`
		Time      string        `xml:"time,attr"`
		Failure   *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report as JUnit XML: a suite for each file, a case for each test and cell. Prefix stands before the names of files.
func JUnit(w io.Writer, r *Report, prefix string) error {
	out := junitSuites{Name: "scene tests", Tests: r.Passed + r.Failed, Failures: r.Failed, Time: seconds(r.Took)}
	for i := range r.Files {
		f := &r.Files[i]
		name := prefix + f.Name
		suite := junitSuite{Name: name, Tests: len(f.Cases), Failures: f.Failed(), Time: seconds(f.Took)}
		for j := range f.Cases {
			c := &f.Cases[j]
			made := junitCase{Name: c.title(), ClassName: name, File: name, Line: c.Line, Time: seconds(c.Took)}
			if len(c.Failures) > 0 {
				var text strings.Builder
				Text{Prefix: prefix}.failures(&text, f, c.Failures)
				made.Failure = &junitFailure{Message: summary(c.Failures), Type: "expectation", Text: text.String()}
			}
			suite.Cases = append(suite.Cases, made)
		}
		out.Suites = append(out.Suites, suite)
	}
	text, err := xml.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }

// summary is the first failure, and how many more there are.
func summary(all []Failure) string {
	text := all[0].String()
	if more := len(all) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// String is the failure on one line.
func (f *Failure) String() string {
	var parts []string
	if f.Path != "" {
		parts = append(parts, f.Path)
	}
	if f.Message != "" {
		parts = append(parts, f.Message)
	}
	if f.Want != "" || f.Got != "" {
		parts = append(parts, fmt.Sprintf("want %s, got %s", f.Want, f.Got))
	}
	for _, p := range f.Parts {
		parts = append(parts, p.Text+" = "+p.Value)
	}
	return strings.Join(parts, ": ")
}

// GitHub writes each failure as an annotation of GitHub Actions, and a line that counts them. Prefix stands before the names of files.
func GitHub(w io.Writer, r *Report, prefix string) error {
	var b strings.Builder
	for i := range r.Files {
		for j := range r.Files[i].Cases {
			c := &r.Files[i].Cases[j]
			for k := range c.Failures {
				f := &c.Failures[k]
				fmt.Fprintf(&b, "::error file=%s,line=%d,col=%d,title=%s::%s\n",
					property(prefix+f.File), f.Line, f.Column, property(c.title()), data(f.String()))
			}
		}
	}
	fmt.Fprintf(&b, "%d passed, %d failed\n", r.Passed, r.Failed)
	_, err := io.WriteString(w, b.String())
	return err
}

// data and property escape what would end an annotation, or a part of it.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
