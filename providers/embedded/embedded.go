// Package embedded wires the providers that answer from a catalog in memory.
package embedded

import (
	"proscenium/catalog"
	"proscenium/engine"
	"proscenium/providers/decoration"
	"proscenium/providers/eligibility"
	"proscenium/providers/gmv"
	"proscenium/providers/listing"
	"proscenium/providers/packages"
	"proscenium/providers/psso"
	"proscenium/providers/rebate"
	"proscenium/providers/stock"
	"proscenium/providers/tax"
)

// Providers are those of every command but voucher.best_vouchers, which is the caller's to fill in. One set serves every region.
func Providers(cat *catalog.Catalog) engine.Providers {
	return engine.Providers{
		Price:          psso.NewEmbedded(cat),
		Stock:          stock.NewEmbedded(cat),
		ExclusivePrice: eligibility.NewEmbedded(cat, engine.CheckExclusivePrice),
		LiveStream:     eligibility.NewEmbedded(cat, engine.CheckLiveStream),
		WelcomePackage: eligibility.NewEmbedded(cat, engine.CheckWelcomePackage),
		Items:          listing.NewEmbeddedItems(cat),
		Labels:         listing.NewEmbeddedLabels(cat),
		Tax:            tax.NewEmbedded(cat),
		Rebate:         rebate.NewEmbedded(cat),
		GMV:            gmv.NewEmbedded(cat),
		Decoration:     decoration.NewEmbedded(cat),
		Package:        packages.NewEmbedded(cat),
	}
}
