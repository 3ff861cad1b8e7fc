package bench

import (
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"

	"proscenium/assembly"
	"proscenium/configs"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/metrics"
	"proscenium/scenes"
	"proscenium/scenes/source"
)

// market is the size of a marketplace that is made up for a measurement. Each model has three prices: its original price, a weekly cut, and
// an exclusive price for users of a segment.
type market struct {
	items, modelsPerItem int
	vouchers             int
	// scenes are those beside the reference marketplace's and scene.
	scenes int
}

// usual is the market of the price requests of the benchmarks' table.
var usual = market{items: 1000, modelsPerItem: 20, vouchers: 100}

const (
	shops      = 20
	categories = 20
	// scene is a full buyer scene: rules in CEL, eligibility, tax, rebate, vouchers with their details, stock.
	scene = "bench_buyer"
	user  = 7
)

func (m market) catalog() fs.FS {
	var items, models, promotions, vouchers strings.Builder
	items.WriteString("item_id,shop_id,name,brand,categories,seller_type,labels\n")
	models.WriteString("model_id,item_id,pre_tax_price,stock,gmv\n")
	promotions.WriteString("promotion_id,model_id,price_rule_type,pre_tax_price,start,end,stock,purchase_limit,audience\n")
	for i := 1; i <= m.items; i++ {
		fmt.Fprintf(&items, "%d,%d,Item %d,Brand,all/category_%d,official,label_%d\n", i, i%shops+1, i, i%categories, i%5)
		for j := range m.modelsPerItem {
			model := modelOf(i, j)
			price := 500 + (model*37)%4500
			fmt.Fprintf(&models, "%d,%d,%d,%d,%d\n", model, i, price, model%500+1, model%10_000)
			fmt.Fprintf(&promotions, "%d1,%d,weekly_cut,%d,2020-01-01,2100-01-01,,,\n", model, model, price*9/10)
			fmt.Fprintf(&promotions, "%d2,%d,exclusive_price,%d,2020-01-01,2100-01-01,,5,%s\n", model, model, price*8/10, []string{"members", "others"}[j%2])
		}
	}
	vouchers.WriteString("voucher_id,code,name,layer,shop_id,discount_kind,value,cap_per_unit,min_spend,rebate_share,categories,user_condition,start,end\n")
	for i := 1; i <= m.vouchers; i++ {
		layer, shop := "PLATFORM", ""
		if i%2 == 0 {
			layer, shop = "SHOP", fmt.Sprint(i/2%shops+1)
		}
		kind, value, limit := "AMOUNT", 10+i%90, ""
		if i%3 == 0 {
			kind, value, limit = "PERCENT", 1000+i%9*1000, "300"
		}
		condition := ""
		if i%4 == 1 {
			condition = "'members' in user.segments"
		}
		fmt.Fprintf(&vouchers, "%d,V%d,Voucher %d,%s,%s,%s,%d,%s,%d,%d,category_%d,%s,2020-01-01,2100-01-01\n",
			i, i, i, layer, shop, kind, value, limit, i%40*100, i%2*50_000, i/2%categories, condition)
	}
	return fstest.MapFS{
		"catalog.csv":    file("regions,time_zone,repeats_yearly_from\nUS,America/New_York,\n"),
		"items.csv":      file(items.String()),
		"models.csv":     file(models.String()),
		"promotions.csv": file(promotions.String()),
		"vouchers.csv":   file(vouchers.String()),
		"users.csv":      file(fmt.Sprintf("user_id,segments\n%d,members new_user\n", user)),
		"taxes.csv":      file("region,category,rate\nUS,,6500\nUS,category_1,0\n"),
		"rebates.csv":    file("model_id,item_id,shop_id,category,rate,amount\n,,1,,1000,\n,,2,,1500,\n,,,category_3,2000,\n"),
	}
}

// modelOf is the id of the j-th model of an item.
func modelOf(item, j int) int { return item*1000 + j + 1 }

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// reference is the configuration of the reference marketplace.
func reference() (fstest.MapFS, error) {
	merged := fstest.MapFS{}
	err := fs.WalkDir(configs.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !source.IsPart(name) {
			return err
		}
		data, err := fs.ReadFile(configs.FS, name)
		merged[name] = &fstest.MapFile{Data: data}
		return err
	})
	return merged, err
}

// config is the reference marketplace with the benchmark's scene, and copies of it.
func (m market) config() (fs.FS, error) {
	merged, err := reference()
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("clients:\n  - id: 1000\n    name: bench\n    allowed_scenes:\n      - " + scene + "\n")
	for i := range m.scenes {
		fmt.Fprintf(&b, "      - %s_%d\n", scene, i)
	}
	b.WriteString(`exclusion_rules:
  - id: 1000
    name: bench_rule
    when: "promo.price < 50 || (promo.sold_out && item.category != 'category_1' && 'label_9' in item.labels)"
scenes:
`)
	b.WriteString(sceneYAML(1000, scene))
	for i := range m.scenes {
		b.WriteString(sceneYAML(1001+i, fmt.Sprintf("%s_%d", scene, i)))
	}
	merged["bench.yaml"] = file(b.String())
	return merged, nil
}

func sceneYAML(id int, name string) string {
	return fmt.Sprintf(`  - id: %d
    name: %s
    client: bench
    scenario: buyer_default
    voucher: {enabled: true, need_applied_voucher_detail: true}
    product_promotion: {exclusion_rule: bench_rule}
    model_display: {need_model_main_promo: true, need_model_original_promo: true}
    item_display: {need_item_main_promo: true}
    rebate: {need_rebate_info: true}
    tax: {need_tax_info: true}
    stock: {need_stock: true}
`, id, name)
}

// load reads and checks the configuration.
func (m market) load() (*scenes.Snapshot, error) {
	config, err := m.config()
	if err != nil {
		return nil, err
	}
	read := scenes.Load(config, time.Now())
	if read.Snapshot == nil {
		return nil, fmt.Errorf("the configuration has findings: %v", read.Diagnostics)
	}
	return read.Snapshot, nil
}

// open makes a system that prices in this market, and counts as a server does.
func (m market) open() (*assembly.System, *metrics.Metrics, error) {
	observed := metrics.New()
	system, err := assembly.Open(assembly.Options{Catalog: m.catalog(), Now: time.Now, Observer: observed})
	if err != nil {
		return nil, nil, err
	}
	snap, err := m.load()
	if err == nil {
		err = system.Apply(snap)
	}
	if err != nil {
		system.Close()
		return nil, nil, err
	}
	return system, observed, nil
}

// basket is a request for so many items with so many models each.
func basket(items, models int) *pricingv1.GetPromotionInfoRequest {
	req := &pricingv1.GetPromotionInfoRequest{
		Scene:   &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: scene},
		Region:  "US",
		UserId:  proto.Int64(user),
		Context: &pricingv1.RequestContext{ClientPlatform: "app_ios", UserPath: "home", DeviceType: "phone"},
	}
	for i := 1; i <= items; i++ {
		item := &pricingv1.RequestItem{ItemId: int64(i), ShopId: int64(i%shops + 1)}
		for j := range models {
			item.Models = append(item.Models, &pricingv1.RequestModel{ModelId: int64(modelOf(i, j)), Quantity: proto.Int64(1)})
		}
		req.Items = append(req.Items, item)
	}
	return req
}
