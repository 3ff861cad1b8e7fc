package catalog

import (
	"slices"

	"proscenium/catalog/table"
	"proscenium/facts"
	"proscenium/scenes/diag"
)

// first remembers the line where a key stood first.
type first[K comparable] map[K]int

// unique reports a key that was there before.
func (f first[K]) unique(r *table.Reader, column int, key K) bool {
	if line, twice := f[key]; twice {
		r.Fault(column, diag.DuplicateID, "remove one of them", "this key stands in line %d already", line)
		return false
	}
	f[key] = r.Line()
	return true
}

// The tables that others refer to.
const (
	items      = "items"
	models     = "models"
	sessions   = "live_stream_sessions"
	promotions = "promotions"
)

// lostRows are the rows of a table that were left out: what refers to them is not at fault.
type lostRows struct {
	all bool
	ids map[int64]bool
}

// lose remembers a row that is left out; one without an id could be any.
func (l *loader) lose(name string, id int64) {
	lost := l.lost[name]
	if lost.ids == nil {
		lost.ids = map[int64]bool{}
	}
	lost.ids[id] = true
	lost.all = lost.all || id == 0
	l.lost[name] = lost
}

func (l *loader) loseAll(r *table.Reader, name string) {
	if r.Broken() {
		l.lose(name, 0)
	}
}

func (l *loader) lostAny(name string) bool { return len(l.lost[name].ids) > 0 }

// unknown reports an id that a table does not have, unless the table's row was left out.
func (l *loader) unknown(r *table.Reader, column int, name string, id int64, message string, args ...any) {
	if lost := l.lost[name]; lost.all || lost.ids[id] {
		r.Reject()
		return
	}
	r.Fault(column, diag.UnknownReference, "add it to "+name+".csv", message, args...)
}

// group orders rows by owner, keeping their order otherwise: order[i] is the row that comes to place i, parts[o] are the places of owner o.
func group(owners []int32, count int) (order []int32, parts []extent) {
	parts = make([]extent, count)
	for _, o := range owners {
		parts[o].end++
	}
	var at int32
	for o := range parts {
		size := parts[o].end
		parts[o] = extent{first: at, end: at}
		at += size
	}
	order = make([]int32, len(owners))
	for row, o := range owners {
		order[parts[o].end] = int32(row)
		parts[o].end++
	}
	return order, parts
}

// item is the index of the item that the cell names.
func (l *loader) item(r *table.Reader, column int) int32 {
	id := r.ID(column)
	i, known := l.cat.itemIndex[id]
	if !known && id != 0 {
		l.unknown(r, column, items, id, "there is no item %d", id)
	}
	return i
}

// model is the index of the model that the cell names.
func (l *loader) model(r *table.Reader, column int) int32 {
	id := r.ID(column)
	i, known := l.cat.modelIndex[id]
	if !known && id != 0 {
		l.unknown(r, column, models, id, "there is no model %d", id)
	}
	return i
}

// modelIDs are the ids of known models that the cell lists.
func (l *loader) modelIDs(r *table.Reader, column int) []int64 {
	ids := r.IDs(column)
	for _, id := range ids {
		if _, known := l.cat.modelIndex[id]; !known && id != 0 {
			l.unknown(r, column, models, id, "there is no model %d", id)
			break
		}
	}
	return ids
}

func (l *loader) itemIDs(r *table.Reader, column int) []int64 {
	ids := r.IDs(column)
	for _, id := range ids {
		if _, known := l.cat.itemIndex[id]; !known && id != 0 {
			l.unknown(r, column, items, id, "there is no item %d", id)
			break
		}
	}
	return ids
}

// known reports the first of names that no item has: it would never match.
func (l *loader) known(r *table.Reader, column int, plural string, names []string, have map[string]bool) []string {
	for _, name := range names {
		if !have[name] && !l.lostAny(items) {
			all := make([]string, 0, len(have))
			for n := range have {
				all = append(all, n)
			}
			slices.Sort(all)
			r.Fault(column, diag.UnknownReference, diag.Suggest(name, plural, all), "no item has %q", name)
			break
		}
	}
	return names
}

func (l *loader) shop(r *table.Reader, column int) int64 {
	id := r.OptionalID(column)
	if id != 0 && !l.shops[id] && !l.lostAny(items) {
		r.Fault(column, diag.UnknownReference, "items.csv names the shops", "there is no shop %d", id)
	}
	return id
}

func (l *loader) region(r *table.Reader, column int) string {
	name := r.Text(column)
	if name == "" && len(l.cat.regions) == 1 {
		return l.cat.regions[0]
	}
	if !l.cat.Serves(name) {
		r.Fault(column, diag.UnknownReference, diag.Available("regions in catalog.csv", l.cat.regions), "unknown region %q", name)
	}
	return name
}

// window is the index of the row's window [start, end) in times.
func (l *loader) window(r *table.Reader, times *calendar, start, end int) int32 {
	from, to := r.Instant(start, l.cat.zone, facts.Always), r.Instant(end, l.cat.zone, facts.Never)
	if from >= to {
		if r.OK() {
			r.Fault(end, diag.OutOfRange, "an end is the first instant that does not belong to the window", "the end is not after the start")
		}
		return 0
	}
	i, ok := times.add(from, to)
	if !ok {
		r.Fault(end, diag.OutOfRange, "leave the end empty, or end within a year",
			"the window touches %d, which repeats every year, and is longer than a year", times.from)
	}
	return i
}

func onePrice(r *table.Reader, column int, preTax, postTax int64) {
	if r.OK() && preTax == facts.NoPrice && postTax == facts.NoPrice {
		r.Fault(column, diag.MissingField, "fill in pre_tax_price, post_tax_price or both", "there is no price")
	}
}
