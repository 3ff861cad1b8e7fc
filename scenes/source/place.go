package source

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"proscenium/scenes/diag"
)

// Place is where a value of the bundle, or of another message that files hold, was written. Places form a tree of the shape of the message;
// the root is the message itself.
// What was not written has a place too: it points at what would hold it. A tree is read-only once it was parsed.
type Place struct {
	parent   *Place
	name     string // of the field, or the key of a map's entry
	index    int    // of a list's element
	kind     step
	text     *text
	key      *yaml.Node // nil for elements of lists
	written  *yaml.Node // the value as written, possibly an alias; nil if it was not written
	value    *yaml.Node // the value itself
	children []*Place
	keys     map[string]*Place // of a map: children by key
	bad      bool
	partial  bool // a merge was not understood: what is not written may be in it
	guessed  bool // nothing is written here, but a misspelt field beside it was probably meant to be; then it is bad

	// from is the part that the place was reused from; nil if it was parsed with the rest. Then text, key, written, value and children are
	// those of real, and asked for there; only the list or map of a section has its children itself.
	from   *part
	entity *entity // of an element or entry of a section, or a section that is one message
}

type step uint8

const (
	root step = iota
	field
	element
	entry
	// unwritten is an open field that is not written itself: its entries stand beside the other fields of its message.
	unwritten
)

// Field is the place of a message's field.
func (p *Place) Field(name string) *Place {
	if p.from != nil {
		at := &Place{parent: p, name: name, kind: field, from: p.from}
		if p.entity != nil && p.entity.open == name {
			at.kind = unwritten
		}
		return at
	}
	for _, c := range p.children {
		if c.name == name {
			return c
		}
	}
	return &Place{parent: p, name: name, kind: field, text: p.text, bad: p.partial}
}

// Key is the place of a map's entry.
func (p *Place) Key(key string) *Place {
	if c := p.keys[key]; c != nil {
		return c
	}
	return &Place{parent: p, name: key, kind: entry, text: p.text, from: p.from}
}

// Index is the place of a list's element.
func (p *Place) Index(i int) *Place {
	if i >= 0 && i < len(p.children) {
		return p.children[i]
	}
	return &Place{parent: p, index: i, kind: element, text: p.text, from: p.from}
}

// Written says whether there is anything at the place.
func (p *Place) Written() bool {
	if p.from != nil {
		return p.reusedWritten()
	}
	return p.written != nil || len(p.children) > 0
}

// Empty says that the key stands there and nothing, or null, behind it.
func (p *Place) Empty() bool {
	p = p.real()
	return p.value != nil && isNull(p.value)
}

// Bad says whether what was written there was not understood: it was reported, and the bundle does not hold it.
func (p *Place) Bad() bool { return p.bad }

// Path names the place within the bundle, such as scenes[12].voucher.bypass_validation or limits.vouchers.per_user.window.
func (p *Place) Path() string { return string(p.appendPath(nil)) }

func (p *Place) appendPath(b []byte) []byte {
	if p.parent != nil {
		b = p.parent.appendPath(b)
	}
	switch p.kind {
	case field:
		if len(b) > 0 {
			b = append(b, '.')
		}
		b = append(b, p.name...)
	case element:
		b = append(strconv.AppendInt(append(b, '['), int64(p.index), 10), ']')
	case entry:
		if p.likeField() {
			return append(append(b, '.'), p.name...)
		}
		b = append(strconv.AppendQuote(append(b, '['), p.name), ']')
	case root, unwritten:
	}
	return b
}

