package pricecache

import (
	"encoding/binary"
	"errors"
	"hash/crc64"
	"time"

	"proscenium/facts"
)

// encoding is the version of the values in Redis. It is part of their keys, so that releases that write another do not read each other's.
const encoding = 1

// stored is a value in Redis:
//
//	version, checksum of key and body (8 bytes), body: when it was loaded, epoch, mark, models
//
// Numbers are zigzag varints, texts have their length before them.
type stored struct {
	// loaded is when the provider had answered, by the clock of the process that asked it.
	loaded time.Time
	// epoch and mark are what the load had found before it began, see lane.
	epoch, mark string
	models      []facts.Model
}

var (
	errForeign = errors.New("not an entry of this version and key")
	errShort   = errors.New("it ends too early")
	errLonger  = errors.New("something follows")
	errNumber  = errors.New("a number is out of range")
)

const headLength = 1 + 8

// Flags of a promotion.
const (
	flagSoldOut = 1 << iota
	flagAlways
	flagNever
	flagsKnown = flagSoldOut | flagAlways | flagNever
)

// leastModel and leastPromo are the fewest bytes that one takes: what claims to have more of them than fit is refused before memory is taken for it.
const (
	leastModel = 4
	leastPromo = 10
)

func checksum(key string, body []byte) uint64 {
	table := crc64.MakeTable(crc64.ECMA) // built once by the library
	return crc64.Update(crc64.Checksum([]byte(key), table), table, body)
}

// encode makes the value that is stored under a key.
func encode(key string, e *stored) []byte {
	b := make([]byte, headLength, headLength+64+len(e.models)*256)
	b = binary.AppendVarint(b, e.loaded.UnixMilli())
	b = appendText(b, e.epoch)
	b = appendText(b, e.mark)
	b = appendModels(b, e.models)
	b[0] = encoding
	binary.BigEndian.PutUint64(b[1:headLength], checksum(key, b[headLength:]))
	return b
}

// decode reads a value that was stored under a key. Its result shares no memory with b.
func decode(key string, b []byte) (*stored, error) {
	if len(b) < headLength || b[0] != encoding || binary.BigEndian.Uint64(b[1:headLength]) != checksum(key, b[headLength:]) {
		return nil, errForeign
	}
	return decodeBody(b[headLength:])
}

func decodeBody(b []byte) (*stored, error) {
	r := reader{left: b}
	e := &stored{loaded: time.UnixMilli(r.number()), epoch: r.text(), mark: r.text()}
	e.models = r.models()
	if r.err == nil && len(r.left) > 0 {
		r.err = errLonger
	}
	return e, r.err
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendCount tells an empty list from none.
func appendCount(b []byte, n int, none bool) []byte {
	if none {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(n)+1)
}

func appendModels(b []byte, models []facts.Model) []byte {
	b = appendCount(b, len(models), models == nil)
	for i := range models {
		m := &models[i]
		b = binary.AppendVarint(b, m.ID)
		b = binary.AppendVarint(b, m.ItemID)
		b = binary.AppendVarint(b, m.ShopID)
		b = appendCount(b, len(m.Promos), m.Promos == nil)
		for j := range m.Promos {
			b = appendPromo(b, &m.Promos[j])
		}
	}
	return b
}

func appendPromo(b []byte, p *facts.Promo) []byte {
	flags := byte(0)
	if p.SoldOut {
		flags |= flagSoldOut
	}
	if p.Start == facts.Always {
		flags |= flagAlways
	}
	if p.End == facts.Never {
		flags |= flagNever
	}
	b = append(b, flags)
	b = binary.AppendVarint(b, p.ID)
	b = binary.AppendVarint(b, int64(p.Type))
	b = binary.AppendVarint(b, p.PreTax)
	b = binary.AppendVarint(b, p.PostTax)
	if flags&flagAlways == 0 {
		b = binary.AppendVarint(b, p.Start)
	}
	if flags&flagNever == 0 {
		b = binary.AppendVarint(b, p.End)
	}
	b = binary.AppendVarint(b, p.Stock)
	b = binary.AppendVarint(b, p.PurchaseLimit)
	b = appendText(b, p.Audience)
	b = binary.AppendVarint(b, p.SessionID)
	return binary.AppendVarint(b, p.StreamerID)
}

// reader reads on until the first error, and zeros after it.
type reader struct {
	left []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.left = nil
}

func (r *reader) number() int64 {
	n, length := binary.Varint(r.left)
	if length <= 0 {
		r.fail(errShort)
		return 0
	}
	r.left = r.left[length:]
	return n
}

func (r *reader) length() uint64 {
	n, length := binary.Uvarint(r.left)
	if length <= 0 {
		r.fail(errShort)
		return 0
	}
	r.left = r.left[length:]
	return n
}

func (r *reader) text() string {
	n := r.length()
	if n > uint64(len(r.left)) {
		r.fail(errShort)
		return ""
	}
	s := string(r.left[:n])
	r.left = r.left[n:]
	return s
}

// count is the length of a list whose elements take at least so many bytes each.
func (r *reader) count(least int) (n int, none bool) {
	said := r.length()
	if said == 0 {
		return 0, true
	}
	if said--; said > uint64(len(r.left)/least) {
		r.fail(errShort)
		return 0, true
	}
	return int(said), false
}

func (r *reader) models() []facts.Model {
	n, none := r.count(leastModel)
	if none {
		return nil
	}
	models := make([]facts.Model, n)
	for i := range models {
		m := &models[i]
		m.ID, m.ItemID, m.ShopID = r.number(), r.number(), r.number()
		if n, none := r.count(leastPromo); !none {
			m.Promos = make([]facts.Promo, n)
			for j := range m.Promos {
				r.promo(&m.Promos[j])
			}
		}
	}
	return models
}

func (r *reader) promo(p *facts.Promo) {
	if len(r.left) == 0 {
		r.fail(errShort)
		return
	}
	flags := r.left[0]
	r.left = r.left[1:]
	if flags&^flagsKnown != 0 {
		r.fail(errNumber)
		return
	}
	p.SoldOut, p.Start, p.End = flags&flagSoldOut != 0, facts.Always, facts.Never
	p.ID = r.number()
	typ := r.number()
	if p.Type = int32(typ); int64(p.Type) != typ {
		r.fail(errNumber)
	}
	p.PreTax, p.PostTax = r.number(), r.number()
	if flags&flagAlways == 0 {
		p.Start = r.number()
	}
	if flags&flagNever == 0 {
		p.End = r.number()
	}
	p.Stock, p.PurchaseLimit, p.Audience = r.number(), r.number(), r.text()
	p.SessionID, p.StreamerID = r.number(), r.number()
}
