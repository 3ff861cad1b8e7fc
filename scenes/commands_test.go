package scenes_test

import (
	"strings"
	"testing"

	"proscenium/engine"
)

// The commands that dependencies may name are those that the engine calls.
func TestDependenciesNameTheCommandsOfTheEngine(t *testing.T) {
	files := base(t)
	var text strings.Builder
	text.WriteString("dependencies:\n")
	for _, name := range engine.CommandNames {
		text.WriteString("  - command: " + name + "\n")
	}
	files["dependencies.yaml"] = text.String()
	if s := good(t, files); len(s.Dependencies) != len(engine.CommandNames) {
		t.Errorf("%d of %d commands", len(s.Dependencies), len(engine.CommandNames))
	}
}
