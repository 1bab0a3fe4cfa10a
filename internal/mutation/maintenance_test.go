package mutation

// maintenanceRules are what docs/maintenance.md promises.
var maintenanceRules = []rule{
	{"M1", "outputs of a rewrite keep the sequence number of what was read: later equality deletes apply to them", []mutant{
		{"compaction/commit.go", "seq := c.state.Snapshot.SequenceNumber", "seq := base.Head.SequenceNumber", "compaction TestK1Reappear", false},
	}},
	{"M2", "deletes by position that arrive during a rewrite are carried over", []mutant{
		{"compaction/attempt.go", "gone[i] = more", "_ = more", "compaction TestK1K2Carry", false},
	}},
	{"M3", "a replace adds no rows, deletes of other files are no excuse", []mutant{
		{"snapshot/prepare.go", "if live > d.removed.records {", "if live-d.added.positions > d.removed.records {", "snapshot TestReplaceRules", true},
	}},
	{"M4", "a ref is never lost with its snapshot", []mutant{
		{"metadata/apply.go", "if a.removed[r.SnapshotID] {", "if a.removed[r.SnapshotID] && false {", "metadata TestLogAndExpiry", true},
	}},
	{"M5", "writers let a turn pass, bounded by their own patience", []mutant{
		{"table/turn.go", `if id == "" || id == own || t.turnOver(id) {`, "if true {", "table TestTurnWaits", false},
		{"table/turn.go", "for waited < d {", "for waited < 100*d {", "table TestTurnLasts", false},
	}},
	{"M6", "expiry keeps what a lease holds, and looks again before it deletes", []mutant{
		{"compaction/expire.go", "if held, err := x.leased(ctx, after); err != nil || held {", "if held, err := x.leased(ctx, after); err != nil || held && false {", "compaction TestE1LeaseBetween", false},
		{"snapshot/expire.go", "!young && !policy.Leased[s.ID]", "!young", "compaction TestE1Lease", false},
		{"table/expire.go", "if err != nil || slices.ContainsFunc(d.of, func(id int64) bool { return leased[id] }) {", "if err != nil || leased == nil {", "compaction TestE1LeaseOfWriter", false},
		{"table/lease.go", "if now.Metadata.Snapshot(l.snapshot) == nil {", "if now.Metadata.Snapshot(l.snapshot) == nil && false {", "compaction TestE1LeaseTooLate", false},
	}},
	{"M7", "orphan removal spares young files and reads the table's pointer before every batch of deletes", []mutant{
		{"compaction/orphans.go", "if !info.ModTime.Before(s.rep.Cutoff) {", "if false {", "compaction TestG2G3Orphans", false},
		{"compaction/orphans.go", "at += orphanBatch {\n\t\tif err := s.look(ctx); err != nil {", "at += orphanBatch {\n\t\tif err := ctx.Err(); err != nil {", "compaction TestG3G4Recheck", false},
	}},
}
