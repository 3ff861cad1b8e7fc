package table

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"proscenium/scenes/diag"
)

func (r *Reader) cell(column int) string {
	if at := r.field[column]; at >= 0 {
		return r.row[at]
	}
	return ""
}

// Has says whether the cell is there and not empty.
func (r *Reader) Has(column int) bool { return r.cell(column) != "" }

func (r *Reader) required(column int) string {
	s := r.cell(column)
	if s == "" {
		r.Fault(column, diag.MissingField, "", "a value is missing")
	}
	return s
}

// Text is the cell as it stands.
func (r *Reader) Text(column int) string { return r.cell(column) }

// RequiredText reports an empty cell.
func (r *Reader) RequiredText(column int) string { return r.required(column) }

// ID is a positive number; an empty cell is reported.
func (r *Reader) ID(column int) int64 {
	if r.required(column) == "" {
		return 0
	}
	return r.Int(column, 1, 1<<63-1, 0)
}

// OptionalID is a positive number, or 0 where the cell is empty.
func (r *Reader) OptionalID(column int) int64 { return r.Int(column, 1, 1<<63-1, 0) }

// Int is a whole number from least to most, or absent where the cell is empty.
func (r *Reader) Int(column int, least, most, absent int64) int64 {
	s := r.cell(column)
	if s == "" {
		return absent
	}
	return r.parseInt(column, s, least, most)
}

func (r *Reader) parseInt(column int, s string, least, most int64) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (n < least || n > most):
		hint := fmt.Sprintf("at least %d", least)
		if most != 1<<63-1 {
			hint = fmt.Sprintf("from %d to %d", least, most)
		}
		r.Fault(column, diag.OutOfRange, hint, "%s is out of range", s)
	case err != nil:
		r.Fault(column, diag.WrongType, wholeHint(s), "%q is not a whole number", s)
	default:
		return n
	}
	return 0
}

func wholeHint(s string) string {
	if strings.ContainsAny(s, ".,%$") {
		return "amounts are in minor units: 199 for 1.99; rates are in 1e-5: 5000 for 5%"
	}
	return "digits only"
}

// Bool is true or false; an empty cell is absent.
func (r *Reader) Bool(column int, absent bool) bool {
	switch s := r.cell(column); s {
	case "":
		return absent
	case "true":
		return true
	case "false":
		return false
	default:
		r.Fault(column, diag.WrongType, "write true or false", "%q is not a truth value", s)
		return absent
	}
}

// OneOf is the index of the cell among names, or absent where the cell is empty.
func (r *Reader) OneOf(column int, names []string, absent int) int {
	s := r.cell(column)
	if s == "" {
		return absent
	}
	if i := slices.Index(names, s); i >= 0 {
		return i
	}
	r.Fault(column, diag.UnknownEnum, diag.Suggest(s, "values", names), "unknown value %q", s)
	return absent
}

// The years that instants may lie in: Unix nanoseconds of 64 bits reach from 1678 to 2261.
const (
	firstYear = 1678
	lastYear  = 2261
)

// Instant is a date, meaning its midnight in the zone, or an RFC 3339 time, in Unix nanoseconds; absent where the cell is empty.
func (r *Reader) Instant(column int, zone *time.Location, absent int64) int64 {
	s := r.cell(column)
	if s == "" {
		return absent
	}
	if at, known := r.instants[s]; known {
		return at
	}
	t, err := time.ParseInLocation(time.DateOnly, s, zone)
	if err != nil {
		t, err = time.Parse(time.RFC3339Nano, s)
	}
	switch {
	case err != nil:
		r.Fault(column, diag.BadTimestamp, "write a date as 2017-02-28, or a time as 2017-02-28T18:00:00-05:00", "%q is not a date or time", s)
		return absent
	case t.Year() < firstYear || t.Year() > lastYear:
		r.Fault(column, diag.OutOfRange, fmt.Sprintf("years from %d to %d", firstYear, lastYear), "%s is out of range", s)
		return absent
	}
	at := t.UnixNano()
	r.instants[s] = at
	return at
}

// Words are the parts of the cell between blanks or |. Equal cells share one slice: nobody may change it.
func (r *Reader) Words(column int) []string { return r.split(column, " |") }

// Steps are the parts of the cell between slashes. Equal cells share one slice: nobody may change it.
func (r *Reader) Steps(column int) []string { return r.split(column, "/") }

func (r *Reader) split(column int, separators string) []string {
	s := r.cell(column)
	if s == "" {
		return nil
	}
	if words, known := r.words[s]; known {
		return words
	}
	words := slices.Clip(strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(separators, c) }))
	r.words[s] = words
	return words
}

// IDs are the positive numbers of the cell between blanks or |. One that stands twice is reported.
func (r *Reader) IDs(column int) []int64 {
	s := r.cell(column)
	if s == "" {
		return nil
	}
	ids := make([]int64, 0, 1+strings.Count(s, " ")+strings.Count(s, "|"))
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return c == ' ' || c == '|' }) {
		ids = append(ids, r.parseInt(column, word, 1, 1<<63-1))
	}
	if !r.ok {
		return ids
	}
	sorted := slices.Sorted(slices.Values(ids))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			r.Fault(column, diag.DuplicateID, "remove one of them", "%d stands twice", sorted[i])
			break
		}
	}
	return ids
}