// likeField says whether paths name an entry as a field: where files write it like one, and it could be the name of one.
func (p *Place) likeField() bool {
	section := p.parent != nil && p.parent.parent != nil && p.parent.parent.parent == nil
	return (section || p.parent != nil && p.parent.kind == unwritten) && p.name != "" && strings.Trim(p.name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// Span is the piece of a file to point at: the scalar, or the key of a list or a mapping, or the first key of an element.
// The span of the root is empty.
func (p *Place) Span() Span {
	p = p.real()
	for p.written == nil && p.parent != nil {
		p = p.parent
	}
	if p.written == nil {
		return Span{}
	}
	shown := p.written
	switch {
	case shown.Kind == yaml.ScalarNode && shown.Value == "" && shown.Style == 0 && p.key != nil:
		shown = p.key // nothing was written after the key
	case shown.Kind == yaml.MappingNode && len(shown.Content) > 0 && p.key == nil:
		shown = shown.Content[0]
	case shown.Kind != yaml.ScalarNode && shown.Kind != yaml.AliasNode && p.key != nil:
		shown = p.key
	}
	return p.text.span(shown.Line, shown.Column, width(p.text, shown))
}

// KeySpan is the piece of a file to point at for findings about the field or key itself.
func (p *Place) KeySpan() Span {
	p = p.real()
	if p.key == nil {
		return p.Span()
	}
	return p.text.span(p.key.Line, p.key.Column, width(p.text, p.key))
}

// Inside is the piece of a file that holds a part of the text at this place, given by offset and length in bytes: exact if the scalar is plain,
// quoted or a block, the start of the scalar where that cannot be told.
func (p *Place) Inside(offset, length int) Span {
	p = p.real()
	if p.value == nil || p.value.Kind != yaml.ScalarNode {
		return p.Span()
	}
	line, column, end, ok := locate(p.text, p.value, offset, offset+max(length, 1))
	if !ok {
		return p.Span()
	}
	return p.text.span(line, column, end-column)
}

// Error makes a finding of severity Error about the place.
func (p *Place) Error(code diag.Code, message, hint string) diag.Diagnostic {
	return p.finding(p.Span(), code, diag.Error, message, hint)
}

// Warning makes a finding of severity Warning about the place.
func (p *Place) Warning(code diag.Code, message, hint string) diag.Diagnostic {
	return p.finding(p.Span(), code, diag.Warning, message, hint)
}

// ErrorInside makes a finding about a part of the text at the place, as [Place.Inside].
func (p *Place) ErrorInside(offset, length int, code diag.Code, message, hint string) diag.Diagnostic {
	return p.finding(p.Inside(offset, length), code, diag.Error, message, hint)
}

func (p *Place) finding(at Span, code diag.Code, severity diag.Severity, message, hint string) diag.Diagnostic {
	d := at.Finding(code, severity, message, hint)
	d.Path = p.Path()
	return d
}

// add makes the place of a child.
func (p *Place) add(child *Place) *Place {
	child.parent = p
	if child.kind == entry {
		if p.keys == nil {
			p.keys = map[string]*Place{}
		}
		p.keys[child.name] = child
		p.children = append(p.children, child)
		return child
	}
	for i, c := range p.children {
		if c.guessed && c.name == child.name {
			child.bad = p.kind == root // one file has the section, another one a misspelt part of it
			p.children[i] = child
			return child
		}
	}
	p.children = append(p.children, child)
	return child
}

// guess marks a field as one that was probably meant by a misspelt one: what is wrong with it has been reported.
func (p *Place) guess(name string, meant *Place) {
	at := p.Field(name)
	switch {
	case !at.Written() && !at.guessed:
		meant.name, meant.kind, meant.bad, meant.guessed = name, field, true, true
		p.add(meant)
	case p.kind == root:
		at.bad = true
	}
}

// width is how many columns a scalar takes on its first line; 1 where it is not one.
func width(t *text, n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		return 1 + utf8.RuneCountInString(n.Value)
	}
	if n.Kind != yaml.ScalarNode {
		return 1
	}
	rest := t.from(n.Line, n.Column)
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || n.Value == "" {
		return utf8.RuneCountInString(firstWord(rest))
	}
	line, column, _, ok := locate(t, n, len(n.Value), len(n.Value))
	if !ok || line != n.Line {
		return utf8.RuneCountInString(rest)
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		column++ // the closing quote, where it is on this line
	}
	return min(column-n.Column, utf8.RuneCountInString(rest))
}
