// Package snapshot builds, validates, reads and expires snapshots.
package snapshot
