// Package settings says how a process runs: where it listens, what it reads, who may call, what it logs.
//
// Each setting has a default; a file overrides it, the environment overrides the file, and flags override all. What the engine does is not
// here but in its configuration (package scenes).
package settings

import (
	"net"
	"net/netip"
	"time"

	"proscenium/kv"
	"proscenium/scenes/history"
)

// Settings are the settings of a process. The comment of a field is its documentation, docs/reference/settings.md.
type Settings struct {
	// Address of the main port, `HOST:PORT`. Beyond loopback, `access` must be set.
	Listen string `koanf:"listen"`
	// Address of the admin port: metrics, health, the state of the configuration, profiles. It has no access control: keep it to those who operate the process.
	AdminListen string `koanf:"admin_listen"`
	// Directory of the configuration, or its address in etcd, `etcd://HOST:PORT,HOST:PORT/PREFIX` (`etcds://` for TLS); watched for changes. Empty: the reference marketplace, built into the binary.
	Config string `koanf:"config"`
	// Directory of the catalog that the embedded providers answer from. Empty: the folder `catalog` in the directory of the configuration; needed where that is an address.
	Catalog string `koanf:"catalog"`
	// Directory for what the process keeps: recorded requests and their key, the versions of the configuration that served (in the folder `config`; none of one that is built in), and the switches that operators threw with the log of what they did (in the folder `operations`). It is not touched before there is something to keep. Empty: no version is kept over a restart, and no switch but those that Redis has.
	Data string `koanf:"data"`
	// Name of the process in the audit log, and of its changes of switches: letters, digits, `.`, `_` and `-`. No two have the same. Empty: the machine's, with something random behind it.
	Node string `koanf:"node"`
	// How many versions of the configuration are kept to go back to, 1 to 1000.
	ConfigHistory int `koanf:"config_history"`
	// Who may call: `open` lets everyone use every scene, `required` asks for a key. Empty: `open` on a loopback address; the process refuses to start on another.
	Access string `koanf:"access"`
	// Says that `access: open` is meant on an address that others can reach.
	AllowOpenAccessFromNetwork bool `koanf:"allow_open_access_from_network"`
	// The keys that callers may present as `Authorization: Bearer KEY`; the configuration's clients name their ids. A list of `id`, `sha256` (of the key, in hex: `printf %s KEY | sha256sum`) and `expires` (RFC 3339; absent: never). In the file only.
	Credentials []Credential `koanf:"credentials"`
	// Origins of the web pages that may call, such as `https://shop.example`; `*` is any. Absent: any where access is open on a loopback address, none elsewhere.
	CORSOrigins []string  `koanf:"cors_origins"`
	Redis       Redis     `koanf:"redis"`
	Log         Log       `koanf:"log"`
	Tracing     Tracing   `koanf:"tracing"`
	Recording   Recording `koanf:"recording"`
	Shutdown    Shutdown  `koanf:"shutdown"`
	// How much the heap may grow before it is collected, in percent. More memory for less CPU. The environment variable `GOGC` wins.
	GCPercent int `koanf:"gc_percent"`
	// Where the collector works harder to stay below, such as `512MiB`. 0: no limit. The environment variable `GOMEMLIMIT` wins.
	MemoryLimit Bytes `koanf:"memory_limit"`
}

// Redis is where the processes of a fleet count limits together, share capacities and caches, and tell each other of purges and switches.
type Redis struct {
	// `HOST:PORT` of the server, or of some nodes of a cluster. Absent: a Redis within the process, for one process alone; what it counts ends with the process.
	Addresses []string `koanf:"addresses"`
	// Those of a server apart for shadow traffic. Absent: the same server, with other keys and connections.
	ShadowAddresses []string `koanf:"shadow_addresses"`
	// The addresses are of a cluster.
	Cluster bool `koanf:"cluster"`
	// Number of the database; 0 in a cluster.
	DB int `koanf:"db"`
	// User of the server's access control list. Empty: the default one.
	Username string `koanf:"username"`
	// File with the password; a line break at its end does not count. Empty: the environment variable `PROSCENIUM_REDIS_PASSWORD` has it, or there is none.
	PasswordFile string `koanf:"password_file"`
	// Connections are encrypted.
	TLS bool `koanf:"tls"`
	// PEM file of the authorities that may have signed the server's certificate. Empty: the system's.
	CAFile string `koanf:"ca_file"`
	// Begins every key, so that systems can share a server.
	Prefix string `koanf:"prefix"`
	// How long a request waits for an answer before it goes on without; at most 45ms, so that a limit has its verdict within 50.
	Timeout time.Duration `koanf:"timeout"`
}

