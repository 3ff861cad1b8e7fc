package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"proscenium/configs"
)

// serving is a server in a process of its own.
type serving struct {
	command      *exec.Cmd
	prices       string // URL of the main port
	banner       string // up to the addresses
	admin        string
	mu           sync.Mutex
	stderr       bytes.Buffer
	stdoutClosed chan struct{}
}

func (s *serving) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.Write(p)
}

func (s *serving) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.String()
}

// built is the directory of the binary, made by the first test that needs it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// build is the path of the binary.
func build(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "proscenium-test-"); built.err != nil { //nolint:usetesting // all tests share it
			return
		}
		if out, err := exec.Command("go", "build", "-o", built.dir, ".").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "proscenium")
}

var addresses = regexp.MustCompile(`(?s)prices  (http://\S+).*admin   (http://\S+)`)

// startServing runs the binary and waits until it says where it listens.
func startServing(t *testing.T, binary string, args ...string) *serving {
	t.Helper()
	s := &serving{stdoutClosed: make(chan struct{})}
	s.command = exec.CommandContext(t.Context(), binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "text"}, args...)...)
	s.command.Stderr = s
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.command.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	var banner strings.Builder
	for lines.Scan() {
		banner.WriteString(lines.Text() + "\n")
		if found := addresses.FindStringSubmatch(banner.String()); found != nil {
			s.prices, s.admin = found[1], found[2]
			break
		}
	}
	s.banner = banner.String()
	if s.prices == "" {
		t.Fatalf("the server does not say where it listens: %q\n%s", banner.String(), s.log())
	}
	go func() {
		defer close(s.stdoutClosed)
		_, _ = io.Copy(io.Discard, stdout)
	}()
	return s
}

// answer is the part of a response that the tests look at.
type answer struct {
	ConfigVersion string `json:"configVersion"`
	Items         []struct {
		Status    string `json:"status"`
		MainPromo *struct {
			Price string `json:"price"`
		} `json:"mainPromo"`
	} `json:"items"`
}

// ask prices one item in cart_guest.
func (s *serving) ask(t *testing.T) (answer answer) {
	t.Helper()
	body := `{"scene_name": "cart_guest", "region": "US", "items": [{"item_id": 1000}]}`
	res, err := http.Post(s.prices+"/proscenium.pricing.v1.PricingService/GetPromotionInfo", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, data)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func (s *serving) page(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get(s.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// copyConfigs copies the reference marketplace, to be edited.
func copyConfigs(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, configs.FS); err != nil {
		t.Fatal(err)
	}
	return to
}

func edit(t *testing.T, file, old, changed string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s does not have %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, changed, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnEditChangesTheNextAnswerAndABrokenOneDoesNot(t *testing.T) {
	config := copyConfigs(t)
	scenes, err := fs.Glob(os.DirFS(config), "scenes/*cart_guest.yaml")
	if err != nil || len(scenes) != 1 {
		t.Fatal(scenes, err)
	}
	file := filepath.Join(config, scenes[0])
	s := startServing(t, build(t), "--config", config, "--data", t.TempDir())
	first := s.ask(t)
	if len(first.Items) != 1 || first.Items[0].Status != "STATUS_OK" || first.Items[0].MainPromo != nil {
		t.Fatalf("answer %+v; want an item without main promo of its own", first)
	}

	edit(t, file, "    client: cart", "    item_display: {need_item_main_promo: true}\n    client: cart")
	waitFor(t, "the edit", func() bool { return s.ask(t).ConfigVersion != first.ConfigVersion })
	second := s.ask(t)
	if second.Items[0].MainPromo == nil {
		t.Errorf("answer %+v; want the item's main promo", second)
	}

	edit(t, file, "scenario: buyer_non_user_exclusive", "scenario: buyer_non_user_exclusiv")
	waitFor(t, "the finding in the log", func() bool { return strings.Contains(s.log(), "hint: did you mean buyer_non_user_exclusive?") })
	log := s.log()
	for _, want := range []string{scenes[0] + ":", "scenario: buyer_non_user_exclusiv\n", "^^^^^", "the one before serves on"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	var status struct {
		Version  string `json:"version"`
		Differs  bool   `json:"differs"`
		Findings []struct {
			File string `json:"file"`
		} `json:"findings"`
	}
	_, page := s.page(t, "/configz")
	if err := json.Unmarshal([]byte(page), &status); err != nil {
		t.Fatal(err)
	}
	if status.Version != second.ConfigVersion || !status.Differs || len(status.Findings) == 0 || status.Findings[0].File != scenes[0] {
		t.Errorf("status %s", page)
	}
	if code, _ := s.page(t, "/readyz"); code != http.StatusOK {
		t.Errorf("not ready with a broken edit: %d", code)
	}
	if _, page := s.page(t, "/metrics"); !strings.Contains(page, "proscenium_config_out_of_sync 1") ||
		!strings.Contains(page, `proscenium_requests_total{client="cart",code="OK"`) {
		t.Error("the metrics do not show the requests, or that the files are not what serves")
	}
	if third := s.ask(t); third.ConfigVersion != second.ConfigVersion || third.Items[0].MainPromo == nil {
		t.Errorf("answer %+v; want that of the last good edit", third)
	}

	edit(t, file, "scenario: buyer_non_user_exclusiv\n", "scenario: buyer_non_user_exclusive\n")
	waitFor(t, "the mended files to be what serves", func() bool {
		_, page := s.page(t, "/configz")
		return strings.Contains(page, `"differs": false`)
	})

	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.stdoutClosed
	if err := s.command.Wait(); err != nil {
		t.Errorf("the end: %v\n%s", err, s.log())
	}
	for _, want := range []string{
		"msg=listening address=" + strings.TrimPrefix(s.prices, "http://") + " admin_address=" + strings.TrimPrefix(s.admin, "http://") +
			" access=open config=" + config,
		`msg="shutting down" cause="terminated signal received"`,
		"msg=stopped duration=",
	} {
		if !strings.Contains(s.log(), want) {
			t.Errorf("the log does not say %q:\n%s", want, s.log())
		}
	}
}

func TestTheExampleOfTheBannerShowsEverythingThatAPriceIsMadeOf(t *testing.T) {
	got := command(t, exampleBody, "explain", "--request", "-", "--format", "json")
	var answer struct {
		Items []struct {
			Models []struct {
				MainPromo struct {
					PriceRuleType string `json:"price_rule_type"`
				} `json:"main_promo"`
				Shop     string `json:"shop_voucher_discount"`
				Platform string `json:"platform_voucher_discount"`
				Tax      struct {
					Value string `json:"tax_value"`
				} `json:"tax"`
				Rebate struct {
					Total string `json:"total_rebate"`
				} `json:"rebate"`
			} `json:"models"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(got.stdout), &answer); err != nil {
		t.Fatal(err, got.stderr)
	}
	model := answer.Items[0].Models[0]
	if model.MainPromo.PriceRuleType == "original_price" || model.Shop == "" || model.Platform == "" || model.Tax.Value == "" || model.Rebate.Total == "" {
		t.Errorf("the example shows only %+v", model)
	}
}

func TestABrokenConfigurationDoesNotStart(t *testing.T) {
	config := copyConfigs(t)
	edit(t, filepath.Join(config, "regions.yaml"), "regions:", "regons:")
	got := command(t, "", "serve", "--config", config, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "text")
	if got.code != exitFindings || !strings.Contains(got.stderr, "regions.yaml:") || !strings.Contains(got.stderr, "did you mean regions?") ||
		!strings.Contains(got.stderr, "there is nothing to serve") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
}
