package torture

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/frazildb/frazil/internal/testenv"
	"github.com/frazildb/frazil/objstore"
	"github.com/frazildb/frazil/table"
)

var (
	mutantRuns = flag.Int("mutants", 3000, "mutants of each kind in TestMutants")
	mutantKind = flag.String("mutants.kind", "", "only this kind: parquet, avro, puffin or json")
	mutantSeed = flag.Uint64("mutants.seed", 1, "seed of TestMutants")
)

// TestMutants reads files that were changed at random, in a process whose memory
// the kernel caps. Each is an error or is read; none may panic, end the process,
// or take more than 64 MiB and 20 times its size of memory or 1 s of processor.
func TestMutants(t *testing.T) {
	for _, kind := range []string{"parquet", "avro", "puffin", "json"} {
		if *mutantKind != "" && *mutantKind != kind {
			continue
		}
		runs := *mutantRuns
		if testing.Short() {
			runs = 200
		}
		dir := t.TempDir()
		n := gatherSeeds(t, kind, dir)
		m := mutants{Kind: kind, Seed: *mutantSeed, Dir: dir, Progress: filepath.Join(t.TempDir(), "progress")}
		total := outcome{}
		for m.From < runs && !t.Failed() {
			m.To = min(runs, m.From+50_000)
			out := m.process(t)
			total.Runs += out.Runs
			total.Readable += out.Readable
			total.Bytes += out.Bytes
			total.MaxAlloc = max(total.MaxAlloc, out.MaxAlloc)
			total.MaxTime = max(total.MaxTime, out.MaxTime)
			if out.MaxAlloc > maxAlloc {
				t.Errorf("%s: mutant %d took %d MiB", kind, out.MaxAt, out.MaxAlloc>>20)
				m.keep(t, out.MaxAt)
			}
			if out.MaxTime > maxTime {
				t.Errorf("%s: mutant %d took %v", kind, out.TimeAt, out.MaxTime)
				m.keep(t, out.TimeAt)
			}
			m.From = m.To
		}
		testenv.Figures(t, "%s: seeds=%d ops=%d bytes=%d readable=%d most-memory=%dKiB longest=%v crashes=0",
			kind, n, total.Runs, total.Bytes, total.Readable, total.MaxAlloc>>10, total.MaxTime)
	}
}

// process runs a range of mutants.
func (m *mutants) process(t *testing.T) (out outcome) {
	t.Helper()
	arg, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FRAZIL_TORTURE_MUTANTS="+string(arg))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err == nil {
		err = json.Unmarshal(stdout.Bytes(), &out)
	}
	if err == nil {
		return out
	}
	at := 0
	if data, err := os.ReadFile(m.Progress); err == nil {
		_, _ = fmt.Sscan(strings.TrimLeft(string(data), "0"), &at)
	}
	m.keep(t, at)
	t.Errorf("%s: mutant %d: %v\n%.3000s", m.Kind, at, err, stderr.String())
	return out
}

// hostile holds files that once did harm, by kind, for every run to read.
const hostile = "testdata/hostile"

// keep stores a mutant among the files that every run reads.
func (m *mutants) keep(t *testing.T, i int) {
	files, err := seedFiles(m.Dir)
	if err == nil {
		err = os.WriteFile(filepath.Join(hostile, fmt.Sprintf("%s-%d-%d", m.Kind, m.Seed, i)), m.mutate(files, i), 0o644)
	}
	t.Logf("mutant %d is kept in %s (%v)", i, hostile, err)
}

// TestHostileFiles reads the files that once did harm, within the bounds of
// TestMutants.
func TestHostileFiles(t *testing.T) {
	entries, err := os.ReadDir(hostile)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "README" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(hostile, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(e.Name(), "-")
		if readers[kind] == nil {
			t.Errorf("%s: there is no kind %q", e.Name(), kind)
			continue
		}
		c, err := measured(kind, b)
		if err != nil || c.alloc > maxAlloc || c.time > maxTime {
			t.Errorf("%s: %d MiB, %v, %v", e.Name(), c.alloc>>20, c.time, err)
		}
	}
}

// gatherSeeds copies small files of a kind, of ours and where the shared tables
// are there of other engines, into a directory, and returns how many.
func gatherSeeds(t *testing.T, kind, dir string) (n int) {
	t.Helper()
	add := func(b []byte) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%06d", n)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		n++
	}
	suffixes := map[string][]string{"parquet": {".parquet"}, "avro": {".avro"}, "puffin": {".puffin", ".stats"}, "json": {".metadata.json"}}[kind]
	matches := func(name string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
	}
	for _, version := range []int{2, 3} {
		w := newWorld(t, objstore.NewMemory(root), 1)
		base(w, version)
		w.must(w.write(changes{1: "eq", 5: ""}, "", &table.WriterOptions{Encoding: table.EncodingEquality}))
		for _, o := range imageOf(t, w.inner) {
			if matches(o.uri) {
				add(o.data)
			}
		}
	}
	shared, ok := testenv.SharedIfThere(t, "tables")
	if !ok {
		return n
	}
	err := filepath.WalkDir(shared, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !matches(path) || n >= 500 {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() > 24<<10 {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		add(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
