package engine

import (
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"

	"proscenium/facts"
	"proscenium/fault"
)

const causeDependencyError = pricingv1.DegradationCause_DEGRADATION_CAUSE_DEPENDENCY_ERROR

// branch is a part of the request that starts from the main promos and depends on no other branch.
type branch uint8

const (
	branchRebate branch = iota
	branchVouchers
	branchStock
	branchGMV
	branchPackages
	branchCount
)

// branches describes each branch: its stage for metrics (the last two belong to the item display), its feature, and whether prices rest on it.
var branches = [branchCount]struct {
	stage        Stage
	feature      string
	priceRelated bool
}{
	{StageRebate, "rebate", true},
	{StageVouchers, "price_after_voucher", true},
	{StageStock, "stock", false},
	{StageItemDisplay, "item_display", false},
	{StageItemDisplay, "package_promotions", false},
}

// dependents runs the branches that the plan needs: those that answer from memory in turn, the others together. Then it settles each one.
func (st *state) dependents() error {
	var commands [branchCount]Command
	var errs [branchCount]error
	var asked [branchCount]bool
	var waiting []func() error
	var waits []branch
	for b := range branchCount {
		if asked[b] = st.needs(b); !asked[b] {
			continue
		}
		ask := func() error {
			start := time.Now()
			commands[b], errs[b] = st.ask(b)
			if st.obs != nil && branches[b].stage != StageItemDisplay {
				st.obs.Stage(branches[b].stage, time.Since(start))
			}
			if st.trace != nil && branches[b].stage != StageItemDisplay {
				st.trace.stage(branches[b].stage, time.Since(start))
			}
			return nil
		}
		if st.fromMemory(b) {
			_ = ask() // kept in errs
			continue
		}
		waiting, waits = append(waiting, ask), append(waits, b)
	}
	for i, err := range together(waiting...) {
		if err != nil { // a panic of our own: no answer may rest on what it left
			return fault.New(fault.Internal, "INTERNAL", "the %s of the request could not be worked out", branches[waits[i]].feature).Because(err)
		}
	}
	st.lapped = time.Now()
	for b, err := range errs {
		if err != nil {
			if err := st.failed(commands[b], branches[b].feature, branches[b].priceRelated, err); err != nil {
				return err
			}
			continue
		}
		if asked[b] {
			st.settle(branch(b))
		}
	}
	return nil
}

// needs says whether a branch has anything to ask, and sets its part of the call: no branch runs yet.
func (st *state) needs(b branch) bool {
	p := st.plan
	switch b {
	case branchRebate:
		return p.rebate && len(st.modelRefs) > 0 && !st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_REBATE)
	case branchVouchers:
		return st.scopeVouchers()
	case branchStock:
		st.call.StockBreakdown, st.call.StockTimeslots, st.call.StockPurchased = p.stockBreakdown, p.timeslots, p.purchaseLimit
		return p.stock && len(st.modelRefs) > 0 && !st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_STOCK)
	case branchGMV:
		return p.gmv && len(st.modelRefs) > 0 && !st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_ITEM_DISPLAY)
	}
	return p.packages
}

// scopeVouchers sets the pools to choose from, and says whether there is anything to choose.
func (st *state) scopeVouchers() bool {
	p := st.plan
	if !p.vouchers || len(st.modelRefs) == 0 {
		return false
	}
	scope := VoucherScope{
		ShopPool: p.shopPool, PlatformPool: p.platformPool, Bypass: p.scene.Bypass,
		NeedBest: p.voucherBest, NeedNext: p.voucherNext, NeedHighest: p.voucherHighest, NeedBeside: p.voucherDetail,
	}
	if st.off.has(configv1.DowngradeFeature_DOWNGRADE_FEATURE_PRICE_AFTER_VOUCHER) {
		scope.ShopPool, scope.PlatformPool = p.downgradedShop, p.downgradedPlatform
	}
	st.call.Vouchers = scope
	return scope.ShopPool != nil || scope.PlatformPool != nil
}

func (st *state) fromMemory(b branch) bool {
	m := st.market
	switch b {
	case branchRebate:
		return m.rebate.fromMemory
	case branchVouchers:
		return m.voucher.fromMemory && m.items.fromMemory && m.labels.fromMemory
	case branchStock:
		return m.stock.fromMemory
	case branchGMV:
		return m.gmv.fromMemory
	}
	return m.packages.fromMemory
}

// ask queries what a branch needs. It writes only to the buffers of its branch.
func (st *state) ask(b branch) (Command, error) {
	switch b {
	case branchRebate:
		return RebateQuery, st.askRebates()
	case branchVouchers:
		return st.askVouchers()
	case branchStock:
		return StockQuery, st.askStock()
	case branchGMV:
		return GMVQuery, st.askGMV()
	}
	return PackageQuery, st.askPackages()
}

// settle hands the answers of a branch to the models and items.
func (st *state) settle(b branch) {
	switch b {
	case branchRebate:
		st.rebatesKnown = true
		for i, v := range st.rebates {
			st.models[st.modelRefs[i]].rebate = v
		}
	case branchVouchers:
		for i := range st.choices {
			m := &st.models[st.modelRefs[i]]
			m.choice = &st.choices[i]
			if st.trace != nil {
				st.trace.vouchersOf(m)
			}
		}
	case branchStock:
		for i := range st.stocks {
			st.models[st.modelRefs[i]].stock = st.stocks[i]
		}
	case branchGMV:
		for i, v := range st.gmvs {
			st.models[st.modelRefs[i]].gmv = v
		}
	case branchPackages:
		for i := range st.packages {
			st.items[i].packages = st.packages[i]
		}
	}
}

