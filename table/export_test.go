package table

import "fmt"

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
