package scenes_test

import (
	"fmt"
	"strings"
	"testing"

	"proscenium/scenes"
	"proscenium/scenes/source"
)

// marketplace writes a configuration of n scenes, with a client for ten scenes, and a rule and a pool with expressions of their own for twenty.
func marketplace(n int) []source.File {
	var scene, client, rule, pool, scenario strings.Builder
	client.WriteString("clients:\n")
	scene.WriteString("scenes:\n")
	rule.WriteString("exclusion_rules:\n")
	pool.WriteString("voucher_pools:\n")
	scenario.WriteString("scenarios:\n")
	groups := (n + 19) / 20
	for i := range groups {
		fmt.Fprintf(&rule, "  - id: %d\n    name: rule_%d\n    excluded_price_rule_types: [flash_sale]\n    when: promo.price < %d && item.brand == 'brand_%d'\n", i, i, i, i)
		fmt.Fprintf(&pool, "  - name: POOL_%d\n    when: voucher.type == 'SHOP_VOUCHER' && voucher.shop_id != %d\n", i, i)
		fmt.Fprintf(&scenario, "  - id: %d\n    name: scenario_%d\n    voucher: {shop_voucher_pool: POOL_%d}\n    eligibility: {login_mode: true}\n", i, i, i)
	}
	for i := range n {
		if i%10 == 0 {
			fmt.Fprintf(&client, "  - id: %d\n    name: client_%d\n    credential_ids: [key_%d]\n    allowed_scenes:\n", i/10, i/10, i/10)
		}
		fmt.Fprintf(&client, "      - scene_%d\n", i)
		fmt.Fprintf(&scene, `  # The scene number %d.
  - id: %d
    name: scene_%d
    description: "A page of the shop."
    client: client_%d
    scenario: scenario_%d
    voucher:
      enabled: true
      need_applied_voucher_detail: true
    product_promotion:
      exclusion_rule: rule_%d
      need_price_detail: true
    model_display:
      need_model_main_promo: true
      need_model_original_promo: true
    stock:
      need_stock: true
    tax:
      need_tax_info: true
`, i, i, i, i/10, i%groups, i%groups)
	}
	text := func(name string, b *strings.Builder) source.File {
		return source.File{Name: name, Data: []byte(b.String())}
	}
	return []source.File{
		text("clients.yaml", &client), text("pools.yaml", &pool), text("rules.yaml", &rule), text("scenarios.yaml", &scenario), text("scenes.yaml", &scene),
		{Name: "shared.yaml", Data: []byte("regions: [{code: US, currency: USD, time_zone: America/New_York, default_tax_mode: PRE_TAX}]\n" +
			"price_rule_types: [{id: 1, name: original_price, is_original_price: true}, {id: 2, name: flash_sale}]\n")},
	}
}

// BenchmarkLoad takes files to a snapshot.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("scenes=%d", n), func(b *testing.B) {
			files := marketplace(n)
			b.ReportAllocs()
			for b.Loop() {
				if result := scenes.LoadFiles(files, today); result.Snapshot == nil || len(result.Diagnostics) > 0 {
					b.Fatal(result.Diagnostics[0])
				}
			}
		})
	}
}

// BenchmarkLoadBroken takes files in which every scene names a client and a rule that there are not.
func BenchmarkLoadBroken(b *testing.B) {
	files := marketplace(10_000)
	for i := range files {
		if files[i].Name == "scenes.yaml" {
			text := strings.ReplaceAll(string(files[i].Data), "client: client_", "client: clinet_")
			files[i].Data = []byte(strings.ReplaceAll(text, "exclusion_rule: ", "exclusion_rule: the_"))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if result := scenes.LoadFiles(files, today); result.Snapshot != nil {
			b.Fatal("this is not broken")
		}
	}
}
