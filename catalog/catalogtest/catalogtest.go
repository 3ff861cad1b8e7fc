// Package catalogtest makes a small catalog for tests of what answers from them.
package catalogtest

import (
	"testing"
	"testing/fstest"

	"proscenium/catalog"
)

// Open loads a catalog of region US with item 10 (shop 1, models 100 and 101, the latter sold out) and item 11 (shop 2, model 110 of unknown
// stock), and with the tables given by the names of their files, which replace those of the same name.
func Open(tb testing.TB, tables map[string]string) *catalog.Catalog {
	tb.Helper()
	fsys := fstest.MapFS{
		"catalog.csv": {Data: []byte("regions,time_zone\nUS,America/New_York\n")},
		"items.csv":   {Data: []byte("item_id,shop_id,name,categories,labels\n10,1,Cheddar,grocery/cheese,fresh\n11,2,Mop,household,\n")},
		"models.csv":  {Data: []byte("model_id,item_id,pre_tax_price,stock,gmv\n100,10,500,10,9000\n101,10,900,0,\n110,11,2000,,\n")},
	}
	for name, text := range tables {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	c, err := catalog.Load(fsys)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
