package table

import (
	"fmt"

	"github.com/frazildb/frazil/deletes"
)

// SwitchOff switches a safety check off, for the tests that show that its
// absence is noticed.
func SwitchOff(o *Options, check string) { o.off = check }

// ReaderTable is the table of docs/readers.md.
func ReaderTable() []string {
	var lines []string
	yes := map[bool]string{true: "yes", false: "no"}
	reaches := map[reach]string{reachNone: "no", reachUnsplit: "unpartitioned tables", reachAll: "yes"}
	for _, r := range knownReaders {
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s | %s |", r.name, yes[r.position], yes[r.vector], reaches[r.equality], r.by))
	}
	return lines
}

// FreshLayer is a layer of the filter of keys, for its error rate.
type FreshLayer struct{ l freshLayer }

// NewFreshLayer makes one for n keys.
func NewFreshLayer(n int) *FreshLayer {
	return &FreshLayer{freshLayer{blocks: make([][8]uint64, n*freshBitsPerKey/8/64)}}
}

// Add and Test are those of the layer.
func (f *FreshLayer) Add(d deletes.Digest) { f.l.add(d) }

// Test reports whether d may have been added.
func (f *FreshLayer) Test(d deletes.Digest) bool { return f.l.test(d) }
