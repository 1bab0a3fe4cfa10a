// Package snapshot builds, validates, reads and expires snapshots: everything
// between files that were written and the one metadata swap that makes them
// visible, and the way back.
//
// A commit is a [Producer]. It is given [Changes], the files to add and to
// remove, and [Conditions], what must still hold. Each attempt calls Apply with
// the table as it is now and hands the updates and requirements to a catalog:
//
//	p := snapshot.NewProducer(snapshot.Options{Store: store, Cache: cache}, changes, conditions)
//	for {
//		a, err := p.Apply(ctx, base, "main")
//		… // ErrConflict, ErrInvalid: give up, p.Cleanup(ctx, false)
//		err = catalog.CommitTable(… a.Updates, a.Requirements …)
//		… // committed: p.Cleanup(ctx, true)
//		… // unknown: no clean-up, find out first
//		… // not committed: load base again
//	}
//
// Apply goes in steps: check that the changes are still valid; write the
// manifests of new files, once for all attempts; rewrite the manifests that hold
// removed files, and no others; merge small ones; write the list.
//
// [LiveFiles] reads a snapshot, [DeleteIndex] says which delete files apply to a
// data file, [ChangedFiles] what happened between two snapshots. [Expire] chooses
// snapshots to remove and [FindUnreachable] the files that go with them.
//
// A [Cache] shared by all of these keeps what was written or read, and for every
// manifest which files it holds, as hashes. Commits of one process then read
// nothing, and touch only manifests they change.
package snapshot
