// Package torture holds the tests that try to break tables: a fault in every
// store call of every operation, every interleaving of two writers, histories
// under random faults, killed processes, damaged files, and load for hours.
//
// Each prints what it did (seeds, ops, faults, crashes) and how many promises were
// broken, which must be none. CI runs a slice of each; the flags and the make
// targets soak, fuzz, kill and explore run the rest.
package torture
