package scenetest

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"proscenium/scenes/source"
)

// Failure is an expectation that does not hold.
type Failure struct {
	// Path is the field, such as items[0].models[0].final_price; the expression, for those of `that`; empty where it is about all of the answer.
	Path string `json:"path,omitempty"`
	// Want and Got are values as test files write them, or words such as absent.
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
	// Elements are those of a list that is not as long as it should be, the first of them.
	Elements []string `json:"elements,omitempty"`
	// Message says what does not hold where Want and Got do not.
	Message string `json:"message,omitempty"`
	// Parts are values of parts of an expression.
	Parts []Part `json:"parts,omitempty"`
	// File, Line and Column are the place of the expectation.
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// Part is a part of an expression with its value. Of a list of messages, Value is the length, and Elements are the first of them.
type Part struct {
	Text     string   `json:"text"`
	Value    string   `json:"value"`
	Elements []string `json:"elements,omitempty"`
}

func failureAt(at *source.Place) Failure {
	s := at.KeySpan()
	return Failure{File: s.File, Line: s.Line, Column: s.Column}
}

// absent is how a value that is not there is written.
const absent = "absent"

// comparison finds what of an expected answer does not hold.
type comparison struct {
	whole    bool // what is not written must be absent
	failures []Failure
}

func (c *comparison) fail(path string, at *source.Place, want, got string) {
	f := failureAt(at)
	f.Path, f.Want, f.Got = path, want, got
	c.failures = append(c.failures, f)
}

// say adds a failure that is not about two values.
func (c *comparison) say(path string, at *source.Place, message string) {
	f := failureAt(at)
	f.Path, f.Message = path, message
	c.failures = append(c.failures, f)
}

// answer compares all of an answer. In a whole one, what no test can write down once and for all is compared where it is written only.
func (c *comparison) answer(want, got protoreflect.Message, at *source.Place) {
	c.message("", want, got, at, map[protoreflect.Name]bool{"config_version": true, "priced_at": true, "trace": true})
}

// message compares the fields of a message; free are those that need not be written.
func (c *comparison) message(path string, want, got protoreflect.Message, at *source.Place, free map[protoreflect.Name]bool) {
	fields := want.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		here := at.Field(string(fd.Name()))
		switch name := join(path, string(fd.Name())); {
		case here.Written():
			c.field(name, fd, want, got, here)
		case c.whole && got.Has(fd) && !free[fd.Name()]:
			c.fail(name, at, absent, show(fd, got.Get(fd)))
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// field compares a field that is written.
func (c *comparison) field(path string, fd protoreflect.FieldDescriptor, want, got protoreflect.Message, at *source.Place) {
	switch {
	case fd.IsMap():
		c.say(path, at, "a map cannot be compared: write an expression below that")
	case fd.IsList():
		c.list(path, fd, want.Get(fd).List(), got.Get(fd).List(), at)
	case fd.Message() != nil && at.Empty():
		if got.Has(fd) {
			c.fail(path, at, absent, show(fd, got.Get(fd)))
		}
	case fd.HasPresence() && !got.Has(fd):
		c.fail(path, at, show(fd, want.Get(fd)), absent)
	default:
		c.value(path, fd, want.Get(fd), got.Get(fd), at)
	}
}

func (c *comparison) list(path string, fd protoreflect.FieldDescriptor, want, got protoreflect.List, at *source.Place) {
	if want.Len() != got.Len() {
		c.fail(path, at, plural(want.Len(), "element"), plural(got.Len(), "element"))
		last := &c.failures[len(c.failures)-1]
		for i := range min(got.Len(), maxElements) {
			last.Elements = append(last.Elements, showOne(fd, got.Get(i)))
		}
	}
	for i := range min(want.Len(), got.Len()) {
		c.value(fmt.Sprintf("%s[%d]", path, i), fd, want.Get(i), got.Get(i), at.Index(i))
	}
}

// maxElements bounds what is shown of a list.
const maxElements = 20

// value compares a value that is neither a list nor a map.
func (c *comparison) value(path string, fd protoreflect.FieldDescriptor, want, got protoreflect.Value, at *source.Place) {
	if md := fd.Message(); md != nil && !isTime(md) {
		c.message(path, want.Message(), got.Message(), at, nil)
		return
	}
	if !want.Equal(got) {
		c.fail(path, at, showOne(fd, want), showOne(fd, got))
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
