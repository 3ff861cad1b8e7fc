package source

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"proscenium/scenes/diag"
)

const (
	// maxAliased bounds the values of a file that are reached through aliases: a few lines can stand for billions.
	maxAliased = 500_000
	// maxMerges bounds how deep merge keys may be nested: an anchor can hold itself.
	maxMerges = 8
)

// resolve follows aliases. It is false where they stand for too much, which was reported.
func (d *decoder) resolve(n *yaml.Node, at *Place) (*yaml.Node, bool) {
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n, d.afford(1, at)
}

// afford counts what is decoded, so that aliases cannot make much out of little.
func (d *decoder) afford(nodes int, at *Place) bool {
	if d.left < 0 {
		return false
	}
	if d.left -= nodes; d.left < 0 {
		d.report(at.Error(diag.TooManyAliases, "aliases in this file stand for too many values", "write out what is meant"))
		return false
	}
	return true
}

// cost is what decoding a document without aliases takes at most, from what [decoder.afford] counts.
func cost(n *yaml.Node) int {
	sum := 2
	for _, c := range n.Content {
		sum += cost(c)
	}
	return sum
}

// pair is a key of a mapping with its value.
type pair struct{ key, value *yaml.Node }

// pairs are the entries of a mapping, with merge keys resolved: an entry of the mapping's own wins over a merged one, and the first merged
// one over later ones. A key that stands twice is reported, and the first one taken.
func (d *decoder) pairs(n *yaml.Node, at *Place) []pair {
	if !d.afford(len(n.Content)/2, at) {
		return nil
	}
	var out []pair
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	d.collect(n, at, seen, &out, 0)
	return out
}

func (d *decoder) collect(n *yaml.Node, at *Place, seen map[string]*yaml.Node, out *[]pair, merges int) {
	own := make(map[string]bool, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		name := key.Value
		switch {
		case key.Kind != yaml.ScalarNode:
			d.report(d.span(n.Content[i]).Finding(diag.WrongType, diag.Error, "a key must be text", "write the name of a field before the colon"))
		case key.Tag == "!!merge":
			merged = append(merged, value)
		case own[name]:
			if merges == 0 {
				d.duplicate(key, seen[name], at)
			}
		case seen[name] != nil: // merged, and overridden
		default:
			own[name], seen[name] = true, key
			*out = append(*out, pair{key, value})
		}
	}
	for _, value := range merged {
		d.merge(value, at, seen, out, merges+1)
	}
}

// merge adds what a merge key names: a mapping, or a list of mappings.
func (d *decoder) merge(value *yaml.Node, at *Place, seen map[string]*yaml.Node, out *[]pair, merges int) {
	written := value
	for value.Kind == yaml.AliasNode && value.Alias != nil {
		value = value.Alias
	}
	switch {
	case merges > maxMerges:
		d.report(d.span(written).Finding(diag.YAMLMerge, diag.Error, fmt.Sprintf("merge keys are nested more than %d deep", maxMerges),
			"a mapping must not merge itself"))
	case value.Kind == yaml.MappingNode:
		if d.afford(1+len(value.Content)/2, at) {
			d.collect(value, at, seen, out, merges)
		}
	case value.Kind == yaml.SequenceNode && written.Kind != yaml.AliasNode:
		for _, v := range value.Content {
			d.merge(v, at, seen, out, merges+1)
		}
	default:
		at.partial = true
		d.report(d.span(written).Finding(diag.YAMLMerge, diag.Error, "<< merges a mapping, or a list of mappings", "write <<: *anchor"))
	}
}

func (d *decoder) duplicate(key, first *yaml.Node, at *Place) {
	d.twice(key, d.span(first), at.Field(key.Value).Path())
}

// again reports a key of a map that stands in another file, or another document, too.
func (d *decoder) again(key *yaml.Node, first *Place) { d.twice(key, first.KeySpan(), first.Path()) }

func (d *decoder) twice(key *yaml.Node, first Span, path string) {
	found := d.span(key).Finding(diag.DuplicateKey, diag.Error, fmt.Sprintf("%s is given twice", key.Value), "take one of the two out")
	found.Path = path
	found.Related = []diag.Related{first.Related("first given here")}
	d.report(found)
}
