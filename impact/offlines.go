package impact

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"proscenium/catalog"
	pricingv1 "proscenium/gen/proscenium/pricing/v1"
	"proscenium/recording"
	"proscenium/scenes"
)

// Configuration is what a request is priced under, offline.
type Configuration struct {
	Snapshot *scenes.Snapshot
	// Catalog may be that of the other side.
	Catalog *catalog.Catalog
}

// Offlines is [Run] for two configurations. It says of the largest price changes which rules and vouchers made them.
func Offlines(ctx context.Context, lines iter.Seq2[recording.Line, error], before, after Configuration, now time.Time, opts Options) (*Report, error) {
	old, err := NewOffline(before.Snapshot, before.Catalog, now)
	if err != nil {
		return nil, fmt.Errorf("the old configuration: %w", err)
	}
	defer old.Close()
	edited, err := NewOffline(after.Snapshot, after.Catalog, now)
	if err != nil {
		return nil, fmt.Errorf("the new configuration: %w", err)
	}
	defer edited.Close()
	if opts.SceneName == nil {
		opts.SceneName = func(msg *pricingv1.GetPromotionInfoRequest) (string, bool) {
			if name, ok := edited.SceneName(msg); ok {
				return name, true
			}
			return old.SceneName(msg)
		}
	}
	report, err := Run(ctx, lines, old, edited, opts)
	if err != nil {
		return nil, err
	}
	if err := explainLargest(ctx, report, old, edited); err != nil {
		return nil, err
	}
	replaced := slices.Concat(old.Replaced(), edited.Replaced())
	slices.Sort(replaced)
	if replaced = slices.Compact(replaced); len(replaced) > 0 {
		report.Notes = append(report.Notes, fmt.Sprintf("other services are not asked: the catalog answers %s on both sides", strings.Join(replaced, ", ")))
	}
	return report, nil
}
