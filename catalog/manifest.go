package catalog

import (
	"regexp"
	"slices"
	"time"

	"proscenium/catalog/table"
	"proscenium/scenes/diag"
)

// The years that may be repeated.
const (
	firstRepeated = 1970
	lastRepeated  = 2200
)

// manifest reads the one row that says what the other tables mean. It is false where that is not known: then no date means anything.
func (l *loader) manifest() bool {
	r := table.Open(l.fsys, manifestTable(), l.found)
	good := false
	code := regexp.MustCompile(`^[A-Z]{2}$`)
	for r.Next() {
		if good {
			r.Fault(manifestRegions, diag.DuplicateSection, "remove one of them", "a catalog has one row here")
			return false
		}
		r.RequiredText(manifestRegions)
		regions := r.Words(manifestRegions)
		if i := slices.IndexFunc(regions, func(s string) bool { return !code.MatchString(s) }); i >= 0 {
			r.Fault(manifestRegions, diag.Constraint, "two capital letters, such as US", "%q is not a region", regions[i])
		}
		name := r.RequiredText(manifestZone)
		zone, err := time.LoadLocation(name)
		if err != nil || name == "Local" {
			r.Fault(manifestZone, diag.UnknownTimeZone, "an IANA name, such as America/New_York", "unknown time zone %q", name)
		}
		year := int(r.Int(manifestRepeats, firstRepeated, lastRepeated, 0))
		good = r.OK()
		c := l.cat
		c.regions, c.zone = regions, zone
		for _, times := range []*calendar{&c.priceTimes, &c.scheduleTimes, &c.voucherTimes} {
			times.zone, times.from = zone, year
		}
	}
	if !good && l.found.Err() == nil {
		l.found.Add(diag.Diagnostic{Code: diag.MissingField, File: r.File(), Message: "the row is missing", Hint: "such as US,America/New_York,"})
	}
	return good
}
