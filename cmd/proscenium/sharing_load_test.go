package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// decided is what a caller learned of a request.
type decided uint8

const (
	admitted decided = iota
	denied
	// unknown is of a request whose process died: it may have been counted.
	unknown
	// unsent is of a request for a process that was not there.
	unsent
)

// asked is a request. Instants are of the test's clock: what was decided, was decided between them.
type asked struct {
	scene          string
	process        int
	sent, answered time.Duration
	decided        decided
	// by is the limit that the answer tells of: all of it where Redis decided, a part of it where the process did; 0 for queues.
	by int64
}

// demand asks all processes of a fleet, over connections of their own, and keeps what it was told.
type demand struct {
	t       *testing.T
	began   time.Time
	client  *http.Client
	targets [fleetSize]atomic.Pointer[string]
	ended   chan struct{}

	mu     sync.Mutex
	asked  []asked
	failed string
}

// pause is how long a connection rests after a refusal: so it still asks for many times what it may have, and leaves the processor to others.
const pause = 5 * time.Millisecond

func newDemand(t *testing.T) *demand {
	t.Helper()
	l := &demand{t: t, began: time.Now(), ended: make(chan struct{})}
	l.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(l.end)
	return l
}

// direct sends the requests for a process to where it listens from now on.
func (l *demand) direct(process int, prices string) {
	url := prices + "/proscenium.pricing.v1.PricingService/GetPromotionInfo"
	l.targets[process].Store(&url)
}

// begin asks each process for a scene over so many connections, until the returned function has been called and what is under way is answered.
func (l *demand) begin(scene string, connections int) (stop func()) {
	stopped := make(chan struct{})
	var running sync.WaitGroup
	for process := range fleetSize {
		for range connections {
			running.Go(func() {
				for {
					select {
					case <-stopped:
						return
					case <-l.ended:
						return
					default:
					}
					if l.ask(scene, process) != admitted {
						<-time.After(pause)
					}
				}
			})
		}
	}
	var once sync.Once
	return func() {
		once.Do(func() { close(stopped) })
		running.Wait()
	}
}

// end ends all that was begun.
func (l *demand) end() {
	select {
	case <-l.ended:
	default:
		close(l.ended)
	}
	l.client.CloseIdleConnections()
}

func (l *demand) now() time.Duration { return time.Since(l.began) }

var quantity = regexp.MustCompile(`;q=(\d+)`)

func (l *demand) ask(scene string, process int) decided {
	a := asked{scene: scene, process: process, decided: unknown}
	body := fmt.Sprintf(`{"scene_name": %q, "region": "US", "items": [{"item_id": 1000}]}`, scene)
	url := *l.targets[process].Load()
	a.sent = l.now()
	res, err := l.client.Post(url, "application/json", strings.NewReader(body))
	if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
		a.decided = unsent
	}
	if err == nil {
		var text []byte
		text, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
		switch {
		case err != nil: // it died while it answered
		case res.StatusCode == http.StatusOK:
			a.decided = admitted
		case res.StatusCode == http.StatusTooManyRequests:
			a.decided = denied
		default:
			l.wrong("%s: %s %s", scene, res.Status, text)
		}
		if q := quantity.FindStringSubmatch(res.Header.Get("RateLimit-Policy")); q != nil {
			a.by, _ = strconv.ParseInt(q[1], 10, 64) // digits
		}
	}
	a.answered = l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, a)
	return a.decided
}

func (l *demand) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = fmt.Sprintf(format, args...)
}

// since is what was asked for a scene and sent from an instant on, in the order in which it was sent.
func (l *demand) since(from time.Duration, scene string) []asked {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != "" {
		l.t.Fatal(l.failed)
	}
	var out []asked
	for i := range l.asked {
		if l.asked[i].scene == scene && l.asked[i].sent >= from {
			out = append(out, l.asked[i])
		}
	}
	slices.SortFunc(out, func(a, b asked) int { return cmp.Compare(a.sent, b.sent) })
	return out
}

// only keeps what a predicate holds for.
func only(of []asked, keep func(a *asked) bool) []asked {
	var out []asked
	for i := range of {
		if keep(&of[i]) {
			out = append(out, of[i])
		}
	}
	return out
}

func isAdmitted(a *asked) bool { return a.decided == admitted }

func isDenied(a *asked) bool { return a.decided == denied }
