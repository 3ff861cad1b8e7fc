package report

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"proscenium/scenes/diag"
)

// SARIF writes findings in the Static Analysis Results Interchange Format, version 2.1.0 (OASIS), as services that scan code take them in:
// with the explanation of each code that was found, and fingerprints that do not change while lines above a finding do.
type SARIF struct {
	// Version is that of the program.
	Version string
	// Prefix stands before the names of files, so that they are named from Base: the directory with a slash, or nothing.
	Prefix string
	// Base is the file URI, with a slash at its end, that files are named from. Empty: that is not told; it is the root of the repository.
	Base string
}

// The properties of SARIF that reports use; where a comment gives a number, it is the section of the standard.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool               sarifTool            `json:"tool"`
		ColumnKind         string               `json:"columnKind"` // 3.14.17
		OriginalURIBaseIDs map[string]sarifFile `json:"originalUriBaseIds"`
		Results            []sarifResult        `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string          `json:"id"`
		ShortDescription sarifText       `json:"shortDescription"`
		FullDescription  sarifText       `json:"fullDescription"`
		Help             sarifText       `json:"help"`
		Default          sarifDefaults   `json:"defaultConfiguration"`
		Properties       sarifProperties `json:"properties"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifDefaults struct {
		Level string `json:"level"` // 3.50.3
	}
	sarifProperties struct {
		Page string   `json:"page"`
		Tags []string `json:"tags"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Related      []sarifLocation   `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string `json:"partialFingerprints"` // 3.27.17
	}
	sarifLocation struct {
		ID       int            `json:"id,omitempty"`
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
		Message  *sarifText     `json:"message,omitempty"`
	}
	sarifPhysical struct {
		File   sarifFile    `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifFile struct {
		URI         string     `json:"uri,omitempty"`
		URIBaseID   string     `json:"uriBaseId,omitempty"`
		Description *sarifText `json:"description,omitempty"`
	}
	sarifRegion struct {
		StartLine   int        `json:"startLine"`
		StartColumn int        `json:"startColumn"`
		EndLine     int        `json:"endLine,omitempty"`
		EndColumn   int        `json:"endColumn,omitempty"` // behind the last character, 3.30.8
		Snippet     *sarifText `json:"snippet,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

// baseID names the directory that files are named from.
const baseID = "%SRCROOT%"

// Write writes the findings to w.
func (s SARIF) Write(w io.Writer, findings []diag.Diagnostic) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{Name: "Proscenium", Version: s.Version}},
		// Lines and columns of findings count so, which is not what SARIF takes for granted.
		ColumnKind: "unicodeCodePoints",
		OriginalURIBaseIDs: map[string]sarifFile{
			baseID: {URI: s.Base, Description: &sarifText{Text: "The directory that files are named from: the root of the repository, unless a URI stands here."}},
		},
		Results: []sarifResult{},
	}
	codes := codesOf(findings)
	run.Tool.Driver.Rules = rulesOf(codes)
	seen := map[string]int{}
	for _, d := range findings {
		run.Results = append(run.Results, s.result(d, slices.Index(codes, d.Code), seen))
	}
	return writeJSON(w, sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

// codesOf are the codes that were found, in their order.
func codesOf(findings []diag.Diagnostic) []diag.Code {
	var codes []diag.Code
	for _, d := range findings {
		codes = append(codes, d.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func rulesOf(codes []diag.Code) []sarifRule {
	explained := diag.Explain()
	rules := []sarifRule{}
	for _, code := range codes {
		e := explained[code]
		first, _, _ := strings.Cut(e.Cause, ". ")
		rules = append(rules, sarifRule{
			ID:               string(code),
			ShortDescription: sarifText{Text: strings.TrimSuffix(first, ".") + "."},
			FullDescription:  sarifText{Text: e.Cause},
			Help: sarifText{
				Text:     e.Fix + "\nSee " + code.Page() + ".",
				Markdown: e.Cause + "\n\n" + e.Example + "\n\n**Fix:** " + e.Fix + "\n\nSee " + code.Page() + ".",
			},
			Default:    sarifDefaults{Level: code.Severity().String()},
			Properties: sarifProperties{Page: code.Page(), Tags: []string{"configuration"}},
		})
	}
	return rules
}

func (s SARIF) result(d diag.Diagnostic, rule int, seen map[string]int) sarifResult {
	message := d.Message
	if d.Hint != "" {
		message += "; " + d.Hint
	}
	out := sarifResult{
		RuleID: string(d.Code), RuleIndex: rule, Level: d.Severity.String(), Message: sarifText{Text: noLinks(message)},
		Fingerprints: map[string]string{"proscenium/v1": fingerprint(d, seen)},
	}
	at := sarifLocation{Physical: &sarifPhysical{File: s.locate(d.File)}}
	if d.File != "" && d.Line > 0 {
		at.Physical.Region = regionOf(d)
	}
	if d.Path != "" {
		at.Logical = []sarifLogical{{d.Path}}
	}
	out.Locations = []sarifLocation{at}
	for i, r := range d.Related {
		out.Related = append(out.Related, sarifLocation{
			ID: i + 1, Message: &sarifText{Text: noLinks(r.Message)},
			Physical: &sarifPhysical{File: s.locate(r.File), Region: &sarifRegion{StartLine: r.Line, StartColumn: r.Column}},
		})
	}
	return out
}

// regionOf is the piece of the line; a place behind the end of its line is empty, since a region covers what there is.
func regionOf(d diag.Diagnostic) *sarifRegion {
	region := &sarifRegion{StartLine: d.Line, StartColumn: d.Column, EndLine: d.Line, EndColumn: d.EndColumn}
	if line := []rune(d.Excerpt); len(line) > 0 {
		region.EndColumn = max(d.Column, min(d.EndColumn, 1+len(line)))
		region.Snippet = &sarifText{Text: string(line[min(d.Column-1, len(line)):min(region.EndColumn-1, len(line))])}
	}
	return region
}

// locate names a file by a relative reference, escaped as URIs are. What is in no file is in the directory: services refuse results that
// are nowhere.
func (s SARIF) locate(file string) sarifFile {
	name := s.Prefix + file
	if name == "" {
		name = "."
	}
	return sarifFile{URI: (&url.URL{Path: name}).String(), URIBaseID: baseID}
}

// noLinks keeps what files hold from becoming links of a report (3.11.6).
func noLinks(s string) string {
	if !strings.Contains(s, "](") {
		return s
	}
	return strings.ReplaceAll(s, "[", `\[`)
}

// fingerprint tells findings apart, and knows one again after lines above it have come or gone: it is of what the line says, not of its number.
func fingerprint(d diag.Diagnostic, seen map[string]int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(d.Code), d.File, strings.TrimSpace(d.Excerpt), d.Message}, "\x00")))
	text := hex.EncodeToString(sum[:8])
	seen[text]++
	return text + ":" + strconv.Itoa(seen[text])
}
