package catalog

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"proscenium/catalog/table"
	"proscenium/facts"
	"proscenium/scenes/diag"
)

// Load reads the catalog of a directory. Where anything is wrong it returns a *[table.Error] with everything that was found, up to a bound.
func Load(fsys fs.FS) (*Catalog, error) {
	l := &loader{fsys: fsys, found: &table.Findings{}, lost: map[string]lostRows{}, cat: &Catalog{types: []typeRef{{}}}}
	l.fileNames()
	if !l.manifest() {
		return nil, l.found.Err()
	}
	c := l.cat
	c.books.limit, c.schedules.limit, c.voucherSets.limit = keptBooks, keptPeriods, keptPeriods

	l.items()
	l.models()
	l.sessions()
	l.promotions()
	l.users()
	l.vouchers()
	l.locations()
	l.timeslots()
	l.purchases()
	l.taxes()
	l.rebates()
	l.decorations()
	l.packages()
	if err := l.found.Err(); err != nil {
		return nil, err
	}
	for _, times := range []*calendar{&c.priceTimes, &c.scheduleTimes, &c.voucherTimes} {
		times.compact()
	}
	return c, nil
}

// loader fills a catalog. Rows with faults are reported and left out.
type loader struct {
	fsys  fs.FS
	found *table.Findings
	cat   *Catalog

	categories map[string]bool
	labels     map[string]bool
	shops      map[int64]bool
	lost       map[string]lostRows // by table
}

// fileNames reports files that look like tables and are none, since a misspelt name would go unnoticed otherwise.
func (l *loader) fileNames() {
	entries, err := fs.ReadDir(l.fsys, ".")
	if err != nil {
		l.found.Add(diag.Diagnostic{Code: diag.Unreadable, Message: err.Error(), Hint: "name the directory of the catalog"})
		return
	}
	var names []string
	for _, t := range Tables() {
		names = append(names, t.Name)
	}
	for _, e := range entries {
		name, isTable := strings.CutSuffix(strings.TrimSuffix(e.Name(), ".gz"), ".csv")
		if isTable && !slices.Contains(names, name) {
			l.found.Add(diag.Diagnostic{
				Code: diag.UnknownField, File: e.Name(), Message: fmt.Sprintf("unknown table %q", name), Hint: diag.Suggest(name, "tables", names),
			})
		}
	}
}

func (l *loader) items() {
	r := table.Open(l.fsys, itemTable(), l.found)
	c := l.cat
	c.itemIndex = make(map[int64]int32, r.Rows())
	l.categories, l.labels, l.shops = map[string]bool{}, map[string]bool{}, map[int64]bool{}
	seen := make(first[int64], r.Rows())
	c.items = make([]item, 0, r.Rows())
	for r.Next() {
		it := item{
			Item: facts.Item{
				ID: r.ID(itemID), ShopID: r.ID(itemShop), Name: r.Text(itemName), Brand: r.Text(itemBrand),
				Categories: r.Steps(itemCategories), SellerType: r.Text(itemSeller),
			},
			labels: r.Words(itemLabels),
		}
		if !r.OK() || !seen.unique(r, itemID, it.ID) {
			l.lose(items, it.ID)
			continue
		}
		l.shops[it.ShopID] = true
		for _, name := range it.Categories {
			l.categories[name] = true
		}
		for _, name := range it.labels {
			l.labels[name] = true
		}
		c.itemIndex[it.ID] = int32(len(c.items))
		c.items = append(c.items, it)
	}
	l.loseAll(r, items)
}

