package table

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"unicode/utf8"

	"proscenium/scenes/diag"
)

// MaxBytes bounds a file, unpacked.
const MaxBytes = 256 << 20

// usualRatio is how much larger tables usually are than packed: a guess that only saves copying.
const usualRatio = 8

// Spec describes a table. Columns are named by their index from then on.
type Spec struct {
	// Name is that of the file, without .csv or .csv.gz.
	Name string
	// Required says that a missing file is a fault; otherwise it is an empty table.
	Required bool
	Columns  []Column
}

// Column is a column of a table.
type Column struct {
	Name string
	// Required says that the file must have the column. Other columns may be left out: their cells are empty.
	Required bool
}

// Reader reads the rows of one file. The methods that read a cell report what is wrong in it; see [Reader.OK]. It is not safe for concurrent use.
type Reader struct {
	file     string
	data     []byte
	csv      *csv.Reader
	spec     Spec
	field    []int // by column: where its cell stands in a row, or -1
	width    int   // columns of the file
	row      []string
	line     int
	ok       bool
	broken   bool // rows are missing
	found    *Findings
	words    map[string][]string // by cell
	instants map[string]int64
}

// Open finds NAME.csv or NAME.csv.gz and reads its header. The reader of a file that is missing or unusable has no rows.
func Open(fsys fs.FS, spec Spec, found *Findings) *Reader {
	r := &Reader{spec: spec, found: found, words: map[string][]string{}, instants: map[string]int64{}}
	var missing bool
	if r.file, r.data, missing = read(fsys, spec, found); r.data == nil {
		r.broken = spec.Required || !missing
		return r
	}
	r.broken = true // until the header is read
	if !utf8.Valid(r.data) {
		found.Add(diag.Diagnostic{Code: diag.NotUTF8, File: r.file, Message: "the file is not UTF-8", Hint: "save it as UTF-8"})
		return r
	}
	r.data = bytes.TrimPrefix(r.data, []byte("\ufeff")) // spreadsheets write it
	c := csv.NewReader(bytes.NewReader(r.data))
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	header, err := c.Read()
	if err != nil {
		r.fault(err)
		return r
	}
	if r.header(c, header) {
		r.csv, r.broken = c, false
	}
	return r
}

// read returns no data for a file that is missing and for one that cannot be used.
func read(fsys fs.FS, spec Spec, found *Findings) (name string, data []byte, missing bool) {
	plain, packed := spec.Name+".csv", spec.Name+".csv.gz"
	data, err := readAll(fsys, plain, false)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = readAll(fsys, packed, true)
		if errors.Is(err, fs.ErrNotExist) {
			if spec.Required {
				found.Add(diag.Diagnostic{Code: diag.MissingField, File: plain, Message: "the file is missing", Hint: "a catalog needs " + plain + " or " + packed})
			}
			return plain, nil, true
		}
		plain = packed
	} else if _, both := fs.Stat(fsys, packed); both == nil {
		found.Add(diag.Diagnostic{Code: diag.ConflictingField, File: packed, Message: plain + " is there too", Hint: "remove one of them"})
		return packed, nil, false
	}
	if err != nil {
		found.Add(diag.Diagnostic{Code: diag.Unreadable, File: plain, Message: err.Error()})
		return plain, nil, false
	}
	return plain, data, false
}

func readAll(fsys fs.FS, name string, packed bool) (_ []byte, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var content bytes.Buffer
	size := int64(0)
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	var from io.Reader = f
	if packed {
		if from, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		size *= usualRatio
	}
	content.Grow(int(min(size+bytes.MinRead, MaxBytes)))
	if _, err := content.ReadFrom(io.LimitReader(from, MaxBytes+1)); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if content.Len() > MaxBytes {
		return nil, fmt.Errorf("the file has more than %d bytes", MaxBytes)
	}
	return content.Bytes(), nil
}

