// Package mutation keeps the list of the rules that must never break, and shows
// that a test watches each of them: a rule is switched off by replacing a few
// lines of source in an overlay of the go command, and the named test must fail.
// Only package table has switches too, for its own tests: they show of each single
// interleaving that it goes wrong without its check, in every run.
//
// The rules of the format are in format_test.go, those of commits and
// maintenance in safety_test.go; docs/invariants.md is made from both:
//
//	go test ./internal/mutation -update   # writes docs/invariants.md
//	make mutants                          # runs all mutants; minutes
package mutation