func (l *loader) models() {
	r := table.Open(l.fsys, modelTable(), l.found)
	c := l.cat
	c.modelIndex = make(map[int64]int32, r.Rows())
	rows, owners := make([]model, 0, r.Rows()), make([]int32, 0, r.Rows())
	seen := make(first[int64], r.Rows())
	for r.Next() {
		m := model{
			id: r.ID(modelID), item: l.item(r, modelItem),
			preTax: r.Int(modelPreTax, 0, facts.Never, facts.NoPrice), postTax: r.Int(modelPostTax, 0, facts.Never, facts.NoPrice),
			stock: r.Int(modelStock, 0, facts.Never, unknown), gmv: r.Int(modelGMV, 0, facts.Never, 0),
		}
		onePrice(r, modelPreTax, m.preTax, m.postTax)
		if !r.OK() || !seen.unique(r, modelID, m.id) {
			l.lose(models, m.id)
			continue
		}
		rows, owners = append(rows, m), append(owners, m.item)
	}
	l.loseAll(r, models)
	order, parts := group(owners, len(c.items))
	c.models = make([]model, len(rows))
	for to, from := range order {
		c.models[to] = rows[from]
		c.modelIndex[rows[from].id] = int32(to)
	}
	for i := range c.items {
		c.items[i].models = parts[i]
	}
}

func (l *loader) sessions() {
	r := table.Open(l.fsys, sessionTable(), l.found)
	c := l.cat
	c.sessionIndex = map[int64]int32{}
	seen := first[int64]{}
	for r.Next() {
		id := r.ID(sessionID)
		s := session{streamer: r.ID(sessionStreamer), token: r.Text(sessionToken), window: l.window(r, &c.scheduleTimes, sessionStart, sessionEnd)}
		if !r.OK() || !seen.unique(r, sessionID, id) {
			l.lose(sessions, id)
			continue
		}
		c.sessionIndex[id] = int32(len(c.sessions))
		c.sessions = append(c.sessions, s)
	}
	l.loseAll(r, sessions)
}

func (l *loader) promotions() {
	r := table.Open(l.fsys, promotionTable(), l.found)
	c := l.cat
	types := map[string]int32{}
	rows, owners := make([]promo, 0, r.Rows()), make([]int32, 0, r.Rows())
	seen := make(first[stockKey], r.Rows())
	for r.Next() {
		m, id := l.model(r, promotionModel), r.ID(promotionID)
		p := promo{
			Promo: facts.Promo{
				ID: id, Type: l.typeOf(r, promotionType, types),
				PreTax: r.Int(promotionPreTax, 0, facts.Never, facts.NoPrice), PostTax: r.Int(promotionPostTax, 0, facts.Never, facts.NoPrice),
				PurchaseLimit: r.Int(promotionLimit, 1, facts.Never, 0), Audience: r.Text(promotionAudience), SessionID: r.OptionalID(promotionSession),
			},
			window: l.window(r, &c.priceTimes, promotionStart, promotionEnd),
		}
		onePrice(r, promotionPreTax, p.PreTax, p.PostTax)
		p.StreamerID = l.streamer(r, promotionSession, p.SessionID)
		stock := r.Int(promotionStock, 0, facts.Never, unknown)
		if !r.OK() || !seen.unique(r, promotionID, stockKey{m, id}) {
			l.lose(promotions, id)
			continue
		}
		if p.ownStock = stock != unknown; !p.ownStock {
			stock = c.models[m].stock
		}
		p.Stock, p.SoldOut = max(0, stock), r.Bool(promotionSoldOut, stock == 0)
		rows, owners = append(rows, p), append(owners, m)
	}
	l.loseAll(r, promotions)
	order, parts := group(owners, len(c.models))
	c.promos = make([]promo, len(rows))
	for to, from := range order {
		c.promos[to] = rows[from]
	}
	for i := range c.models {
		c.models[i].promos = parts[i]
	}
}

func (l *loader) streamer(r *table.Reader, column int, id int64) int64 {
	if id == 0 {
		return 0
	}
	i, known := l.cat.sessionIndex[id]
	if !known {
		l.unknown(r, column, sessions, id, "there is no session %d", id)
		return 0
	}
	return l.cat.sessions[i].streamer
}

// typeOf is the index of the row's price rule type; a name that was not there before gets one.
func (l *loader) typeOf(r *table.Reader, column int, types map[string]int32) int32 {
	name := r.RequiredText(column)
	if i, known := types[name]; known {
		return i
	}
	i := int32(len(l.cat.types))
	line, place := r.Place(column)
	l.cat.types = append(l.cat.types, typeRef{name: name, file: r.File(), line: line, column: place})
	types[name] = i
	return i
}