func (r *Reader) header(c *csv.Reader, header []string) bool {
	names := make([]string, len(r.spec.Columns))
	for i, col := range r.spec.Columns {
		names[i] = col.Name
	}
	r.field = make([]int, len(names))
	for i := range r.field {
		r.field[i] = -1
	}
	r.width = len(header)
	good := true
	fault := func(at int, code diag.Code, message, hint string) {
		line, column := c.FieldPos(at)
		r.found.Add(r.at(line, column, diag.Diagnostic{Code: code, Message: message, Hint: hint}))
		good = false
	}
	for at, name := range header {
		i := indexOf(names, name)
		switch {
		case i < 0:
			fault(at, diag.UnknownField, fmt.Sprintf("unknown column %q", name), diag.Suggest(name, "columns", names))
		case r.field[i] >= 0:
			fault(at, diag.DuplicateKey, fmt.Sprintf("column %q stands twice", name), "remove one of them")
		default:
			r.field[i] = at
		}
	}
	for i, col := range r.spec.Columns {
		if col.Required && r.field[i] < 0 {
			fault(0, diag.MissingField, fmt.Sprintf("column %q is missing", col.Name), "the first line names the columns")
		}
	}
	return good
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// Next reads the next row, and is false at the end. Rows with a wrong number of cells are reported and passed over; behind a fault of syntax
// nothing more is read.
func (r *Reader) Next() bool {
	if r.csv == nil {
		return false
	}
	for {
		row, err := r.csv.Read()
		if err != nil {
			r.fault(err)
			r.csv = nil
			return false
		}
		r.row, r.ok = row, true
		r.line, _ = r.csv.FieldPos(0)
		if len(row) == r.width {
			return true
		}
		r.broken = true
		r.found.Add(r.at(r.line, 0, diag.Diagnostic{
			Code:    CSVSyntax,
			Message: fmt.Sprintf("the row has %d cells, the header has %d", len(row), r.width),
			Hint:    "write every comma, also for empty cells, and put cells that contain one in double quotes",
		}))
	}
}

func (r *Reader) fault(err error) {
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		r.broken = true
		r.found.Add(r.at(parse.Line, parse.Column, diag.Diagnostic{
			Code: CSVSyntax, Message: parse.Err.Error(),
			Hint: "put a cell that contains a quote in double quotes, and write the quote twice",
		}))
	case r.row == nil && r.field == nil && errors.Is(err, io.EOF):
		r.found.Add(diag.Diagnostic{Code: CSVSyntax, File: r.file, Message: "the file is empty", Hint: "its first line names the columns"})
	}
}

// File is the name of the file that is read.
func (r *Reader) File() string { return r.file }

// Rows is about the number of rows: it is right where no cell has a line break.
func (r *Reader) Rows() int { return bytes.Count(r.data, []byte{'\n'}) }

// Line is the line where the current row starts.
func (r *Reader) Line() int { return r.line }

// OK says whether no cell of the current row was wrong so far.
func (r *Reader) OK() bool { return r.ok }

// Reject makes the current row wrong for a reason that was reported elsewhere.
func (r *Reader) Reject() { r.ok = false }

// Broken says that rows were lost before they could be read, which was reported.
func (r *Reader) Broken() bool { return r.broken }

// Fault reports that a cell of the current row is wrong. The message is written behind the column's name.
func (r *Reader) Fault(column int, code diag.Code, hint, message string, args ...any) {
	r.ok = false
	line, place := r.Place(column)
	name := r.spec.Columns[column].Name
	r.found.Add(r.at(line, place, diag.Diagnostic{Code: code, Path: name, Message: name + ": " + fmt.Sprintf(message, args...), Hint: hint}))
}

// Place is where a cell of the current row starts: line, and column in bytes from 1, or 0 where the file does not have the column.
func (r *Reader) Place(column int) (line, place int) {
	if at := r.field[column]; at >= 0 {
		return r.csv.FieldPos(at)
	}
	return r.line, 0
}

// maxExcerpt bounds the source line that a finding carries, in bytes.
const maxExcerpt = 200

// at completes a finding with its place; column counts bytes from 1.
func (r *Reader) at(line, column int, d diag.Diagnostic) diag.Diagnostic {
	d.File, d.Line, d.Column = r.file, line, column
	rest := r.data
	for range line - 1 {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return d
		}
		rest = rest[end+1:]
	}
	if end := bytes.IndexByte(rest, '\n'); end >= 0 {
		rest = rest[:end]
	}
	if column > 1 && column <= len(rest) {
		d.Column = utf8.RuneCount(rest[:column-1]) + 1
	}
	if len(rest) > maxExcerpt {
		rest = rest[:maxExcerpt]
	}
	d.Excerpt = strings.ToValidUTF8(strings.TrimSuffix(string(rest), "\r"), "")
	return d
}
