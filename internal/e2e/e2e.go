// Package e2e holds tests of the whole: the built command on real input, judged
// by other engines.
package e2e
