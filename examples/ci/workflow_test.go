// Package ci_test runs what the examples for continuous integration say, on a small repository.
package ci_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v4"
)

// workflow is what of a workflow of GitHub Actions its steps depend on.
type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Defaults    struct {
		Run struct {
			Shell string `yaml:"shell"`
		} `yaml:"run"`
	} `yaml:"defaults"`
	Env  map[string]string `yaml:"env"`
	Jobs map[string]struct {
		If          string            `yaml:"if"`
		Permissions map[string]string `yaml:"permissions"`
		Timeout     int               `yaml:"timeout-minutes"`
		Steps       []step            `yaml:"steps"`
	} `yaml:"jobs"`
}

type step struct {
	Name      string            `yaml:"name"`
	ID        string            `yaml:"id"`
	If        string            `yaml:"if"`
	Uses      string            `yaml:"uses"`
	With      map[string]any    `yaml:"with"`
	Env       map[string]string `yaml:"env"`
	Directory string            `yaml:"working-directory"`
	Run       string            `yaml:"run"`
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func theWorkflow(t *testing.T) (w workflow) {
	t.Helper()
	readYAML(t, "github-actions.yaml", &w)
	if w.Defaults.Run.Shell != "bash" || len(w.Jobs) != 2 {
		t.Fatalf("the workflow is not what this test runs: %+v", w)
	}
	return w
}

// runner stands for a machine that runs a pull request's jobs, in a directory that has the repository checked out.
type runner struct {
	dir, temp string
	fork      bool
	env       []string
	failed    bool
	skipped   map[string]bool
	out       map[string]string // of each step that ran, by name
	codes     map[string]int
}

const installing = "Install Proscenium"

// binary builds the command once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "proscenium-ci-*")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", "proscenium/cmd/proscenium").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binary(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// pathWith puts directories before those of the environment's PATH.
func pathWith(dirs ...string) string {
	return "PATH=" + strings.Join(append(dirs, os.Getenv("PATH")), string(os.PathListSeparator))
}

// run runs the job on a repository.
func run(t *testing.T, job, repository string, fork bool) *runner {
	t.Helper()
	tools, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	w := theWorkflow(t)
	temp := t.TempDir()
	r := &runner{dir: repository, temp: temp, fork: fork, skipped: map[string]bool{}, out: map[string]string{}, codes: map[string]int{}}
	r.env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GITHUB_") || strings.HasPrefix(v, "PROSCENIUM_") }),
		"RUNNER_TEMP="+temp, "GITHUB_STEP_SUMMARY="+filepath.Join(temp, "summary.md"), "GITHUB_PATH="+filepath.Join(temp, "path"),
		"GITHUB_BASE_REF=main", "GITHUB_REPOSITORY=shop/market", "GH_STATE="+filepath.Dir(repository), pathWith(fakes(t), tools))
	for name, value := range w.Env {
		r.env = append(r.env, name+"="+value)
	}
	for _, s := range w.Jobs[job].Steps {
		if s.Run != "" && s.Name != installing {
			r.step(t, s)
		}
	}
	return r
}

