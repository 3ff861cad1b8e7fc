package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"proscenium/assembly"
	"proscenium/engine"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/scenes"
	"proscenium/scenes/source"
)

// marks are the numbers that four files of a configuration carry. All of them show in every answer to basketOf: as the name of the experiment's
// group, in the model that a rule drops, in the scope of a downgrade, and in the vouchers of a pool. Two of the files stand in the directory
// as they are and are edited one after the other; the other two are mounted and swapped together, as Kubernetes does it.
type marks struct{ groups, rule, scope, pool int }

const (
	// shown is of how many scenes traffic asks, at most half of all; the others are there to be loaded.
	shown         = 16
	scenesPerFile = 10
	// What a request of the traffic asks for.
	basketItems, basketModels = 10, 3

	plainGroups, plainRule = "marked_groups.yaml", "marked_rule.yaml"
	mountScope, mountPool  = "marked_scope.yaml", "marked_pool.yaml"
	mounted                = "mounted"
	reloadScene            = "reload"
)

func sceneName(i int) string { return fmt.Sprintf("%s_%d", reloadScene, i) }

// shownScenes are those of the traffic: they are spread over all.
func shownScenes(scenes int) []string {
	names := make([]string, min(shown, scenes/2))
	for i := range names {
		names[i] = sceneName(i * scenes / len(names))
	}
	return names
}

// besides is another scene for each mark, as far as there are scenes that are not shown.
func besides(mark, scenes int) string {
	var others []string
	names := shownScenes(scenes)
	for i := range scenes {
		if name := sceneName(i); !slices.Contains(names, name) {
			others = append(others, name)
		}
	}
	return others[mark%len(others)]
}

// fixed are the files that no edit changes: the reference marketplace, and so many scenes more.
func fixed(n int) (map[string]string, error) {
	merged, err := reference()
	if err != nil {
		return nil, err
	}
	files := make(map[string]string, len(merged)+n/scenesPerFile+2)
	for name, f := range merged {
		files[name] = string(f.Data)
	}
	var client strings.Builder
	client.WriteString("clients:\n  - id: 2000\n    name: reload\n    allowed_scenes:\n")
	for i := range n {
		fmt.Fprintf(&client, "      - %s\n", sceneName(i))
	}
	files["reload_client.yaml"] = client.String()
	files["reload_scenario.yaml"] = `scenarios:
  - id: 2000
    name: reload
    voucher: {shop_voucher_pool: RELOAD_SHOP, platform_voucher_pool: RELOAD_PLATFORM}
    eligibility: {login_mode: true}
`
	tested := shownScenes(n)
	for first := 0; first < n; first += scenesPerFile {
		var b strings.Builder
		b.WriteString("scenes:\n")
		for i := first; i < min(first+scenesPerFile, n); i++ {
			fmt.Fprintf(&b, `  - id: %d
    name: %s
    description: "Page %d of the shop."
    client: reload
    scenario: reload
`, 2000+i, sceneName(i), i)
			if slices.Contains(tested, sceneName(i)) {
				b.WriteString("    ab_test: reload\n")
			}
			b.WriteString(`    voucher: {enabled: true, need_applied_voucher_detail: true}
    product_promotion: {exclusion_rule: reload_rule}
    model_display: {need_model_main_promo: true, need_model_original_promo: true}
    item_display: {need_item_main_promo: true}
    rebate: {need_rebate_info: true}
    tax: {need_tax_info: true}
    stock: {need_stock: true}
`)
		}
		files[fmt.Sprintf("reload_scenes/%05d.yaml", first)] = b.String()
	}
	return files, nil
}

// marked are the four files with their marks, by name.
func (m marks) marked(n int) map[string]string {
	list := strings.Join(shownScenes(n), ", ")
	return map[string]string{
		plainGroups: fmt.Sprintf(`experiments:
  - name: reload
    salt: reload
    scenes: [%s]
    groups: [{name: group_%d, share: 100000}]
`, list, m.groups),
		plainRule: fmt.Sprintf(`exclusion_rules:
  - id: 2000
    name: reload_rule
    when: "item.id == %d && model.id %% 10 == %d && item.category != 'none'"
`, 1+m.rule%basketItems, 1+m.rule/basketItems%basketModels),
		mounted + "/" + mountScope: fmt.Sprintf(`downgrades:
  - feature: WELCOME_PACKAGE
    scenes: [%s, %s]
    reason: "edit %d"
`, list, besides(m.scope, n), m.scope),
		mounted + "/" + mountPool: fmt.Sprintf(`voucher_pools:
  - name: RELOAD_SHOP
    when: "voucher.type == 'SHOP_VOUCHER' && voucher.id %% 6 != %d"
  - name: RELOAD_PLATFORM
    when: "voucher.type == 'PLATFORM_VOUCHER' && voucher.id %% 3 != %d"
`, m.pool%3*2, m.pool%3),
	}
}

