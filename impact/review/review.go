// Package review writes what a change of a configuration does, for people and for programs: what was edited, and what becomes of recorded requests.
package review

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"proscenium/impact"
	"proscenium/scenes/diff"
)

// Review is two sides and how they differ.
type Review struct {
	Old Side `json:"old"`
	New Side `json:"new"`
	// Changes are those of the configuration; nil where none was read, as between servers.
	Changes []diff.Change `json:"changes"`
	// Impact is nil where no requests were given.
	Impact *impact.Report `json:"impact,omitempty"`
}

// Side is a configuration, or a server.
type Side struct {
	// Name is the directory, or the address.
	Name string `json:"name"`
	// Version is that of the configuration; empty: unknown.
	Version string `json:"version,omitempty"`
	// Scenes is how many scenes the configuration has, 0 where it is unknown.
	Scenes int `json:"scenes,omitempty"`
	// server says that the configuration is what the server has at the time.
	Server bool `json:"server,omitempty"`
}

// JSON writes the review as an object. Its form is stable: fields are added, and never change their meaning.
func JSON(w io.Writer, r *Review) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	out := *r
	if out.Changes == nil && !r.New.Server {
		out.Changes = []diff.Change{}
	}
	return e.Encode(out)
}

// Headline says in a sentence or two what the change does to those who buy, or if there are no requests, what it edits.
func Headline(r *Review) string {
	if r.Impact == nil {
		return editsLine(r.Changes)
	}
	return impactLine(r.Impact)
}

func editsLine(changes []diff.Change) string {
	if len(changes) == 0 {
		return "The configurations say the same."
	}
	var words []string
	for _, kind := range []diff.Kind{diff.Added, diff.Removed, diff.Changed} {
		n := 0
		for _, c := range changes {
			if c.Kind == kind {
				n++
			}
		}
		if n > 0 {
			words = append(words, fmt.Sprintf("%s %s", count(n), kind))
		}
	}
	return fmt.Sprintf("%s: %s.", plural(len(changes), "entity differs", "entities differ"), strings.Join(words, ", "))
}

func impactLine(p *impact.Report) string {
	if p.Compared == 0 {
		return "No request could be compared."
	}
	if p.Changed == 0 {
		return fmt.Sprintf("None of %s gets another answer.", plural(p.Compared, "request", "requests")) + usersLine(p)
	}
	verb := "get"
	if p.Changed == 1 {
		verb = "gets"
	}
	sentences := []string{fmt.Sprintf("%s of %s %s another answer (%s).", count(p.Changed), plural(p.Compared, "request", "requests"), verb, share(p.Percent, p.Changed, p.Compared))}
	for _, c := range p.Prices {
		if s := pricesLine(c); s != "" {
			sentences = append(sentences, s)
		}
	}
	refused, answered := 0, 0
	for _, c := range p.Refusals {
		switch {
		case c.Old == "":
			refused += c.Requests
		case c.New == "":
			answered += c.Requests
		}
	}
	if refused > 0 {
		sentences = append(sentences, plural(refused, "request that was answered is refused.", "requests that were answered are refused."))
	}
	if answered > 0 {
		sentences = append(sentences, plural(answered, "request that was refused is answered.", "requests that were refused are answered."))
	}
	return strings.Join(sentences, " ") + usersLine(p)
}

// usersLine says that the answers of unknown users tell little of what only some users get.
func usersLine(p *impact.Report) string {
	if p.UnknownUsers == 0 {
		return ""
	}
	return fmt.Sprintf(" What only some users get is not in it: the users of %s are not known.", plural(p.UnknownUsers, "request", "requests"))
}

// pricesLine says how many prices rise and fall.
func pricesLine(c impact.Prices) string {
	var parts []string
	if m := c.Dearer; m.Prices > 0 {
		parts = append(parts, plural(m.Prices, "price rises", "prices rise")+by(m.Median, m.Largest, c.Currency))
	}
	if m := c.Cheaper; m.Prices > 0 {
		parts = append(parts, plural(m.Prices, "price falls", "prices fall")+by(-m.Median, -m.Largest, c.Currency))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

func by(median, largest int64, currency string) string {
	if median == largest {
		return " by " + amount(median, currency)
	}
	return fmt.Sprintf(" by %s in the median, at most by %s", amount(median, currency), amount(largest, currency))
}
