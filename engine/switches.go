package engine

import (
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// Switch is a downgrade that operators threw, beside those of the configuration.
type Switch struct {
	Feature configv1.DowngradeFeature
	// Regions and Scenes narrow it down, both together to their intersection; empty: all. Names that the configuration does not have match nothing.
	Regions, Scenes []string
	Until           time.Time // zero: open
}
