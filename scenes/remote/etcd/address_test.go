package etcd_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"proscenium/scenes/remote/etcd"
)

func TestAnAddressNamesMembersAndAPrefix(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  etcd.Address
		text2 string // as it is written; empty: as it stood
	}{
		{"etcd://127.0.0.1:2379/market", etcd.Address{Endpoints: []string{"127.0.0.1:2379"}, Prefix: "/market/"}, ""},
		{"etcd://a:1,b:2,c:3/proscenium/market", etcd.Address{Endpoints: []string{"a:1", "b:2", "c:3"}, Prefix: "/proscenium/market/"}, ""},
		{"etcds://etcd.example/market/", etcd.Address{Endpoints: []string{"etcd.example:2379"}, TLS: true, Prefix: "/market/"}, "etcds://etcd.example:2379/market"},
		{"etcd://[::1]:2379,[::2]/a-b_c.d/0", etcd.Address{Endpoints: []string{"[::1]:2379", "[::2]:2379"}, Prefix: "/a-b_c.d/0/"}, "etcd://[::1]:2379,[::2]:2379/a-b_c.d/0"},
		{"etcd://a/märkte", etcd.Address{Endpoints: []string{"a:2379"}, Prefix: "/märkte/"}, "etcd://a:2379/märkte"},
	} {
		got, err := etcd.ParseAddress(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
		if c.text2 == "" {
			c.text2 = c.text
		}
		if got.String() != c.text2 {
			t.Errorf("%s is written %s, want %s", c.text, got, c.text2)
		}
		if again, err := etcd.ParseAddress(got.String()); err != nil || !cmp.Equal(got, again) {
			t.Errorf("%s is read as %v (%v), want %v", got, again, err, got)
		}
	}
}

func TestAnAddressThatIsNoneSaysWhy(t *testing.T) {
	for text, want := range map[string]string{
		"consul://127.0.0.1:8500/market": "write a directory, or etcd://",
		"://a/b":                         "write a directory, or etcd://",
		"ETCD://a/b":                     "write a directory, or etcd://",
		"etcd:///market":                 `"" is no HOST:PORT`,
		"etcd://a,/market":               `"" is no HOST:PORT`,
		"etcd://:2379/market":            `":2379" is no HOST:PORT`,
		"etcd://a:0/market":              `"a:0" is no HOST:PORT`,
		"etcd://a:65536/market":          `"a:65536" is no HOST:PORT`,
		"etcd://a:http/market":           `"a:http" is no HOST:PORT`,
		"etcd://a:1:2/market":            `"a:1:2" is no HOST:PORT`,
		"etcd://::1/market":              `"::1" is no HOST:PORT`,
		"etcd://a b/market":              `"a b" is no HOST:PORT`,
		"etcd://a?timeout=1/market":      `"a?timeout=1" is no HOST:PORT`,
		"etcd://a:2379,a/market":         "a:2379 stands twice",
		"etcd://somebody@a/market":       "no user and password",
		"etcd://a":                       "a prefix is missing",
		"etcd://a/":                      "a prefix is missing",
		"etcd://a//":                     "a prefix is missing",
		"etcd://a//market":               "a part that is empty",
		"etcd://a/market//x":             "a part that is empty",
		"etcd://a/../market":             "a part that is empty, . or ..",
		"etcd://a/market?x=1":            `'?'`,
		"etcd://a/mar ket":               `' '`,
		"etcd://a/mar\nket":              `'\n'`,
		"etcd://a/mar\xffket":            `'` + "\uFFFD" + `'`,
	} {
		if got, err := etcd.ParseAddress(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %s", text, got, err, want)
		}
	}
}

func TestAPasswordInAnAddressIsNotTold(t *testing.T) {
	for _, text := range []string{
		"etcd://root:pa55@a/market", "etcd://root:pa55@a,root:pa55@b/market", "consul://root:pa55@a/market", "etcd://root:pa55/word@a/market", "etcd://root:pa55@a",
	} {
		if _, err := etcd.ParseAddress(text); err == nil || strings.Contains(err.Error(), "pa55") || !strings.Contains(err.Error(), "://...@") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("etcd://127.0.0.1:2379,[::1]/proscenium/market")
	f.Add("etcds://a/b/")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := etcd.ParseAddress(text)
		if err != nil {
			return
		}
		again, err := etcd.ParseAddress(a.String())
		if err != nil || !cmp.Equal(a, again) {
			t.Errorf("%q is %v, which is read as %v, %v", text, a, again, err)
		}
		if !strings.HasPrefix(a.Prefix, "/") || !strings.HasSuffix(a.Prefix, "/") || len(a.Prefix) < 3 {
			t.Errorf("%q has the prefix %q", text, a.Prefix)
		}
	})
}
