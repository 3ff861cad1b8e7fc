package settings_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"proscenium/settings"
)

var update = flag.Bool("update", false, "write docs/reference/settings.md")

const someHash = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	settings.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestWithoutAnySourceTheDefaultsHold(t *testing.T) {
	got, err := settings.Load(settings.Sources{Flags: flags(t)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(settings.Defaults(), got); diff != "" {
		t.Error(diff)
	}
}

func TestLaterSourcesOverrideEarlierOnes(t *testing.T) {
	got, err := settings.Load(settings.Sources{
		File: write(t, `
listen: 127.0.0.1:1
admin_listen: 127.0.0.1:1
config: from-file
log: {level: warn, format: json}
shutdown: {grace: 3s, delay: 250ms}
memory_limit: 512MiB
cors_origins: [https://a.example]
tracing:
  sample_ratio: 0.5
recording: {max_bytes: 64MiB, sample_ratio: 1, max_age: 0}
node: from-file
redis: {addresses: ['from-file:1'], tls: true, timeout: 20ms}
credentials:
  - {id: shop, sha256: `+someHash+`, expires: 2031-02-03T04:05:06Z}
`),
		Environ: []string{
			"PROSCENIUM_LISTEN=127.0.0.1:2", "PROSCENIUM_ADMIN_LISTEN=127.0.0.1:2", "PROSCENIUM_LOG_LEVEL=debug",
			"PROSCENIUM_GC_PERCENT=200", "PROSCENIUM_RECORDING_MAX_BYTES=1GiB", "PROSCENIUM_RECORDING_SAMPLE_RATIO=0.5", "PROSCENIUM_SERVICE_HOST=10.0.0.1",
			"PROSCENIUM_NODE=n-1", "PROSCENIUM_REDIS_ADDRESSES=a:1, b:2", "PROSCENIUM_REDIS_CLUSTER=true", "PROSCENIUM_REDIS_SHADOW_ADDRESSES=c:3", "PROSCENIUM_REDIS_PASSWORD=sesame", "PROSCENIUM_PORT=tcp://10.0.0.1:8080", "HOME=/root",
		},
		Flags: flags(t, "--listen", "127.0.0.1:3", "--recording-sample-ratio", "0.25"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Defaults()
	want.Listen, want.AdminListen, want.Config = "127.0.0.1:3", "127.0.0.1:2", "from-file"
	want.Log = settings.Log{Level: "debug", Format: "json"}
	want.Shutdown = settings.Shutdown{Grace: 3 * time.Second, Delay: 250 * time.Millisecond}
	want.MemoryLimit, want.GCPercent = 512<<20, 200
	want.CORSOrigins = []string{"https://a.example"}
	want.Tracing.SampleRatio = 0.5
	want.Node, want.Redis.Addresses, want.Redis.ShadowAddresses = "n-1", []string{"a:1", "b:2"}, []string{"c:3"}
	want.Redis.Cluster, want.Redis.TLS, want.Redis.Timeout = true, true, 20*time.Millisecond
	want.Recording.MaxBytes, want.Recording.SampleRatio, want.Recording.MaxAge = 1<<30, 0.25, 0
	want.Credentials = []settings.Credential{{ID: "shop", SHA256: someHash, Expires: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsWrongIsNamedWithItsFix(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		env  []string
		want []string
	}{
		{"an unknown key", "lisen: 127.0.0.1:1", nil, []string{"there is no setting lisen", "did you mean listen?"}},
		{"an unknown key inside another", "log: {lvel: info}", nil, []string{"there is no setting log.lvel", "did you mean log.level?"}},
		{"an unknown key of a credential", "credentials: [{id: a, sha265: b}]", nil, []string{"credentials[0].sha265"}},
		{"an unknown variable", "", []string{"PROSCENIUM_LISTN=x"}, []string{"PROSCENIUM_LISTN sets nothing", "did you mean PROSCENIUM_LISTEN?"}},
		{"no YAML", "listen: [", nil, []string{"settings.yaml"}},
		{"a wrong type", "gc_percent: many", nil, []string{"gc_percent"}},
		{"a port alone", "listen: 8080", nil, []string{`listen: "8080" is no address`, "HOST:PORT"}},
		{"a wrong level", "log: {level: loud}", nil, []string{"log.level", "debug, info, warn, error"}},
		{"a wrong duration", "shutdown: {grace: 5 fortnights}", nil, []string{"shutdown.grace"}},
		{"a negative grace", "shutdown: {grace: -5s}", nil, []string{"shutdown:"}},
		{"an open port", "listen: 0.0.0.0:80", nil, []string{"access: required", "allow_open_access_from_network: true"}},
		{"an open port of all interfaces", "listen: :80", nil, []string{"access: required"}},
		{"an open port, open by name only", "listen: :80\naccess: open", nil, []string{"allow_open_access_from_network: true"}},
		{"required without keys", "access: required", nil, []string{"nobody could call", "credentials"}},
		{"an unknown kind of access", "access: closed", nil, []string{"open, required"}},
		{"a key instead of its hash", "credentials: [{id: a, sha256: sesame}]", nil, []string{"credentials[0]: sha256", "sha256sum"}},
		{"two credentials of one id", "credentials: [{id: a, sha256: " + someHash + "}, {id: a, sha256: " + someHash + "}]", nil, []string{`the id "a" stands twice`}},
		{"a credential without id", "credentials: [{sha256: " + someHash + "}]", nil, []string{"an id is missing"}},
		{"an origin with a path", "cors_origins: [https://a.example/x]", nil, []string{"cors_origins"}},
		{"a ratio above one", "tracing: {sample_ratio: 2}", nil, []string{"tracing.sample_ratio"}},
		{"an endpoint that is no URL", "tracing: {endpoint: 'localhost:4318'}", nil, []string{"tracing.endpoint"}},
		{"a share of requests below zero", "recording: {sample_ratio: -0.1}", nil, []string{"recording.sample_ratio", "between 0 and 1"}},
		{"a share of requests that is no number", "recording: {sample_ratio: .nan}", nil, []string{"recording.sample_ratio"}},
		{"files that are too small", "recording: {rotate_bytes: 64KiB}", nil, []string{"recording.rotate_bytes: 64KiB", "2MiB"}},
		{"files that do not fit twice", "recording: {max_bytes: 20MiB}", nil, []string{"recording.max_bytes: 20MiB", "recording.rotate_bytes, 16MiB"}},
		{"an age of minutes", "recording: {max_age: 5m}", nil, []string{"recording.max_age: 5m0s", "168h"}},
		{"a negative age", "recording: {max_age: -2h}", nil, []string{"recording.max_age"}},
		{"a heap that may not grow", "gc_percent: 0", nil, []string{"gc_percent"}},
		{"a size without number", "memory_limit: lots", nil, []string{"memory_limit", "512MiB"}},
		{"a node with a space", "node: a b", nil, []string{`node: "a b"`}},
		{"a Redis without port", "redis: {addresses: [localhost]}", nil, []string{`redis.addresses: "localhost" is no address`, "HOST:PORT"}},
		{"several Redis that are no cluster", "redis: {addresses: ['a:1', 'b:1']}", nil, []string{"redis.addresses", "redis.cluster: true"}},
		{"shadow traffic alone in a Redis", "redis: {shadow_addresses: ['a:1']}", nil, []string{"redis.shadow_addresses", "set redis.addresses"}},
		{"a database of a cluster", "redis: {addresses: ['a:1'], cluster: true, db: 3}", nil, []string{"redis.db: 3"}},
		{"a negative database", "redis: {addresses: ['a:1'], db: -1}", nil, []string{"redis.db: -1"}},
		{"an authority without TLS", "redis: {addresses: ['a:1'], ca_file: ca.pem}", nil, []string{"redis.ca_file", "redis.tls: true"}},
		{"a prefix with a colon", "redis: {prefix: 'a:b'}", nil, []string{`redis.prefix: "a:b"`}},
		{"a Redis that may take long", "redis: {timeout: 1s}", nil, []string{"redis.timeout: 1s", "45ms"}},
		{"a Redis that may take no time", "redis: {timeout: 0s}", nil, []string{"redis.timeout"}},
		{"a password that stands in the file", "redis: {password: sesame}", nil, []string{"there is no setting redis.password", "did you mean redis.password_file?"}},
		{"two faults at once", "listen: x\nlog: {format: xml}", nil, []string{"listen:", "log.format"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := settings.Load(settings.Sources{File: write(t, c.file), Environ: c.env})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("error shows a key: %v", err)
			}
		})
	}
}

func TestAFileThatIsNotThereIsAnError(t *testing.T) {
	if _, err := settings.Load(settings.Sources{File: filepath.Join(t.TempDir(), "none.yaml")}); err == nil {
		t.Error("no error")
	}
}

func TestOpenAccessFromTheNetworkCanBeMeant(t *testing.T) {
	s, err := settings.Load(settings.Sources{File: write(t, "listen: :80\naccess: open\nallow_open_access_from_network: true")})
	if err != nil {
		t.Fatal(err)
	}
	if s.AccessRequired() || s.Origins() != nil {
		t.Errorf("required %v, origins %v; want open access, and pages of no origin", s.AccessRequired(), s.Origins())
	}
}

func TestPagesOfAnyOriginMayCallOnLoopbackOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "localhost:80": true, "[::1]:80": true, "127.9.9.9:80": true,
		"0.0.0.0:80": false, ":80": false, "192.168.0.1:80": false, "shop.example:80": false, "[::]:80": false,
	} {
		s := settings.Settings{Listen: address}
		if got := len(s.Origins()) > 0; got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

func TestSizesAreReadWithTheirUnits(t *testing.T) {
	for text, want := range map[string]settings.Bytes{"0": 0, "17": 17, "17B": 17, "3KiB": 3 << 10, "512MiB": 512 << 20, "2 GiB": 2 << 30, "1TiB": 1 << 40} {
		var b settings.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%q: %d, %v; want %d", text, b, err, want)
		}
		var again settings.Bytes
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%q is written as %v", text, b)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1MB", "9999999999TiB", "1.5GiB"} {
		var b settings.Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %d, want an error", text, b)
		}
	}
}

const document = "../docs/reference/settings.md"

func TestTheDocumentListsEverySetting(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Settings\n\nHow a process runs. `proscenium serve --settings FILE` reads them from a YAML file; the environment overrides the file, and flags override all. " +
		"A key with a dot is nested in the file. Settings need a restart. A key that is not listed here is an error.\n\n" +
		"| setting | environment | default | |\n|---|---|---|---|\n")
	comments := fieldComments(t)
	rows(&b, comments, reflect.ValueOf(settings.Defaults()), "")
	if *update {
		if err := os.WriteFile(document, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("%s is not what the settings are; write it with go test ./settings -update (-want +have):\n%s", document, diff)
	}
}

func rows(b *bytes.Buffer, comments map[string]string, v reflect.Value, prefix string) {
	for field, value := range v.Fields() {
		key := prefix + field.Tag.Get("koanf")
		if field.Type.Kind() == reflect.Struct {
			rows(b, comments, value, key+".")
			continue
		}
		env := "`PROSCENIUM_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) + "`"
		if key == "credentials" {
			env = ""
		}
		shown := ""
		if k := value.Kind(); !value.IsZero() || k != reflect.String && k != reflect.Slice {
			shown = fmt.Sprintf("`%v`", value)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", key, env, shown, strings.ReplaceAll(comments[v.Type().Name()+"."+field.Name], "|", `\|`))
	}
}

// fieldComments are the comments of the fields of the package's types, by Type.Field.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "settings.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if s, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					comments[spec.Name.Name+"."+name.Name] = strings.TrimSpace(strings.ReplaceAll(f.Doc.Text(), "\n", " "))
				}
			}
		}
		return false
	})
	return comments
}
