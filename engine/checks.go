package engine

import "proscenium/facts"

// What follows are the checks of answers, see dependency.check: no price may rest on what cannot be. They guard against providers of every kind: a remote
// one was checked at its boundary already. An answer that fails is a failure of the provider, for metrics and breakers, too.

// checkPrices refuses answers that no price may rest on. It guards against providers of every kind: a remote one was checked at its boundary already.
func checkPrices(keys []PriceKey, prices [][]facts.Model) error {
	for i, models := range prices {
		for j := range models {
			m := &models[j]
			switch {
			case m.ItemID != keys[i].ItemID || keys[i].ModelID != 0 && m.ID != keys[i].ModelID:
				return malformed(PriceQuery, "model %d of item %d was not asked for", m.ID, m.ItemID)
			case m.ShopID != models[0].ShopID:
				return malformed(PriceQuery, "item %d is of shop %d and of shop %d", m.ItemID, models[0].ShopID, m.ShopID)
			}
			if err := checkRecords(m); err != nil {
				return err
			}
		}
		if twice, is := repeated(models, func(m *facts.Model) int64 { return m.ID }); is {
			return malformed(PriceQuery, "model %d is there twice", twice)
		}
	}
	return nil
}

func checkRecords(m *facts.Model) error {
	for i := range m.Promos {
		p := &m.Promos[i]
		switch {
		case p.PreTax < facts.NoPrice || p.PostTax < facts.NoPrice || p.PreTax == facts.NoPrice && p.PostTax == facts.NoPrice:
			return malformed(PriceQuery, "promotion %d of model %d has no price, or a negative one", p.ID, m.ID)
		case p.PostTax != facts.NoPrice && p.PostTax < p.PreTax:
			return malformed(PriceQuery, "promotion %d of model %d costs less after tax than before", p.ID, m.ID)
		case p.End <= p.Start:
			return malformed(PriceQuery, "promotion %d of model %d ends before it starts", p.ID, m.ID)
		}
	}
	if twice, is := repeated(m.Promos, func(p *facts.Promo) int64 { return p.ID }); is {
		return malformed(PriceQuery, "promotion %d of model %d is there twice", twice, m.ID)
	}
	return nil
}

// repeated finds an id that occurs twice. Ids mostly ascend, which takes one look at each; few are compared with each other, many are counted.
func repeated[T any](list []T, id func(*T) int64) (int64, bool) {
	const few = 16
	ascending := true
	for i := 1; i < len(list) && ascending; i++ {
		ascending = id(&list[i-1]) < id(&list[i])
	}
	if ascending {
		return 0, false
	}
	var seen map[int64]struct{}
	if len(list) > few {
		seen = make(map[int64]struct{}, len(list))
	}
	for i := range list {
		own := id(&list[i])
		if seen == nil {
			for j := range i {
				if id(&list[j]) == own {
					return own, true
				}
			}
			continue
		}
		if _, twice := seen[own]; twice {
			return own, true
		}
		seen[own] = struct{}{}
	}
	return 0, false
}

// checkTaxes refuses rates that are negative or beyond ten times the price.
func checkTaxes(keys []PriceKey, rates []facts.TaxRate) error {
	for i, rate := range rates {
		if rate.Rate < 0 || rate.Rate > 10*facts.RateOne {
			return malformed(TaxRates, "rate %d of model %d is not in 0 to %d", rate.Rate, keys[i].ModelID, 10*facts.RateOne)
		}
	}
	return nil
}

func checkRebates(keys []RebateKey, rebates []int64) error {
	for i, v := range rebates {
		if v < 0 || v > keys[i].Price {
			return malformed(RebateQuery, "rebate %d of model %d is negative, or more than its price", v, keys[i].ModelID)
		}
	}
	return nil
}

func checkStocks(keys []PromoKey, stocks []facts.Stock) error {
	for i := range stocks {
		if stocks[i].Available < 0 || stocks[i].Purchased < 0 {
			return malformed(StockQuery, "stock of model %d is negative", keys[i].ModelID)
		}
	}
	return nil
}

func checkVouchers(keys []VoucherKey, choices []facts.VoucherChoice) error {
	for i := range choices {
		c, price := &choices[i], keys[i].Price
		if !validUse(&c.Shop, price) || !validUse(&c.Platform, price-c.Shop.Discount) || !validOffers(c) {
			return malformed(BestVouchers, "the vouchers of model %d take off more than its price, or less than nothing", keys[i].Model.ID)
		}
	}
	return nil
}

// validUse says whether a voucher takes off at most what is left, and gives back at most what it takes off.
func validUse(u *facts.VoucherUse, left int64) bool {
	if u.Voucher == nil {
		return u.Discount == 0 && u.Rebate == 0
	}
	return u.Discount <= left && validOffer(u)
}

// validOffer is validUse for a voucher that is shown and not taken off.
func validOffer(u *facts.VoucherUse) bool {
	return u.Voucher == nil || u.Voucher.Layer <= facts.LayerPlatform && u.Rebate >= 0 && u.Rebate <= u.Discount
}

func validOffers(c *facts.VoucherChoice) bool {
	for i := range c.Beside {
		if !validOffer(&c.Beside[i]) {
			return false
		}
	}
	return validOffer(&c.BestShop) && validOffer(&c.BestPlatform) && validOffer(&c.NextBest) && validOffer(&c.HighestTier)
}
