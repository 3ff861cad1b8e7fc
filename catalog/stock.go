package catalog

import "proscenium/facts"

// Stock is what is left of a model for a promotion: the promotion's own stock if it has one, else the model's; the model's for promotion 0 and
// for promotions that the catalog does not know. It is false where the files do not tell.
func (c *Catalog) Stock(itemID, modelID, promotionID int64) (available int64, known bool) {
	m := c.model(itemID, modelID)
	if m == nil {
		return 0, false
	}
	if p := c.promo(m, promotionID); p != nil && p.ownStock {
		return p.Stock, true
	}
	if m.stock == unknown {
		return 0, false
	}
	return m.stock, true
}

func (c *Catalog) promo(m *model, promotionID int64) *promo {
	for i := m.promos.first; i < m.promos.end; i++ {
		if c.promos[i].ID == promotionID {
			return &c.promos[i]
		}
	}
	return nil
}

// stockOf names the stock that [Catalog.Stock] tells.
func (c *Catalog) stockOf(itemID, modelID, promotionID int64) (stockKey, bool) {
	m := c.model(itemID, modelID)
	if m == nil {
		return stockKey{}, false
	}
	key := stockKey{model: c.modelIndex[modelID]}
	if p := c.promo(m, promotionID); p != nil && p.ownStock {
		key.promotion = promotionID
	}
	return key, true
}

// Locations are the parts of the stock that [Catalog.Stock] tells, in the order of the file.
func (c *Catalog) Locations(itemID, modelID, promotionID int64) []facts.LocationStock {
	key, known := c.stockOf(itemID, modelID, promotionID)
	if !known {
		return nil
	}
	part := c.placesOf[key]
	return c.locations[part.first:part.end:part.end]
}

// Timeslots are the parts of the stock that are for sale at certain times, as of an instant: the promotion's own, else those of the stock that
// [Catalog.Stock] tells. They are in the order of the file.
func (c *Catalog) Timeslots(at, itemID, modelID, promotionID int64) []facts.TimeslotStock {
	key, known := c.stockOf(itemID, modelID, promotionID)
	if !known || len(c.timeslots) == 0 {
		return nil
	}
	s := c.schedule(at)
	if slots, own := s.slots[stockKey{key.model, promotionID}]; own {
		return slots
	}
	return s.slots[key]
}

// Purchased is what a user has bought of a promotion of a model, in units.
func (c *Catalog) Purchased(userID, modelID, promotionID int64) int64 {
	return c.purchases[purchaseKey{userID, modelID, promotionID}]
}

// schedule holds the runs of live-stream sessions and timeslots in a period.
type schedule struct {
	sessions []span
	slots    map[stockKey][]facts.TimeslotStock
}

func (c *Catalog) schedule(at int64) *schedule {
	return c.schedules.get(
		func(p period) bool { return p.contains(at) },
		func() (period, *schedule) {
			p := c.scheduleTimes.period(at)
			return p, c.buildSchedule(p)
		},
	)
}

func (c *Catalog) buildSchedule(p period) *schedule {
	runs := c.scheduleTimes.runs(p)
	s := &schedule{sessions: make([]span, len(c.sessions)), slots: make(map[stockKey][]facts.TimeslotStock, len(c.slotsOf))}
	for i := range c.sessions {
		s.sessions[i] = runs[c.sessions[i].window]
	}
	all := make([]facts.TimeslotStock, 0, len(c.timeslots))
	for key, part := range c.slotsOf {
		first := len(all)
		for _, t := range c.timeslots[part.first:part.end] {
			if run := runs[t.window]; !run.empty() {
				all = append(all, facts.TimeslotStock{Start: run.start, End: run.end, Available: t.available})
			}
		}
		s.slots[key] = all[first:len(all):len(all)]
	}
	return s
}
