package assembly_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"proscenium/kv"
	"proscenium/kv/kvtest"
	"proscenium/traffic"
)

// said is a command that Redis was sent, or that a script of the last such command made.
type said struct {
	from  string // HOST:PORT; "lua"
	words []string
}

// monitored is a line of MONITOR: when, the database and who sent it, and the words in quotes.
var (
	monitored = regexp.MustCompile(`^\+[0-9.]+ \[[0-9]+ ([^\]]+)\] (.*)$`)
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// monitor writes down all that a Redis is sent until it is told the last word.
func monitor(t *testing.T, address, last string) func() []said {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReaderSize(conn, 1<<20)
	if first, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(first, "+OK") {
		t.Fatalf("%q, %v", first, err)
	}
	var all []said
	ended := make(chan error, 1)
	go func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				ended <- err
				return
			}
			s, err := parseSaid(strings.TrimRight(line, "\r\n"))
			if err != nil {
				ended <- err
				return
			}
			if slices.Contains(s.words, last) {
				ended <- nil
				return
			}
			all = append(all, s)
		}
	}()
	return func() []said {
		t.Helper()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		return all
	}
}

func parseSaid(line string) (said, error) {
	parts := monitored.FindStringSubmatch(line)
	if parts == nil {
		return said{}, fmt.Errorf("no line of MONITOR: %q", line)
	}
	s := said{from: parts[1]}
	for _, q := range quoted.FindAllString(parts[2], -1) {
		word, err := strconv.Unquote(q)
		if err != nil {
			return said{}, fmt.Errorf("%s: %w", q, err)
		}
		s.words = append(s.words, word)
	}
	if len(s.words) == 0 {
		return said{}, fmt.Errorf("no command: %q", line)
	}
	return s, nil
}

// keyless are the commands that may have no key. What SCAN looks for counts as one.
var keyless = []string{"client", "hello", "time", "ping"}

// listened is what a MONITOR showed.
type listened struct {
	wrong []string
	// kinds of keys that were touched, by class.
	kinds [traffic.Count]map[string]int
	// connections tells whose each is.
	connections map[string]traffic.Class
}

// listen judges every command by its keys, which Redis tells itself.
func listen(ctx context.Context, client *redis.Client, prefix string, all []said) (*listened, error) {
	l := &listened{connections: map[string]traffic.Class{}}
	for i := range l.kinds {
		l.kinds[i] = map[string]int{}
	}
	script := traffic.Count // whose runs
	for _, s := range all {
		keys, err := keysIn(ctx, client, s.words)
		if err != nil {
			return nil, err
		}
		whose := traffic.Count
		for _, key := range keys {
			class, kind := classOfKey(prefix, key)
			if class == traffic.Count || whose != traffic.Count && class != whose {
				l.wrong = append(l.wrong, fmt.Sprintf("%s: %q touches %q", s.from, s.words, key))
				continue
			}
			whose = class
			l.kinds[class][kind]++
		}
		if whose == traffic.Count {
			if name := strings.ToLower(s.words[0]); !slices.Contains(keyless, name) {
				l.wrong = append(l.wrong, fmt.Sprintf("%s: %q names no key", s.from, s.words))
			}
			continue
		}
		if s.from == "lua" {
			if whose != script {
				l.wrong = append(l.wrong, fmt.Sprintf("a script of %v traffic: %q", script, s.words))
			}
			continue
		}
		script = whose
		if before, known := l.connections[s.from]; known && before != whose {
			l.wrong = append(l.wrong, fmt.Sprintf("%s: a connection of %v traffic sends %q", s.from, before, s.words))
		}
		l.connections[s.from] = whose
	}
	return l, nil
}

func keysIn(ctx context.Context, client *redis.Client, words []string) ([]string, error) {
	switch strings.ToLower(words[0]) {
	case "scan":
		for i := range words[:len(words)-1] {
			if strings.EqualFold(words[i], "match") {
				return words[i+1 : i+2], nil
			}
		}
		return nil, nil
	case "client", "hello", "time", "ping":
		return nil, nil
	}
	args := []any{"COMMAND", "GETKEYS"}
	for _, w := range words {
		args = append(args, w)
	}
	keys, err := client.Do(ctx, args...).StringSlice()
	if err != nil && strings.Contains(err.Error(), "no key arguments") {
		return nil, nil
	}
	return keys, err
}

