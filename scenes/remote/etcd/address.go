// Package etcd reads configuration from etcd, and publishes it there: the key is the prefix and the name of a file, the value its text.
package etcd

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// port is where etcd listens for clients unless it is told otherwise.
const port = "2379"

var errUser = errors.New("an address has no user and password; etcd is reached without, or through a proxy that has them")

// Address is a configuration in etcd.
type Address struct {
	// Endpoints are members of the cluster, HOST:PORT. Each serves all keys; several, so that one may be away.
	Endpoints []string
	// TLS says that the endpoints speak TLS, with certificates that the system trusts.
	TLS bool
	// Prefix begins and ends with a slash. The rest of a key is the name of a file.
	Prefix string
}

// IsAddress says whether text is an address of some kind, and no path of a directory.
func IsAddress(text string) bool { return strings.Contains(text, "://") }

// ParseAddress reads an address such as etcd://10.0.0.1:2379,10.0.0.2:2379/proscenium/market, or etcds:// for TLS. A port may be left out: 2379.
func ParseAddress(text string) (Address, error) {
	var a Address
	scheme, rest, _ := strings.Cut(text, "://")
	switch scheme {
	case "etcd":
	case "etcds":
		a.TLS = true
	default:
		return a, fmt.Errorf("%q is no address of a configuration; write a directory, or etcd://HOST:PORT/PREFIX (etcds:// for TLS)", withoutUser(text))
	}
	hosts, prefix, _ := strings.Cut(rest, "/")
	var err error
	if a.Endpoints, err = parseEndpoints(hosts); err != nil && strings.Contains(rest, "@") {
		err = errUser // whatever else is wrong: a part of a password may look like a host
	}
	if err != nil {
		return a, fmt.Errorf("%s: %w", withoutUser(text), err)
	}
	if a.Prefix, err = parsePrefix(prefix); err != nil {
		return a, fmt.Errorf("%s: %w", withoutUser(text), err)
	}
	return a, nil
}

// withoutUser is an address without what stands before an @, which may be a password: errors end up in logs.
func withoutUser(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		return scheme + "://..." + rest[i:]
	}
	return text
}

func parseEndpoints(hosts string) ([]string, error) {
	if strings.Contains(hosts, "@") {
		return nil, errUser
	}
	var endpoints []string
	for host := range strings.SplitSeq(hosts, ",") {
		name, number, err := net.SplitHostPort(host)
		if err != nil { // without a port
			name, number, err = net.SplitHostPort(host + ":" + port)
		}
		if n, bad := strconv.ParseUint(number, 10, 16); err != nil || bad != nil || n == 0 || name == "" || strings.ContainsAny(name, " \t?#%[]") {
			return nil, fmt.Errorf("%q is no HOST:PORT of a member of etcd, such as 10.0.0.1:2379", host)
		}
		endpoint := net.JoinHostPort(name, number)
		if slices.Contains(endpoints, endpoint) {
			return nil, fmt.Errorf("the member %s stands twice", endpoint)
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}

func parsePrefix(prefix string) (string, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return "", errors.New("a prefix is missing, below which the configuration's keys are, such as /proscenium/market")
	}
	for part := range strings.SplitSeq(prefix, "/") {
		if part == "" || part == "." || part == ".." {
			return "", fmt.Errorf("the prefix /%s has a part that is empty, . or .. itself", prefix)
		}
	}
	for _, r := range prefix {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("?#%*", r) || r == '\uFFFD' {
			return "", fmt.Errorf("the prefix /%s has %q, which it can't; write letters, digits, - _ . and /", prefix, r)
		}
	}
	return "/" + prefix + "/", nil
}

// String is the address as ParseAddress reads it.
func (a Address) String() string {
	scheme := "etcd://"
	if a.TLS {
		scheme = "etcds://"
	}
	return scheme + strings.Join(a.Endpoints, ",") + strings.TrimSuffix(a.Prefix, "/")
}

// urls are the endpoints as the client of etcd takes them.
func (a Address) urls() []string {
	scheme := "http://"
	if a.TLS {
		scheme = "https://"
	}
	all := make([]string, 0, len(a.Endpoints))
	for _, e := range a.Endpoints {
		all = append(all, scheme+e)
	}
	return all
}
