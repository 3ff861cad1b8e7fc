package reload_test

import (
	"fmt"
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
	restart = "restart" // the process ends, and another one starts; what follows in the step happens to the source in between
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

// runSteps says in what a reloader, with restarts, does not do what the model does.
func runSteps(t *testing.T, steps []string) (wrong string) {
	t.Helper()
	dir, versions, version := t.TempDir(), map[string]string{}, map[string]string{}
	for _, meaning := range []string{"a", "b", "c"} {
		v := versionOf(t, good(t, meaning))
		versions[v], version[meaning] = meaning, v
	}
	m := &model{source: "a", held: "a", content: map[string]string{}}
	for begin := 0; begin <= len(steps) && wrong == ""; {
		end := len(steps)
		if i := slices.IndexFunc(steps[begin:], func(s string) bool { return strings.HasPrefix(s, restart) }); i >= 0 {
			end = begin + i
		}
		if begin > 0 {
			if to, is := strings.CutPrefix(steps[begin-1], restart+" "); is {
				m.edit(to)
			}
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
						_, err := b.Rollback(b.ctx, version[to], "x")
						if known := slices.Contains(m.served, to); (err == nil) != known {
							wrong = fmt.Sprint("a rollback to what is kept, or is not: ", err)
							return
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
					if d := m.differs(b, versions); d != "" {
						wrong = fmt.Sprintf("step %d, %s: %s", begin+i, step, d)
					}
				}
			})
		})
		begin = end + 1
	}
	return wrong
}

// Edits, faults, outages, rollbacks and restarts in any order leave serving what a few lines say that they do.
func TestWhatServesIsWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom([][]string{
			{"a"},
			{"b"},
			{"c"},
			{"a'"},
			{"!1"},
			{away},
			{again},
			{restart},
			{"back a"},
			{"back b"},
			{"back c"},
			{"b", "back a"},
			{"!1", "back a"},
			{"!2", "back b"},
			{"b", away, restart},
			{"back a", again},
			{"back b", again},
			{restart + " " + away},
			{restart + " " + again},
			{restart + " b"},
			{restart + " !1"},
		}), 1, 8).Draw(rt, "steps")
		if wrong := runSteps(t, slices.Concat(steps...)); wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// What chance seldom comes upon.
func TestLongStoriesEndAsTheModelSays(t *testing.T) {
	for name, steps := range map[string][]string{
		"a rollback out of an outage, over a restart":   {"b", away, restart, "back a", again, restart, again},
		"there and back in an outage":                   {"b", away, restart, "back a", "back b", restart + " " + again},
		"from one rollback to another in an outage":     {"c", "b", "back a", restart + " " + away, "back c", again, restart},
		"to what the source held before it was broken":  {"b", "back a", "!1", "back b", again, "a"},
		"an edit while no process is there":             {"b", "back a", restart + " c", "back a", restart + " b", restart},
		"a broken edit while no process is there":       {"b", "back a", restart + " !1", "back b", restart, "b"},
		"the version that was rolled back to, edited":   {"b", "back a", "a'", restart, "b", restart + " !1"},
		"a restart without anything that could be read": {away, restart, "back a", "!1", restart, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if wrong := runSteps(t, steps); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}
