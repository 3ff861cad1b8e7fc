package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"proscenium/kv"
)

// Check says everything that is wrong with the settings, each with how to mend it.
func (s *Settings) Check() error {
	return errors.Join(
		checkAddress("listen", s.Listen),
		checkAddress("admin_listen", s.AdminListen),
		oneOf("log.level", s.Log.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", s.Log.Format, "auto", "text", "json"),
		s.checkAccess(),
		s.checkCredentials(),
		s.checkOrigins(),
		s.checkTracing(),
		s.checkRecording(),
		s.checkShutdown(),
		s.checkMemory(),
		s.checkHistory(),
		s.checkNode(),
		s.checkRedis(),
	)
}

func checkAddress(key, address string) error {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return fmt.Errorf("%s: %q is no address; write HOST:PORT, such as 127.0.0.1:8080 or :8080", key, address)
	}
	return nil
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is not one of %s", key, value, strings.Join(allowed, ", "))
}

// checkAccess refuses what would let strangers in without anyone having said so.
func (s *Settings) checkAccess() error {
	switch s.Access {
	case Required:
		if len(s.Credentials) == 0 {
			return errors.New("access: required, but there are no credentials, so nobody could call; list them under credentials in the settings file")
		}
		return nil
	case Open, "":
	default:
		return fmt.Errorf("access: %q is not one of open, required", s.Access)
	}
	if Loopback(s.Listen) || s.Access == Open && s.AllowOpenAccessFromNetwork {
		return nil
	}
	return fmt.Errorf("listen: others can reach %s, and anyone who does could use every scene; "+
		"set access: required with credentials, or, if that is meant, access: open with allow_open_access_from_network: true", s.Listen)
}

func (s *Settings) checkCredentials() error {
	var problems []error
	seen := make(map[string]bool)
	for i, c := range s.Credentials {
		key := fmt.Sprintf("credentials[%d]", i)
		switch {
		case c.ID == "":
			problems = append(problems, fmt.Errorf("%s: an id is missing; it is what a client's credential_ids name", key))
		case seen[c.ID]:
			problems = append(problems, fmt.Errorf("%s: the id %q stands twice", key, c.ID))
		}
		seen[c.ID] = true
		if _, err := c.Hash(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	return errors.Join(problems...)
}

// Hash is the credential's SHA-256. Its error never shows the value, which may be a key that was put there by mistake.
func (c *Credential) Hash() (hash [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(c.SHA256)
	if err != nil || len(b) != sha256.Size {
		return hash, errors.New("sha256 is not the hash of a key, 64 hex digits; make it with: printf %s KEY | sha256sum")
	}
	return [sha256.Size]byte(b), nil
}

func (s *Settings) checkOrigins() error {
	for _, origin := range s.CORSOrigins {
		u, err := url.Parse(origin)
		if origin == "*" || err == nil && u.Host != "" && u.Path == "" && (u.Scheme == "https" || u.Scheme == "http") {
			continue
		}
		return fmt.Errorf("cors_origins: %q is no origin; write a scheme and a host, such as https://shop.example, or *", origin)
	}
	return nil
}

func (s *Settings) checkTracing() error {
	if s.Tracing.Endpoint != "" {
		if u, err := url.Parse(s.Tracing.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("tracing.endpoint: %q is no URL of an OTLP receiver; write one such as http://localhost:4318", s.Tracing.Endpoint)
		}
	}
	if r := s.Tracing.SampleRatio; !(r >= 0 && r <= 1) {
		return fmt.Errorf("tracing.sample_ratio: %v is not between 0 and 1", r)
	}
	return nil
}

// minRotateBytes is more than the longest request has as a line of JSON.
const minRotateBytes = 2 << 20

func (s *Settings) checkRecording() error {
	r := s.Recording
	var problems []error
	if !(r.SampleRatio >= 0 && r.SampleRatio <= 1) {
		problems = append(problems, fmt.Errorf("recording.sample_ratio: %v is not between 0 and 1", r.SampleRatio))
	}
	if r.RotateBytes < minRotateBytes {
		problems = append(problems, fmt.Errorf("recording.rotate_bytes: %v is below 2MiB, which one request may have", r.RotateBytes))
	}
	if r.MaxBytes/2 < r.RotateBytes {
		problems = append(problems, fmt.Errorf("recording.max_bytes: %v does not hold two files of recording.rotate_bytes, %v; raise it or lower that", r.MaxBytes, r.RotateBytes))
	}
	if r.MaxAge != 0 && r.MaxAge < time.Hour {
		problems = append(problems, fmt.Errorf("recording.max_age: %v is below an hour; write one such as 168h, or 0 for no limit", r.MaxAge))
	}
	return errors.Join(problems...)
}

func (s *Settings) checkShutdown() error {
	if s.Shutdown.Delay < 0 || s.Shutdown.Grace < 0 {
		return errors.New("shutdown: delay and grace can't be negative; write them such as 5s")
	}
	return nil
}

func (s *Settings) checkMemory() error {
	if s.GCPercent < 10 {
		return fmt.Errorf("gc_percent: %d is below 10, where the process would do little but collect", s.GCPercent)
	}
	if s.MemoryLimit < 0 {
		return errors.New("memory_limit: it can't be negative; 0 is no limit")
	}
	return nil
}

func (s *Settings) checkHistory() error {
	if s.ConfigHistory < 1 || s.ConfigHistory > 1_000 {
		return fmt.Errorf("config_history: %d is not between 1 and 1000; 1 keeps what serves only", s.ConfigHistory)
	}
	return nil
}

func (s *Settings) checkNode() error {
	if s.Node != "" && !kv.ValidPrefix(s.Node) {
		return fmt.Errorf("node: %q must be 1 to 64 letters, digits, ., _ or -", s.Node)
	}
	return nil
}

// mostRedisTimeout leaves a limit time to decide without Redis within 50 ms.
const mostRedisTimeout = 45 * time.Millisecond

func (s *Settings) checkRedis() error {
	r := s.Redis
	var problems []error
	for key, addresses := range map[string][]string{"redis.addresses": r.Addresses, "redis.shadow_addresses": r.ShadowAddresses} {
		for _, a := range addresses {
			problems = append(problems, checkAddress(key, a))
		}
		if len(addresses) > 1 && !r.Cluster {
			problems = append(problems, fmt.Errorf("%s: several addresses are of a cluster; set redis.cluster: true, or name one", key))
		}
	}
	if len(r.Addresses) == 0 && len(r.ShadowAddresses) > 0 {
		problems = append(problems, errors.New("redis.shadow_addresses: live traffic has a Redis within the process; set redis.addresses, too"))
	}
	if r.DB < 0 || r.Cluster && r.DB != 0 {
		problems = append(problems, fmt.Errorf("redis.db: %d is no database; in a cluster there is only 0", r.DB))
	}
	if r.CAFile != "" && !r.TLS {
		problems = append(problems, errors.New("redis.ca_file: it is for encrypted connections; set redis.tls: true"))
	}
	if !kv.ValidPrefix(r.Prefix) {
		problems = append(problems, fmt.Errorf("redis.prefix: %q must be 1 to 64 letters, digits, ., _ or -", r.Prefix))
	}
	if r.Timeout < time.Millisecond || r.Timeout > mostRedisTimeout {
		problems = append(problems, fmt.Errorf("redis.timeout: %v is not between 1ms and %v", r.Timeout, mostRedisTimeout))
	}
	return errors.Join(problems...)
}
