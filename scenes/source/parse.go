package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/pace"
)

// maxDepth bounds how deep YAML may be nested. The bundle's own depth is below ten.
const maxDepth = 64

// Bounds of what files hold: a small file may hold much, and what is made of it takes a hundred times its bytes.
const (
	maxEntities = 100_000
	maxValues   = 2_000_000
	// maxMarks bounds a single file before it is parsed, see marks.
	maxMarks = 1_000_000
)

// Parsed is what files say, as far as it was understood.
type Parsed struct {
	Bundle *configv1.Bundle
	Root   *Place // of Bundle
	// Whole says that every file was read to its end: what is not in Bundle is in no file.
	Whole bool
	// Full says that there is more than there is room for: what is in Bundle is not worth a look.
	Full     bool
	Findings []diag.Diagnostic
}

// Parse reads files, in the order given, into one bundle. It never panics, whatever the files hold.
func Parse(files []File) Parsed {
	bundle := &configv1.Bundle{}
	tree := ParseInto(bundle, files)
	return Parsed{Bundle: bundle, Root: tree.Root, Whole: tree.Whole, Findings: tree.Findings}
}

// Tree says where the fields of a message stand in files, as [Parsed] does for a bundle.
type Tree struct {
	Root     *Place
	Whole    bool
	Findings []diag.Diagnostic
}

// ParseInto reads files, in the order given, into a message, which is empty before: what [Parse] does, for another kind of file than the
// bundle's.
func ParseInto(into proto.Message, files []File) Tree {
	p := parser{into: into.ProtoReflect(), root: &Place{}, whole: true}
	for _, f := range files {
		p.file(f)
	}
	return Tree{Root: p.root, Whole: p.whole, Findings: p.findings.All()}
}

type parser struct {
	into     protoreflect.Message
	root     *Place
	whole    bool
	findings diag.List
	pace     *pace.Pace                     // nil: none
	values   int                            // read so far
	full     bool                           // there is no room for more
	reported int                            // findings so far, also those dropped
	sections []protoreflect.FieldDescriptor // that the file has which is being read
}

func (p *parser) report(d diag.Diagnostic) {
	p.findings.Add(d)
	p.reported++
}

func (p *parser) file(f File) {
	if p.full {
		return
	}
	data := bytes.TrimPrefix(f.Data, []byte("\ufeff"))
	t, ok := p.text(f.Name, data)
	if !ok {
		p.whole = false
		return
	}
	documents, problem := compose(&pacedReader{Reader: bytes.NewReader(data), pace: p.pace})
	if problem != nil {
		p.whole = false
		p.report(syntaxFinding(t, problem))
	}
	costs, all := make([]int, len(documents)), 0
	for i, doc := range documents {
		costs[i] = cost(doc)
		all += costs[i]
	}
	if !p.room(all/2, 0) {
		return
	}
	d := decoder{parser: p, text: t, left: maxAliased}
	for i, doc := range documents {
		d.left += costs[i]
		d.document(doc)
	}
	p.room(max(0, maxAliased-d.left), 0) // what was reached through aliases
}

// room counts values and entities, and says whether there is room for them. Where there is none, the rest is not read.
func (p *parser) room(values, entities int) bool {
	p.values += values
	if p.full || p.values <= maxValues && entities <= maxEntities {
		return !p.full
	}
	p.full, p.whole = true, false
	p.report(diag.Diagnostic{
		Code: diag.FileTooLarge, Severity: diag.Error,
		Message: fmt.Sprintf("the configuration holds more than %d entities or %d values", maxEntities, maxValues), Hint: "is it the right one?",
	})
	return false
}

// text checks what the YAML parser would refuse without a position.
func (p *parser) text(name string, data []byte) (*text, bool) {
	if len(data) > maxFileBytes {
		p.report(diag.Diagnostic{
			Code: diag.FileTooLarge, Severity: diag.Error, File: name,
			Message: fmt.Sprintf("the file has %d bytes, more than %d", len(data), maxFileBytes), Hint: "split it: a bundle may have many files",
		})
		return nil, false
	}
	if n := marks(data); n > maxMarks {
		p.report(diag.Diagnostic{
			Code: diag.FileTooLarge, Severity: diag.Error, File: name,
			Message: fmt.Sprintf("the file has %d lines, commas and colons, more than %d", n, maxMarks), Hint: "split it: a bundle may have many files",
		})
		return nil, false
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		message := ""
		switch {
		case r == utf8.RuneError && size == 1:
			message = fmt.Sprintf("byte 0x%02X is not UTF-8", data[i])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == '\ufffe', r == '\uffff':
			message = fmt.Sprintf("control character U+%04X is not allowed", r)
		}
		if message != "" {
			t := newText(name, bytes.ToValidUTF8(data, []byte("\ufffd")))
			before := newText(name, data[:i])
			column := 1 + utf8.RuneCountInString(before.lines[len(before.lines)-1])
			p.report(t.span(len(before.lines), column, 1).Finding(diag.NotUTF8, diag.Error, message, "save the file as UTF-8 text"))
			return nil, false
		}
		i += size
	}
	return newText(name, data), true
}

// pacedReader rests while a file is parsed: the parser reads some hundred bytes at a time.
type pacedReader struct {
	io.Reader
	pace *pace.Pace
}

func (r *pacedReader) Read(b []byte) (int, error) {
	r.pace.Step()
	return r.Reader.Read(b)
}

// marks are at least as many as the values of a file, nearly: one of them stands between any two.
func marks(data []byte) int {
	return bytes.Count(data, []byte(",")) + bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte(":"))
}

// compose parses the documents of a file into nodes. On an error, those before it are good.
func compose(data io.Reader) (documents []*yaml.Node, problem *yaml.LoadError) {
	defer func() {
		// The parser panics for states that it holds for impossible. A file must not end the process, even if it finds one.
		if r := recover(); r != nil {
			problem = &yaml.LoadError{Message: fmt.Sprint("the parser gave up: ", r)}
		}
	}()
	loader, err := yaml.NewLoader(data, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	for err == nil {
		var doc yaml.Node
		if err = loader.Load(&doc); err == nil {
			documents = append(documents, &doc)
		}
	}
	if errors.Is(err, io.EOF) {
		return documents, nil
	}
	if !errors.As(err, &problem) {
		problem = &yaml.LoadError{Message: err.Error()}
	}
	return documents, problem
}
