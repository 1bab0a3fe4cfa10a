// Package guarantees keeps the promises of the README with the tests that watch
// them and the figures those tests printed:
//
//	make guarantees   # runs them all and writes the table
//
// A promise names tests; a test prints its scale and what it found in one log
// line of key=value pairs, as in "kills=200 lost=0 duplicated=0". TestListed keeps
// the table and the tests in step.
package guarantees
