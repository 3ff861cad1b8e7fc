// Package retail makes a catalog from a year of a grocery chain: the data of the R package completejourney 1.1.1 (licence CC0).
//
// Everything is a function of the data: the same files make the same catalog, byte for byte. What the data does not have, such as stock, taxes
// and promotions for some users only, is drawn from hashes of the ids.
package retail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"proscenium/catalog"
	"proscenium/catalog/table"
)

// Region and Zone are those of the data.
const (
	Region = "US"
	Zone   = "America/New_York"
)

// Year is the one that the data covers.
const Year = 2017

// Progress is told what is being done, and how much of it is done.
type Progress func(step string, done, total int)

// Import reads models, promotions, campaigns, coupons, households and baskets from a directory of CSV files, and writes a catalog to another
// one, which is made if need be. Files of a catalog that are there already are replaced. Faults in the data are returned together, as a
// *[table.Error]; then nothing is written. The catalog is loaded once, so that what is written is known to be good. progress may be nil.
func Import(from fs.FS, to string, progress Progress) error {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	zone, err := time.LoadLocation(Zone)
	if err != nil {
		return fmt.Errorf("load the time zone of the data: %w", err)
	}
	const steps = 4
	progress("read the data", 0, steps)
	found := &table.Findings{}
	src := readSource(from, zone, found)
	if err := found.Err(); err != nil {
		return err
	}
	progress("make the catalog", 1, steps)
	files := newMaker(src, zone).make()
	progress("write the catalog", 2, steps)
	if err := write(to, files); err != nil {
		return err
	}
	progress("check the catalog", 3, steps)
	if _, err := catalog.Load(os.DirFS(to)); err != nil {
		return fmt.Errorf("check the catalog written to %s: %w", to, err)
	}
	progress("done", steps, steps)
	return nil
}

func write(to string, files []file) error {
	if err := os.MkdirAll(to, 0o755); err != nil { //nolint:gosec // a catalog holds no secrets: everybody may read it
		return fmt.Errorf("make the directory of the catalog: %w", err)
	}
	for _, f := range files {
		for _, old := range []string{f.name + ".csv", f.name + ".csv.gz"} {
			if err := os.Remove(filepath.Join(to, old)); err != nil && !os.IsNotExist(err) {
				return fmt.Errorf("replace a table: %w", err)
			}
		}
		name, data, err := f.bytes()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil { //nolint:gosec // as above
			return fmt.Errorf("write a table: %w", err)
		}
	}
	return nil
}
