package history_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"proscenium/scenes/history"
	"proscenium/scenes/source"
)

// writerDir is the directory of a process that does nothing but write versions: it is this test binary, run again.
const writerDir = "HISTORY_TEST_WRITER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		writeForever(dir)
	}
	os.Exit(m.Run())
}

func large(i int) []source.File {
	return []source.File{{Name: "a.yaml", Data: bytes.Repeat(fmt.Appendf(nil, "# %d\n", i), 1<<15)}, {Name: "b.yaml", Data: []byte(strconv.Itoa(i))}}
}

// writeForever says each version that is on disk.
func writeForever(dir string) {
	h := history.New(3, history.NewStore(dir, "market"))
	if err := h.Open(); err != nil {
		panic(err)
	}
	var from int
	if all := h.View().Versions(); len(all) > 0 {
		_, _ = fmt.Sscanf(all[0].Version, "%x", &from)
	}
	for i := from + 1; ; i++ {
		h.Serve(history.Version{Version: version(i)}, large(i))
		if err := h.Save(); err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintln(os.Stdout, i)
	}
}

// A process that is killed while it writes leaves all that it said is there, and nothing that is half there.
func TestAKillInTheMiddleOfAWriteLosesNothing(t *testing.T) {
	dir := t.TempDir()
	for round := range 15 {
		writer := exec.Command(os.Args[0])
		writer.Env = append(os.Environ(), writerDir+"="+dir)
		var stderr strings.Builder
		writer.Stderr = &stderr
		stdout, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for range 2 { // it is at work
			lines.Scan()
		}
		<-time.After(time.Duration(round*700) * time.Microsecond)
		if err := writer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		last := lines.Text()
		for lines.Scan() {
			last = lines.Text()
		}
		_ = writer.Wait()
		written, err := strconv.Atoi(last)
		if err != nil {
			t.Fatalf("it said %q: %v\n%s", last, err, stderr.String())
		}

		h := history.New(3, history.NewStore(dir, "market"))
		if err := h.Open(); err != nil {
			t.Errorf("after a kill: %v", err)
		}
		got := names(h)
		if len(got) == 0 || got[0] != written && got[0] != written+1 {
			t.Fatalf("on disk are %v; it said %d", got, written)
		}
		for _, i := range got {
			if files, err := h.View().Files(version(i)); err != nil || !equalFiles(files, large(i)) {
				t.Errorf("version %d: %v", i, err)
			}
		}
	}
}