// directory is a configuration on disk, of which the marked files are edited.
type directory struct {
	path   string
	scenes int
	swaps  int
}

// newDirectory writes a configuration of so many scenes.
func newDirectory(path string, n int, m marks) (*directory, error) {
	d := &directory{path: path, scenes: n}
	files, err := fixed(n)
	if err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := d.write(name, text); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(path, mounted), 0o750); err != nil {
		return nil, err
	}
	if err := d.swap(m.marked(n)); err != nil {
		return nil, err
	}
	for _, name := range []string{mountScope, mountPool} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(path, mounted, name)); err != nil {
			return nil, err
		}
	}
	if err := d.edit(m.marked(n)); err != nil {
		return nil, err
	}
	return d, nil
}

// write writes a file as an editor does that truncates it first.
func (d *directory) write(name, text string) error {
	path := filepath.Join(d.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// edit writes the two files that stand in the directory, one after the other.
func (d *directory) edit(files map[string]string) error {
	if err := d.write(plainGroups, files[plainGroups]); err != nil {
		return err
	}
	return d.write(plainRule, files[plainRule])
}

// swap replaces the two mounted files at one instant: a new folder is written beside the old one, and the link ..data led over to it.
func (d *directory) swap(files map[string]string) error {
	d.swaps++
	root := filepath.Join(d.path, mounted)
	folder := fmt.Sprintf("..version_%d", d.swaps)
	for _, name := range []string{mountScope, mountPool} {
		if err := d.write(filepath.Join(mounted, folder, name), files[mounted+"/"+name]); err != nil {
			return err
		}
	}
	next, data := filepath.Join(root, "..data_next"), filepath.Join(root, "..data")
	if err := os.Symlink(folder, next); err != nil {
		return err
	}
	if err := os.Rename(next, data); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(root, fmt.Sprintf("..version_%d", d.swaps-1)))
}

// oracle knows the right answers under each configuration that the directory has had.
type oracle struct {
	system *assembly.System
	fixed  []source.File
	scenes int
	now    time.Time
}

// newOracle makes one that prices in this process, over the market of the server.
func newOracle(n int) (*oracle, error) {
	files, err := fixed(n)
	if err != nil {
		return nil, err
	}
	o := &oracle{scenes: n, now: time.Now()}
	for name, text := range files {
		o.fixed = append(o.fixed, source.File{Name: name, Data: []byte(text)})
	}
	o.system, err = assembly.Open(assembly.Options{Catalog: usual.catalog(), Now: time.Now})
	return o, err
}

// files are those of the configuration with these marks.
func (o *oracle) files(m marks) []source.File {
	files := slices.Clone(o.fixed)
	for name, text := range m.marked(o.scenes) {
		files = append(files, source.File{Name: name, Data: []byte(text)})
	}
	source.Sort(files)
	return files
}

// snapshot is the configuration with these marks.
func (o *oracle) snapshot(m marks) (*scenes.Snapshot, error) {
	read := scenes.LoadFiles(o.files(m), o.now) // nothing is reused, other than in the server
	if read.Snapshot == nil {
		return nil, fmt.Errorf("the configuration has findings: %v", read.Diagnostics)
	}
	return read.Snapshot, nil
}

// answer is what the traffic must be answered under the configuration with these marks, whichever of its scenes it asks for.
func (o *oracle) answer(ctx context.Context, m marks) (*pricingv1.GetPromotionInfoResponse, error) {
	snap, err := o.snapshot(m)
	if err != nil {
		return nil, err
	}
	if err := o.system.Apply(snap); err != nil {
		return nil, err
	}
	var answer *pricingv1.GetPromotionInfoResponse
	for _, name := range shownScenes(o.scenes) {
		other, err := o.system.Engine.Price(ctx, engine.Caller{}, basketOf(name))
		if err != nil {
			return nil, err
		}
		other.PricedAt = nil
		if answer != nil && !proto.Equal(answer, other) {
			return nil, fmt.Errorf("scene %s answers otherwise than the others", name)
		}
		answer = other
	}
	return answer, nil
}

// basketOf is the request of the traffic for a scene.
func basketOf(name string) *pricingv1.GetPromotionInfoRequest {
	req := basket(basketItems, basketModels)
	req.Scene = &pricingv1.GetPromotionInfoRequest_SceneName{SceneName: name}
	return req
}
