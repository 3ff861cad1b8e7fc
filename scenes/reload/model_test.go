package reload_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"proscenium/scenes/diag"
	"proscenium/scenes/history"
	"proscenium/scenes/source"
)

// model is what a reloader should do, said simply. Content is a name: the first letter of what is good is its meaning.
type model struct {
	source   string // what it holds: a, a' (another text), b, c, something that is broken (!1, !2), or away
	held     string // what it held when it was not away
	readable string // what it held when it could be read last, in this run
	serving  string
	content  map[string]string // the text of each meaning that is kept
	served   []string          // meanings, the last first
	origin   history.Origin
	back     *struct{ to, from string } // the rollback that stands
	stale    bool
}

// Steps that are no content of the source.
const (
	away    = "away"    // it cannot be read
	again   = "again"   // it holds what it held before it was away
	restart = "restart" // the process ends, and another one starts
)

func (m *model) good() string {
	if m.source == away || m.source[0] == '!' {
		return ""
	}
	return m.source[:1]
}

func (m *model) serve(meaning, content string, origin history.Origin) {
	m.serving, m.origin = meaning, origin
	m.content[meaning] = content
	m.served = append([]string{meaning}, slices.DeleteFunc(m.served, func(s string) bool { return s == meaning })...)
}

func (m *model) inStep() { m.origin, m.stale, m.back = history.FromSource, false, nil }

// load is what a change of the source, and a start, are to do.
func (m *model) load() {
	if m.source != away {
		m.readable = m.source
	}
	m.stale = true
	switch meaning := m.good(); {
	case meaning != "" && meaning == m.serving:
		m.content[meaning] = m.source
		m.inStep()
	case meaning != "" && (m.back == nil || m.back.from != m.source || m.back.to == meaning):
		m.serve(meaning, m.source, history.FromSource)
		m.inStep()
	case m.serving != "":
	case m.back != nil:
		m.serve(m.back.to, m.content[m.back.to], history.FromRollback)
	case len(m.served) > 0:
		m.serve(m.served[0], m.content[m.served[0]], history.FromLastGood)
	}
}

func (m *model) rollBack(to string) {
	from := m.readable
	if from == "" && m.back != nil {
		from = m.back.from
	} else if from == "" {
		from = m.content[m.serving]
	}
	switch {
	case to == m.serving || !slices.Contains(m.served, to):
	case to == m.good():
		m.serve(to, m.content[to], history.FromSource)
		m.inStep()
	default:
		m.serve(to, m.content[to], history.FromRollback)
		m.back, m.stale = &struct{ to, from string }{to, from}, true
	}
}

func (m *model) edit(step string) {
	switch step {
	case again:
		m.source = m.held
	case away:
		m.source = away
	default:
		m.source, m.held = step, step
	}
}

func (m *model) restart() {
	m.serving, m.readable = "", ""
	m.load()
}

// put makes the source hold what the model's does.
func (m *model) put(t *testing.T, to *memory) {
	t.Helper()
	switch {
	case m.source == away:
		to.mu.Lock()
		to.files, to.unread = nil, []diag.Diagnostic{{Code: diag.Unreadable, Severity: diag.Error, Message: "it is away"}}
		to.mu.Unlock()
	case m.source[0] == '!':
		to.put([]source.File{{Name: "a.yaml", Data: []byte("scenes: [" + m.source + "\n")}})
	default:
		files := good(t, m.source[:1])
		files = append(files, source.File{Name: "z.yaml", Data: []byte("# " + m.source + "\n")})
		to.put(files)
	}
}

// differs says in what a reloader is not as the model is.
func (m *model) differs(b *bench, versions map[string]string) string {
	s := b.Status()
	var served []string
	for _, v := range s.History.Versions() {
		served = append(served, versions[v.Version])
	}
	got := fmt.Sprintf("serves %s, origin %s, stale %v, rollback %v, served %v", versions[s.Version], s.Origin, s.Stale, s.Rollback != nil, served)
	want := fmt.Sprintf("serves %s, origin %s, stale %v, rollback %v, served %v", m.serving, m.origin, m.stale, m.back != nil, m.served)
	if got != want {
		return got + "; want: " + want
	}
	if snap := b.Snapshot(); snap == nil || snap.Version != s.Version || b.applied[len(b.applied)-1] != m.serving {
		return "what serves is not what the status says, or was not applied last"
	}
	if v, ok := s.History.Find(s.Version); !ok || v.Origin != s.Origin {
		return fmt.Sprintf("the history has the origin %s, the status %s", v.Origin, s.Origin)
	}
	if s.Rollback != nil && s.Rollback.Version != s.Version {
		return "a rollback stands, and another version serves"
	}
	return ""
}

// Edits, faults, outages, rollbacks and restarts in any order leave serving what a few lines say that they do.
func TestWhatServesIsWhatTheModelSays(t *testing.T) {
	versions := map[string]string{}
	for _, meaning := range []string{"a", "b", "c"} {
		versions[versionOf(t, good(t, meaning))] = meaning
	}
	version := func(meaning string) string {
		for v, m := range versions {
			if m == meaning {
				return v
			}
		}
		return ""
	}
	rapid.Check(t, func(rt *rapid.T) {
		steps := slices.Concat(rapid.SliceOfN(rapid.SampledFrom([][]string{
			{"a"}, {"a'"}, {"b"}, {"c"}, {"!1"}, {"!2"}, {away}, {again}, {again}, {restart}, {away, restart}, {"back a"}, {"back b"}, {"back c"},
			{"b", away, restart}, {"back a", again}, {"back b", again}, {restart, again},
		}), 1, 8).Draw(rt, "steps")...)
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{source: "a", held: "a", content: map[string]string{}}
		wrong := ""
		for begin := 0; begin <= len(steps) && wrong == ""; {
			end := len(steps)
			if i := slices.Index(steps[begin:], restart); i >= 0 {
				end = begin + i
			}
			synctest.Test(t, func(t *testing.T) {
				b := &bench{memory: &memory{}, history: on(dir)}
				m.put(t, b.memory)
				m.restart()
				run(t, b, func(b *bench) {
					wrong = m.differs(b, versions)
					for i, step := range steps[begin:end] {
						if wrong != "" {
							return
						}
						if to, is := strings.CutPrefix(step, "back "); is {
							_, err := b.Rollback(b.ctx, version(to), "x")
							if known := slices.Contains(m.served, to); (err == nil) != known {
								wrong = fmt.Sprint("a rollback to what is kept, or is not: ", err)
							}
							m.rollBack(to)
							synctest.Wait()
						} else {
							m.edit(step)
							m.put(t, b.memory)
							m.load()
							b.notify()
							b.after(time.Second)
						}
						if d := m.differs(b, versions); d != "" && wrong == "" {
							wrong = fmt.Sprintf("step %d, %s: %s", begin+i, step, d)
						}
					}
				})
			})
			begin = end + 1
		}
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}
