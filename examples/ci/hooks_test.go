package ci_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// hook is an entry of .pre-commit-hooks.yaml.
type hook struct {
	ID            string   `yaml:"id"`
	Name          string   `yaml:"name"`
	Description   string   `yaml:"description"`
	Language      string   `yaml:"language"`
	Entry         string   `yaml:"entry"`
	Args          []string `yaml:"args"`
	Types         []string `yaml:"types"`
	TypesOr       []string `yaml:"types_or"`
	PassFilenames *bool    `yaml:"pass_filenames"`
	RequireSerial bool     `yaml:"require_serial"`
}

func hooks(t *testing.T) map[string]hook {
	t.Helper()
	var list []hook
	readYAML(t, "../../.pre-commit-hooks.yaml", &list)
	byID := map[string]hook{}
	for _, h := range list {
		byID[h.ID] = h
	}
	return byID
}

func TestHooksHaveWhatPreCommitWants(t *testing.T) {
	all := hooks(t)
	if len(all) != 2 {
		t.Errorf("hooks %v", all)
	}
	for id, h := range all {
		if h.Name == "" || h.Description == "" || h.Language != "golang" || !strings.HasPrefix(h.Entry, "proscenium ") || len(h.Args) != 1 {
			t.Errorf("%s: %+v", id, h)
		}
		if h.PassFilenames == nil || *h.PassFilenames {
			t.Errorf("%s gets the names of files that changed, and wants a directory", id)
		}
		if !slices.Contains(slices.Concat(h.Types, h.TypesOr), "yaml") {
			t.Errorf("%s does not run for YAML", id)
		}
	}
	// pre-commit installs a Go hook with: go install ./...
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Name}} {{.ImportPath}}", "proscenium/cmd/proscenium").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "main proscenium/cmd/proscenium" {
		t.Errorf("%v %s", err, out)
	}
}

func TestHooksRefuseWhatIsWrong(t *testing.T) {
	tools, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		edit  edits
		codes map[string]int
		says  string
	}{
		{"a good configuration", nil, map[string]int{"proscenium-validate": 0, "proscenium-test": 0}, ""},
		{"one with an error", edits{market: "clents: []\n"}, map[string]int{"proscenium-validate": 1, "proscenium-test": 1}, "did you mean clients?"},
		{"one with a warning", edits{"configs/pools.yaml": "voucher_pools:\n  - {name: UNUSED, when: 'true'}\n"}, map[string]int{"proscenium-validate": 1, "proscenium-test": 0}, "UNUSED"},
		{"one with other prices", edits{market: withoutCuts(t)}, map[string]int{"proscenium-validate": 0, "proscenium-test": 1}, "green tea"},
	} {
		t.Run(c.name, func(t *testing.T) {
			repository := pullRequest(t, nil, c.edit)
			said := ""
			for id, h := range hooks(t) {
				words := append(strings.Fields(h.Entry), h.Args...)
				command := exec.CommandContext(t.Context(), "bash", append([]string{"-c", `exec "$@"`, "pre-commit"}, words...)...)
				command.Dir, command.Env = repository, append(os.Environ(), pathWith(tools))
				out, _ := command.CombinedOutput()
				if got := command.ProcessState.ExitCode(); got != c.codes[id] {
					t.Errorf("%s ends with %d, want %d:\n%s", id, got, c.codes[id], out)
				}
				said += string(out)
			}
			contains(t, "a hook", said, c.says)
		})
	}
}
