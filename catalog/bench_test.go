package catalog_test

import (
	"os"
	"testing"

	"proscenium/catalog"
)

// The reference catalog: 20,812 models and 33,031 promotions.
const reference = "../configs/catalog"

func BenchmarkLoad(b *testing.B) {
	files := os.DirFS(reference)
	for b.Loop() {
		if _, err := catalog.Load(files); err != nil {
			b.Fatal(err)
		}
	}
}
