package scenetest

import (
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	scenetestv1 "proscenium/gen/proscenium/scenetest/v1"

	"proscenium/scenes/source"
)

// testCase is one request with what is expected of its answer.
type testCase struct {
	file *file
	test string
	cell string // of a matrix: such as request=a user=b; empty: the test has none
	at   *source.Place

	client  string
	catalog string   // name of the fixture; empty: the configuration's
	failing []string // commands, sorted
	// downgrades are sorted.
	downgrades []configv1.DowngradeFeature
	// request is read only: who prices it takes a copy.
	request *pricingv1.GetPromotionInfoRequest
	arrives time.Time
	expect  []expectation
}

// name is what --run matches: file, test and cell.
func (c *testCase) name() string {
	if c.cell == "" {
		return c.file.name + "/" + c.test
	}
	return c.file.name + "/" + c.test + "/" + c.cell
}

// expectation is one with its place, and its expressions compiled.
type expectation struct {
	*scenetestv1.Expectation
	at   *source.Place
	that []*assertion
}

// cell is a combination of the matrix, by the names of its parts. A part that is no axis and has no name is empty.
type cell struct{ request, user, time string }

// label names the parts that are axes of the matrix.
func (c cell) label(m *scenetestv1.Matrix) string {
	var parts []string
	for _, p := range []struct {
		axis       []string
		name, part string
	}{{m.GetRequests(), "request", c.request}, {m.GetUsers(), "user", c.user}, {m.GetTimes(), "time", c.time}} {
		if len(p.axis) > 0 {
			parts = append(parts, p.name+"="+p.part)
		}
	}
	return strings.Join(parts, " ")
}
