package table

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestFold: positions of files stay bounded, none is mistaken for a new one, and
// what is forgotten is dated.
func TestFold(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	k := &marks{Positions: map[string]string{"topic/0": "5"}}
	o := Fold{Prefix: "rows:", Keep: 10}
	last := map[string]string{}
	var order []string
	now := time.UnixMilli(1_000_000)
	for n := range int64(3000) {
		stream := fmt.Sprintf("rows:f%d", n)
		if n > 100 && r.IntN(4) == 0 { // an old file again, as by --replay
			stream = order[len(order)-1-r.IntN(100)]
		}
		moved := map[string]string{stream: fmt.Sprint(n)}
		k.Positions[stream], last[stream] = fmt.Sprint(n), fmt.Sprint(n)
		order = append(order, stream)
		now = now.Add(time.Second)
		k.fold(o, moved, n+1, now)
		if len(k.Positions) > 11 || k.Positions["topic/0"] != "5" || len(k.Folds["rows:"].Ages) > 10 || k.Positions[stream] != fmt.Sprint(n) {
			t.Fatalf("after %d: %v, ages %v", n, k.Positions, k.Folds["rows:"].Ages)
		}
	}
	b, err := parseMarks(k.String())
	if err != nil {
		t.Fatal(err)
	}
	f := b.Folds["rows:"]
	entries := f.entries()
	if len(entries) != maxFolded*foldedBytes {
		t.Fatalf("%d bytes of folded positions", len(entries))
	}
	if n := len(k.String()); n > 25_000 {
		t.Errorf("%d bytes in every summary", n)
	}
	seen := map[string]bool{}
	for i := len(order) - 1; i >= 0; i-- {
		stream := order[i]
		if seen[stream] {
			continue
		}
		seen[stream] = true
		at := findFolded(entries, stream)
		switch kept := k.Positions[stream] != ""; {
		case len(seen) <= 10 && !kept, kept && at >= 0:
			t.Errorf("%s, the newest but %d: kept %v, folded at %d", stream, len(seen)-1, kept, at)
		case !kept && len(seen) <= maxFolded && at < 0:
			t.Errorf("%s, the newest but %d, is forgotten", stream, len(seen)-1)
		case at >= 0 && string(entries[at:at+foldedBytes]) != string(foldEntry(stream, last[stream])):
			t.Errorf("%s is folded at another position than its last", stream)
		}
	}
	if f.Forgotten != now.UnixMilli() {
		t.Errorf("forgotten at %d, want %d", f.Forgotten, now.UnixMilli())
	}
}