// classOfKey is whose a key is, and what it is of; traffic.Count: nobody's.
func classOfKey(prefix, key string) (class traffic.Class, kind string) {
	for _, class := range traffic.All() {
		if rest, ok := strings.CutPrefix(key, prefix+":"+class.String()+":"); ok {
			kind, _, _ := strings.Cut(strings.TrimPrefix(rest, "{"), ":")
			kind, _, _ = strings.Cut(kind, "}")
			return class, kind
		}
	}
	return traffic.Count, ""
}

// playMonitored makes runs of both classes at once, in a process that is one of a fleet, and returns what Redis was sent meanwhile.
func playMonitored(t *testing.T, join func(testing.TB, *isolationStage)) (*listened, map[string]string) {
	t.Helper()
	server := kvtest.Start(t)
	if server == nil {
		return nil, nil
	}
	const last, prefix = "the last word", "monitored"
	heard := monitor(t, server.Addr(), last)
	s := &isolationStage{
		subject: traffic.Live, queues: true, now: time.Now, patience: 3 * time.Millisecond,
		stores: server.Open(func(o *kv.Options) { o.Prefix = prefix }), market: &isolationMarket{wait: func(time.Duration) {}, over: make(chan struct{})},
	}
	openStage(t, s, steeredConfig(), join)
	ctx, stop := context.WithCancel(t.Context())
	var fleets, work sync.WaitGroup
	for _, f := range s.fleets {
		fleets.Go(func() { f.Run(ctx) })
	}
	seed := drawnSeed(t)
	t.Logf("%s=%d", isolationSeedVariable, seed)
	const n = 150
	steps := stepsOf(seed, n, quickTreatment)
	steps[n/2].purge = true
	for i, others := range disturbancesOf(seed, n) {
		work.Go(func() {
			for j := range others {
				others[j].purge = others[j].purge || i == n/2
				s.disturb(ctx, &others[j])
			}
		})
		s.act(ctx, i, &steps[i])
	}
	work.Wait()
	close(s.market.over)
	for _, strange := range s.strange {
		if join == nil {
			t.Error(strange)
		}
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), PoolSize: 1})
	defer client.Close()
	names := map[string]string{}
	for line := range strings.Lines(client.ClientList(ctx).Val()) {
		fields := map[string]string{}
		for field := range strings.FieldsSeq(line) {
			name, value, _ := strings.Cut(field, "=")
			fields[name] = value
		}
		names[fields["addr"]] = fields["name"]
	}
	stop()
	fleets.Wait()
	s.system.Close()
	s.policies.Close()
	// Commands of the test's own, which are not to be judged, come after the last word, but for the list of clients.
	if err := client.Echo(t.Context(), last).Err(); err != nil {
		t.Fatal(err)
	}
	all := slices.DeleteFunc(heard(), func(s said) bool { return names[s.from] == "" && strings.EqualFold(s.words[0], "client") })
	l, err := listen(t.Context(), client, prefix, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commands: live keys %v, shadow keys %v, %d connections", len(all), l.kinds[traffic.Live], l.kinds[traffic.Shadow], len(l.connections))
	return l, names
}

func TestNoCommandThatRedisIsSentTouchesBothClassesNorDoesAConnection(t *testing.T) {
	l, names := playMonitored(t, nil)
	if l == nil {
		return
	}
	for _, w := range l.wrong {
		t.Error(w)
	}
	for _, class := range traffic.All() {
		for _, kind := range []string{"limit", "hierarchy", "prices"} {
			if l.kinds[class][kind] == 0 {
				t.Errorf("no command touched a key %s of %v traffic", kind, class)
			}
		}
		if !slices.Contains(slices.Collect(maps.Values(l.connections)), class) {
			t.Errorf("no connection sent commands of %v traffic", class)
		}
	}
	if err := l.apart(names); err != nil {
		t.Error(err)
	}
}

func TestTheMonitorShowsStoresThatAreJoined(t *testing.T) {
	l, names := playMonitored(t, joinStores)
	if l == nil {
		return
	}
	if err := l.apart(names); err == nil {
		t.Error("no connection of shadow traffic was found to touch live keys")
	} else {
		t.Log(err)
	}
}

// apart is an error where a connection has the name of one class and sends commands of another, or none has a name.
func (l *listened) apart(names map[string]string) error {
	named := 0
	for address, class := range l.connections {
		switch name := names[address]; {
		case name == "": // it was closed before the list of clients was made
		case !strings.HasSuffix(name, "-"+class.String()):
			return errors.New("the connection " + name + " touches keys of " + class.String() + " traffic")
		default:
			named++
		}
	}
	if named == 0 {
		return errors.New("no connection has a name")
	}
	return nil
}