// fakes is a directory with a gh that keeps one comment in a file.
func fakes(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("testdata/bin")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// step runs a step as the runner of GitHub does.
func (r *runner) step(t *testing.T, s step) {
	t.Helper()
	if !r.condition(t, s.If) {
		r.skipped[s.ID] = true
		return
	}
	script := filepath.Join(t.TempDir(), "step.sh")
	if err := os.WriteFile(script, []byte(s.Run), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script)
	command.Dir, command.Env = filepath.Join(r.dir, s.Directory), slices.Clone(r.env)
	for name, value := range s.Env {
		command.Env = append(command.Env, name+"="+r.expand(t, value))
	}
	if strings.Contains(s.Run, "${{") {
		t.Errorf("step %s lets texts of the pull request into its script", s.Name)
	}
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	r.out[s.Name], r.codes[s.Name] = out.String(), command.ProcessState.ExitCode()
	if err != nil {
		r.failed = true
	}
}

const (
	always   = "${{ !cancelled() }}"
	ofAFork  = "github.event.pull_request.head.repo.full_name == github.repository"
	comment  = "${{ !cancelled() && steps.compare.outcome != 'skipped' && " + ofAFork + " }}"
	upload   = "${{ !cancelled() && (github.event_name == 'push' || " + ofAFork + ") }}"
	sameRepo = "${{ github.event_name == 'pull_request' }}"
)

// condition decides the conditions that the workflow has.
func (r *runner) condition(t *testing.T, condition string) bool {
	t.Helper()
	switch condition {
	case "":
		return !r.failed
	case always:
		return true
	case comment:
		return !r.skipped["compare"] && !r.fork
	default:
		t.Fatalf("this test does not know the condition %s", condition)
		return false
	}
}

// expand puts in what the workflow asks of the pull request.
func (r *runner) expand(t *testing.T, value string) string {
	t.Helper()
	switch value {
	case "${{ github.token }}":
		return ""
	case "${{ github.event.pull_request.number }}":
		return "7"
	default:
		t.Fatalf("this test does not know the value of %s", value)
		return ""
	}
}

// file reads a file of the runner's temporary directory.
func (r *runner) file(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.temp, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Edits of the sample's configuration, by file; an empty text deletes it.
type edits map[string]string

const market = "configs/market.yaml"

// withoutCuts is the configuration whose scene drops the weekly cuts.
func withoutCuts(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/repository/" + market)
	if err != nil {
		t.Fatal(err)
	}
	return string(data) + "    product_promotion: {exclusion_rule: no_cuts}\n" +
		"exclusion_rules:\n  - {id: 1, name: no_cuts, excluded_price_rule_types: [weekly_cut]}\n"
}

// pullRequest is a clone of a repository with the sample on its main branch, and an edit of it checked out.
func pullRequest(t *testing.T, base, edit edits) string {
	t.Helper()
	root := t.TempDir()
	origin, clone := filepath.Join(root, "origin"), filepath.Join(root, "clone")
	if err := os.CopyFS(origin, os.DirFS("testdata/repository")); err != nil {
		t.Fatal(err)
	}
	git(t, origin, "init", "-q", "-b", "main")
	commit(t, origin, base)
	git(t, root, "clone", "-q", origin, clone)
	// What others do meanwhile is no part of the comparison.
	commit(t, origin, edits{"README.md": "later"})
	git(t, clone, "fetch", "-q")
	git(t, clone, "checkout", "-q", "-b", "edit")
	commit(t, clone, edit)
	return clone
}

func commit(t *testing.T, dir string, edit edits) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(edit)) {
		path := filepath.Join(dir, name)
		if edit[name] == "" {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(edit[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(t, dir, "add", "-A")
	git(t, dir, "-c", "user.name=someone", "-c", "user.email=someone@shop.example", "commit", "-q", "--allow-empty", "-m", "edit")
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", what, want, text)
		}
	}
}

var pinned = regexp.MustCompile(`^(actions|github)/[a-z/-]+@v\d+\.\d+\.\d+$`)

func TestTheWorkflowAsksForLittleAndPinsItsActions(t *testing.T) {
	w := theWorkflow(t)
	if w.Permissions == nil || len(w.Permissions) != 0 {
		t.Errorf("all jobs have permissions %v", w.Permissions)
	}
	allowed := map[string]string{"contents": "read", "security-events": "write", "pull-requests": "write"}
	for name, job := range w.Jobs {
		if len(job.Permissions) != 2 || job.Timeout == 0 {
			t.Errorf("job %s has permissions %v and a timeout of %d minutes", name, job.Permissions, job.Timeout)
		}
		for what, access := range job.Permissions {
			if allowed[what] != access {
				t.Errorf("job %s has %s: %s", name, what, access)
			}
		}
		for _, s := range job.Steps {
			if (s.Uses == "") == (s.Run == "") || s.Uses != "" && !pinned.MatchString(s.Uses) {
				t.Errorf("job %s: step %+v", name, s)
			}
			if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false {
				t.Errorf("job %s leaves its token in the checkout", name)
			}
			if strings.HasPrefix(s.Uses, "github/codeql-action/upload-sarif@") && s.If != upload {
				t.Errorf("findings are uploaded if %s", s.If)
			}
		}
	}
	if w.Jobs["impact"].If != sameRepo || w.Jobs["check"].If != "" {
		t.Error("jobs run when they should not")
	}
	text, err := os.ReadFile("github-actions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "secrets.") {
		t.Error("the workflow needs a secret")
	}
}

func TestTheProjectIsBuiltFromItsCheckout(t *testing.T) {
	w := theWorkflow(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, job := range w.Jobs {
		dir, temp := t.TempDir(), t.TempDir()
		if err := os.Symlink(root, filepath.Join(dir, ".proscenium")); err != nil {
			t.Fatal(err)
		}
		r := &runner{
			dir: dir, temp: temp, skipped: map[string]bool{}, out: map[string]string{}, codes: map[string]int{},
			env: append(os.Environ(), "RUNNER_TEMP="+temp, "GITHUB_PATH="+filepath.Join(temp, "path")),
		}
		at := slices.IndexFunc(job.Steps, func(s step) bool { return s.Name == installing })
		if at < 0 {
			t.Fatalf("job %s does not install anything", name)
		}
		r.step(t, job.Steps[at])
		added := strings.TrimSpace(r.file(t, "path"))
		if info, err := os.Stat(filepath.Join(added, "proscenium")); err != nil || info.Mode()&fs.FileMode(0o100) == 0 {
			t.Errorf("job %s: no command in %s: %v\n%s", name, added, err, r.out[installing])
		}
	}
}
