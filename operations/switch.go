// Package operations holds what operators do to a running fleet: the switches that they throw, and the log of who did what.
//
// Both are in three places. Memory answers; the directory of the data outlives the process; Redis tells the other processes, and is filled again by
// any of them where it lost everything. None of the three is needed by the other two.
package operations

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	configv1 "proscenium/gen/proscenium/config/v1"
)

// Switch is a downgrade that an operator threw, or one that was taken back.
type Switch struct {
	Feature configv1.DowngradeFeature
	// Regions and Scenes narrow it down, both together to their intersection; empty: all. They are sorted, and none stands twice.
	Regions, Scenes []string
	// Restored says that the switch was taken back: the feature is on again. It is kept for a while, so that a process which was cut off learns of it.
	Restored         bool
	Operator, Reason string
	// At is when it was thrown or taken back, by the clock of the process that was asked.
	At time.Time
	// Until is when it goes back by itself; zero: it holds until it is taken back.
	Until time.Time
	// Stamp orders what was done to the same switch.
	Stamp Stamp
}

// Stamp is a hybrid logical clock: nanoseconds since 1970 by the clock of the process or, where that is behind a stamp that the process has seen, one more
// than that. Of two stamps of the same time the one of the greater node is later. So whoever changes a switch that it knows about wins, whatever the clocks say.
type Stamp struct {
	Time int64  `json:"time"`
	Node string `json:"node"`
}

func (s Stamp) compare(other Stamp) int {
	return cmp.Or(cmp.Compare(s.Time, other.Time), strings.Compare(s.Node, other.Node))
}

// InForce says whether the feature is off by this switch at an instant.
func (s *Switch) InForce(now time.Time) bool {
	return !s.Restored && (s.Until.IsZero() || now.Before(s.Until))
}

// Name names the switch by its feature and where it holds; switches of equal names are the same.
func (s *Switch) Name() string {
	var parts []string
	for _, r := range s.Regions {
		parts = append(parts, "region:"+r)
	}
	for _, n := range s.Scenes {
		parts = append(parts, "scene:"+n)
	}
	if len(parts) == 0 {
		parts = []string{"all"}
	}
	return FeatureName(s.Feature) + " in " + strings.Join(parts, ",")
}

// FeatureName is a feature as files write it.
func FeatureName(f configv1.DowngradeFeature) string {
	return strings.TrimPrefix(f.String(), "DOWNGRADE_FEATURE_")
}

// remembered is how long a switch that is not in force any more is kept: a process that was cut off for longer may bring it back.
const remembered = 30 * 24 * time.Hour

func (s *Switch) forgotten(now time.Time) bool {
	switch {
	case s.Restored:
		return now.Sub(time.Unix(0, s.Stamp.Time)) > remembered
	case !s.Until.IsZero():
		return now.Sub(s.Until) > remembered
	default:
		return false
	}
}

// entry is a switch with its text, which is what is kept and exchanged: a process of another version may have written more than this one reads.
type entry struct {
	Switch
	text []byte
}

// wins says whether an entry replaces another of the same switch. It is an order: whatever the sequence in which processes hear of entries, all end with the same.
func (e *entry) wins(other *entry) bool {
	if other == nil {
		return true
	}
	if c := e.Stamp.compare(other.Stamp); c != 0 {
		return c > 0
	}
	return bytes.Compare(e.text, other.text) > 0
}

// written is the text of an entry.
type written struct {
	Feature  string     `json:"feature"`
	Regions  []string   `json:"regions,omitempty"`
	Scenes   []string   `json:"scenes,omitempty"`
	Restored bool       `json:"restored,omitempty"`
	Operator string     `json:"operator"`
	Reason   string     `json:"reason"`
	At       time.Time  `json:"at"`
	Until    *time.Time `json:"until,omitempty"`
	Stamp    Stamp      `json:"stamp"`
}

func encode(s Switch) (*entry, error) {
	w := written{
		Feature: FeatureName(s.Feature), Regions: s.Regions, Scenes: s.Scenes, Restored: s.Restored, Operator: s.Operator, Reason: s.Reason,
		At: s.At.UTC(), Stamp: s.Stamp,
	}
	if !s.Until.IsZero() {
		until := s.Until.UTC()
		w.Until = &until
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

var errEntry = errors.New("it is no switch that this version knows")

// latestTime bounds stamps, so that there are later ones: 2200-01-01.
const latestTime = 7_258_118_400_000_000_000

func decode(text []byte) (*entry, error) {
	var w written
	if err := json.Unmarshal(text, &w); err != nil || bytes.IndexByte(text, '\n') >= 0 {
		return nil, errEntry
	}
	feature, ok := configv1.DowngradeFeature_value["DOWNGRADE_FEATURE_"+w.Feature]
	if !ok || feature == 0 || w.Stamp.Time < 0 || w.Stamp.Time >= latestTime || !canonical(w.Regions) || !canonical(w.Scenes) {
		return nil, errEntry
	}
	e := &entry{text: text, Switch: Switch{
		Feature: configv1.DowngradeFeature(feature), Regions: w.Regions, Scenes: w.Scenes, Restored: w.Restored, Operator: w.Operator, Reason: w.Reason,
		At: w.At, Stamp: w.Stamp,
	}}
	if w.Until != nil {
		e.Until = *w.Until
	}
	return e, nil
}

// canonical says whether names are sorted, and each stands once.
func canonical(names []string) bool {
	for i, n := range names {
		if n == "" || i > 0 && names[i-1] >= n {
			return false
		}
	}
	return true
}

func sorted(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// field is where the fleet keeps a switch: a hash of its name, which may be long.
func (s *Switch) field() string {
	sum := sha256.Sum256([]byte(s.Name()))
	return hex.EncodeToString(sum[:16])
}
