package scenes_test

import (
	"os"
	"testing"

	"golang.org/x/tools/txtar"

	"proscenium/scenes/diag"
)

// Whatever one of the files holds, loading ends without a panic, with a snapshot or with errors, and each finding has its place in a file.
func FuzzLoad(f *testing.F) {
	cases, err := os.ReadDir("testdata/findings")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		archive, err := txtar.ParseFile("testdata/findings/" + c.Name())
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name != "want" {
				f.Add(file.Name, file.Data)
			}
		}
	}
	good := base(f)
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		files := map[string]string{name: string(data)}
		for other, text := range good {
			if other != name {
				files[other] = text
			}
		}
		result := load(files)
		if (result.Snapshot == nil) != diag.HasErrors(result.Diagnostics) {
			t.Errorf("snapshot: %v, with %v", result.Snapshot != nil, result.Diagnostics)
		}
		for _, d := range result.Diagnostics {
			whole := d.Code == diag.NoRegion || d.Code == diag.OriginalPriceMissing || d.Code == diag.TooMany
			if (d.Line == 0 || d.Column == 0 || d.EndColumn <= d.Column) && !whole {
				t.Errorf("a finding is nowhere: %+v", d)
			}
		}
	})
}
