//go:build race

package torture

// underRace: the detector needs more addresses than the cap leaves.
const underRace = true
