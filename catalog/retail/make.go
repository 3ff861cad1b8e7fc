package retail

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"proscenium/catalog"
)

// maker makes the tables of a catalog.
type maker struct {
	*source
	zone  *time.Location
	files map[string]*file
	names []string
	shops []shop // by id
}

// shop is a manufacturer, with its models in the order of the items.
type shop struct {
	id     int64
	skus   []*sku
	public bool // sells a national brand
}

// file is a table under construction.
type file struct {
	name    string
	columns []string
	rows    [][]string
	err     error
}

func newMaker(s *source, zone *time.Location) *maker {
	m := &maker{source: s, zone: zone, files: map[string]*file{}}
	for _, t := range catalog.Tables() {
		f := &file{name: t.Name}
		for _, c := range t.Columns {
			f.columns = append(f.columns, c.Name)
		}
		m.files[t.Name] = f
		m.names = append(m.names, t.Name)
	}
	byID := map[int64]int{}
	for i := range s.skus {
		k := &s.skus[i]
		at, known := byID[k.shop]
		if !known {
			at = len(m.shops)
			byID[k.shop] = at
			m.shops = append(m.shops, shop{id: k.shop})
		}
		m.shops[at].skus = append(m.shops[at].skus, k)
		m.shops[at].public = m.shops[at].public || k.brand != privateBrand
	}
	slices.SortFunc(m.shops, func(a, b shop) int { return cmp.Compare(a.id, b.id) })
	return m
}

func (m *maker) make() []file {
	m.add("catalog", row{"regions": Region, "time_zone": Zone, "repeats_yearly_from": number(Year)})
	m.items()
	m.models()
	m.weeklyCuts()
	m.flashSales()
	m.memberPrices()
	m.liveStreams()
	m.users()
	m.purchases()
	m.couponVouchers()
	m.platformVouchers()
	m.shopVouchers()
	m.taxes()
	m.rebates()
	m.decorations()
	m.packages()
	var all []file
	for _, name := range m.names {
		if f := m.files[name]; len(f.rows) > 0 {
			all = append(all, *f)
		}
	}
	return all
}

// row is a row of a table by the names of its columns; what it does not name stays empty.
type row map[string]string

func (m *maker) add(table string, r row) {
	f := m.files[table]
	cells := make([]string, len(f.columns))
	used := 0
	for i, name := range f.columns {
		if value, there := r[name]; there {
			cells[i] = value
			used++
		}
	}
	if used != len(r) && f.err == nil {
		f.err = fmt.Errorf("table %s does not have all columns of %v", table, r)
	}
	f.rows = append(f.rows, cells)
}

// packFrom is the size from which a table is written packed: smaller ones stay readable.
const packFrom = 64 << 10

// bytes are name and content of the file. Columns that are empty in every row are left out. The content depends on the rows only.
func (f file) bytes() (string, []byte, error) {
	if f.err != nil {
		return "", nil, f.err
	}
	var keep []int
	for i := range f.columns {
		if slices.ContainsFunc(f.rows, func(r []string) bool { return r[i] != "" }) {
			keep = append(keep, i)
		}
	}
	var plain bytes.Buffer
	w := csv.NewWriter(&plain)
	record := make([]string, len(keep))
	for _, cells := range slices.Concat([][]string{f.columns}, f.rows) {
		for to, from := range keep {
			record[to] = cells[from]
		}
		if err := w.Write(record); err != nil {
			return "", nil, fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	w.Flush()
	if plain.Len() < packFrom {
		return f.name + ".csv", plain.Bytes(), nil
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression) // no name, no time: equal rows make equal bytes
	if err != nil {
		return "", nil, fmt.Errorf("pack %s: %w", f.name, err)
	}
	if _, err := z.Write(plain.Bytes()); err != nil {
		return "", nil, fmt.Errorf("pack %s: %w", f.name, err)
	}
	if err := z.Close(); err != nil {
		return "", nil, fmt.Errorf("pack %s: %w", f.name, err)
	}
	return f.name + ".csv.gz", packed.Bytes(), nil
}

// draw is a number that depends on what it is for and on an id, evenly spread.
func draw(purpose string, id int64) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt([]byte(purpose+":"), id, 10)) // a hash takes everything
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// one says whether an id is among one in n.
func one(n uint64, purpose string, id int64) bool { return draw(purpose, id)%n == 0 }

// share is percent of a price of the data, rounded down, at least 1.
func share(price, percent int64) int64 { return max(1, price*percent/100) }

func number(n int64) string { return strconv.FormatInt(n, 10) }

func numbers(all []int64) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = number(n)
	}
	return strings.Join(words, " ")
}

// date writes a local midnight as a date.
func (m *maker) date(at int64) string { return time.Unix(0, at).In(m.zone).Format(time.DateOnly) }

// day is a number that tells days apart and can be read: 170208 for 2017-02-08.
func (m *maker) day(at int64) int64 {
	t := time.Unix(0, at).In(m.zone)
	return int64(t.Year()%100*10000 + int(t.Month())*100 + t.Day())
}

// slug is a name in lower case, with underscores for all that is neither letter nor digit.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	return strings.Join(words, "_")
}