// Log is what is logged, on standard error.
type Log struct {
	// `debug`, `info`, `warn` or `error`. Errors of callers are logged, sampled, at `debug`.
	Level string `koanf:"level"`
	// `text`, `json`, or `auto`: text where standard error is a terminal.
	Format string `koanf:"format"`
}

// Tracing is where spans go.
type Tracing struct {
	// URL of an OTLP receiver over HTTP, such as `http://localhost:4318`. Empty: no tracing.
	Endpoint string `koanf:"endpoint"`
	// Share of the traces that begin here and are kept, 0 to 1. The caller of a trace that began elsewhere decides.
	SampleRatio float64 `koanf:"sample_ratio"`
}

// Recording is which requests are kept, to price them again.
type Recording struct {
	// Share of the price requests that are recorded, 0 to 1, each decided for itself. 0: none, and no file is made.
	SampleRatio float64 `koanf:"sample_ratio"`
	// Directory of the recordings; each process makes files of its own in it. Empty: the folder `requests` in the directory of `data`.
	Directory string `koanf:"directory"`
	// What all recordings of the directory may have together; the oldest are deleted.
	MaxBytes Bytes `koanf:"max_bytes"`
	// Where a file ends and the next begins; at least 2MiB, as one request may be that long, and at most half of `recording.max_bytes`.
	RotateBytes Bytes `koanf:"rotate_bytes"`
	// How long a request is kept at most; at least an hour. 0: as long as there is room.
	MaxAge time.Duration `koanf:"max_age"`
	// File of the key that user ids are hashed with: 64 hexadecimal digits, made by `openssl rand -hex 32`. Empty: `recording.key` in the directory of `data`, made at the first start that records.
	UserKeyFile string `koanf:"user_key_file"`
}

// Shutdown is how the process ends when it is told to.
type Shutdown struct {
	// Pause between saying that the process is not ready and refusing connections, for load balancers to notice.
	Delay time.Duration `koanf:"delay"`
	// How long requests under way may take to end.
	Grace time.Duration `koanf:"grace"`
}

// Credential is a key that callers may present, known by its hash.
type Credential struct {
	ID      string    `koanf:"id"`
	SHA256  string    `koanf:"sha256"`
	Expires time.Time `koanf:"expires"`
}

// The values of Access.
const (
	Open     = "open"
	Required = "required"
)

// Defaults are the settings of a process that was given none.
func Defaults() Settings {
	return Settings{
		Listen:        "127.0.0.1:8080",
		AdminListen:   "127.0.0.1:8081",
		Data:          "data",
		ConfigHistory: history.DefaultMost,
		Redis:         Redis{Prefix: kv.DefaultPrefix, Timeout: kv.DefaultTimeout},
		Log:           Log{Level: "info", Format: "auto"},
		Tracing:       Tracing{SampleRatio: 0.01},
		Recording:     Recording{MaxBytes: 256 << 20, RotateBytes: 16 << 20, MaxAge: 30 * 24 * time.Hour},
		Shutdown:      Shutdown{Grace: 20 * time.Second},
		GCPercent:     400,
	}
}

// AccessRequired says whether callers need a key.
func (s *Settings) AccessRequired() bool { return s.Access == Required }

// Origins are those of the web pages that may call.
func (s *Settings) Origins() []string {
	if s.CORSOrigins == nil && !s.AccessRequired() && Loopback(s.Listen) {
		return []string{"*"}
	}
	return s.CORSOrigins
}

// Loopback says whether only this machine can reach an address HOST:PORT. A name other than localhost is taken to be reachable.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