func (st *state) askRebates() error {
	for _, ref := range st.modelRefs {
		m := &st.models[ref]
		st.rebateKeys = append(st.rebateKeys, RebateKey{PromoKey{m.rec.ItemID, m.id, m.main.rec.ID}, m.main.price})
	}
	st.rebates = sized(st.rebates, len(st.rebateKeys))
	return st.market.rebate.query(st.ctx, st, st.rebateKeys, st.rebates)
}

func (st *state) askVouchers() (Command, error) {
	if st.factsErr != nil {
		return st.factsCommand, st.factsErr // asked ahead of the rules already
	}
	if command, err := st.queryItemFacts(!st.haveItems, !st.haveLabels); err != nil {
		return command, err
	}
	for _, ref := range st.modelRefs {
		m := &st.models[ref]
		st.voucherKeys = append(st.voucherKeys, VoucherKey{Item: &st.items[m.item].facts, Model: m.rec, Price: m.main.price})
	}
	st.choices = sized(st.choices, len(st.voucherKeys))
	return BestVouchers, st.chooseVouchers()
}

// maxExplained bounds the models of a request whose vouchers are explained: each may have a thousand verdicts.
const maxExplained = 50

func (st *state) chooseVouchers() error {
	keys, out := st.voucherKeys, st.choices
	if st.trace == nil || len(keys) <= maxExplained {
		return st.market.voucher.query(st.ctx, st, keys, out)
	}
	if err := st.market.voucher.query(st.ctx, st, keys[:maxExplained], out[:maxExplained]); err != nil {
		return err
	}
	st.trace.out.Truncated = true
	plain := st.call // other branches read the state's
	plain.Explain = false
	return st.market.voucher.queryAs(st.ctx, st, &plain, keys[maxExplained:], out[maxExplained:])
}

// loadItemFacts gets item facts ahead of the rules that look at them. Without them those rules leave out what they are asked about.
func (st *state) loadItemFacts(items, labels bool) error {
	command, err := st.queryItemFacts(items, labels)
	if err == nil {
		return nil
	}
	st.factsCommand, st.factsErr = command, err
	return st.failed(command, "item_facts", true, err)
}

// queryItemFacts gets item facts and labels, both at once where that means waiting.
func (st *state) queryItemFacts(items, labels bool) (Command, error) {
	if len(st.itemIDs) == 0 {
		for i := range st.items {
			st.itemIDs = append(st.itemIDs, st.items[i].req.ItemId)
		}
	}
	var itemsErr, labelsErr error
	askItems := func() error {
		st.itemFacts = sized(st.itemFacts, len(st.itemIDs))
		itemsErr = st.market.items.query(st.ctx, st, st.itemIDs, st.itemFacts)
		return nil
	}
	askLabels := func() error {
		st.itemLabels = sized(st.itemLabels, len(st.itemIDs))
		labelsErr = st.market.labels.query(st.ctx, st, st.itemIDs, st.itemLabels)
		return nil
	}
	switch {
	case items && labels && !(st.market.items.fromMemory || st.market.labels.fromMemory):
		for _, err := range together(askItems, askLabels) {
			if err != nil {
				return ListingItems, err
			}
		}
	default:
		if items {
			_ = askItems() // kept in itemsErr
		}
		if labels {
			_ = askLabels() // kept in labelsErr
		}
	}
	if items && itemsErr == nil {
		st.haveItems = true
		for i, known := range st.itemFacts {
			st.setItemFacts(&st.items[i], known)
		}
	}
	if labels && labelsErr == nil {
		st.haveLabels = true
		for i, l := range st.itemLabels {
			st.items[i].facts.Labels = l
		}
	}
	if itemsErr != nil {
		return ListingItems, itemsErr
	}
	return ListingLabels, labelsErr
}

// setItemFacts keeps the ids that the prices came with: they are what was asked for.
func (st *state) setItemFacts(it *itemState, known *facts.Item) {
	if known == nil {
		return
	}
	id, shop, labels := it.facts.ID, it.facts.ShopID, it.facts.Labels
	it.facts = *known
	it.facts.ID, it.facts.Labels = id, labels
	if shop != 0 {
		it.facts.ShopID = shop
	}
}

func (st *state) askStock() error {
	for _, ref := range st.modelRefs {
		m := &st.models[ref]
		st.stockKeys = append(st.stockKeys, PromoKey{m.rec.ItemID, m.id, m.main.rec.ID})
	}
	st.stocks = sized(st.stocks, len(st.stockKeys))
	return st.market.stock.query(st.ctx, st, st.stockKeys, st.stocks)
}

func (st *state) askGMV() error {
	for _, ref := range st.modelRefs {
		m := &st.models[ref]
		st.gmvKeys = append(st.gmvKeys, PriceKey{m.rec.ItemID, m.id})
	}
	st.gmvs = sized(st.gmvs, len(st.gmvKeys))
	return st.market.gmv.query(st.ctx, st, st.gmvKeys, st.gmvs)
}

func (st *state) askPackages() error {
	ids := make([]int64, len(st.items))
	for i := range st.items {
		ids[i] = st.items[i].req.ItemId // the facts are the voucher branch's to write
	}
	st.packages = sized(st.packages, len(ids))
	return st.market.packages.query(st.ctx, st, ids, st.packages)
}
