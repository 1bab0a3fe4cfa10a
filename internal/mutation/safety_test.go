package mutation

// safetyRules are the checks of commits, of maintenance and of what may be
// touched.
var safetyRules = []rule{
	{"S1", "what a writer looked up holds for one base: every attempt looks into files added since", []mutant{
		{"table/resolve.go", `r.t.opts.off == "catch up with rivals" && r.attempts > 1`, `r.attempts > 1`, "table TestRaces", true},
	}},
	{"S2", "a key in several staged sets of one commit has its newest row only", []mutant{
		{"table/resolve.go", `r.t.opts.off != "keys across staged sets"`, `false`, "table TestRaces", false},
	}},
	{"S3", "a deletion vector that replaces one holds its rows too", []mutant{
		{"table/mergedeletes.go", `c.t.opts.off != "union of deletion vectors"`, `false`, "table TestRaces", false},
	}},
	{"S4", "a writer of an older epoch than one that committed is refused", []mutant{
		{"table/positions.go", `ok && last > s.epoch && c.t.opts.off != "fencing"`, `ok && last > s.epoch && false`, "table TestFencing", true},
	}},
	{"S5", "files that an index does not cover are read", []mutant{
		{"table/index.go", `r.t.opts.off == "read files the index does not cover"`, `true`, "table TestIndexRaces", false},
	}},
	{"S6", "rows whose delete others took back are found again", []mutant{
		{"table/undeleted.go", `head == nil || head.ID == from || t.opts.off == "rows undeleted by others"`, `true`, "table TestIndexRaces", false},
	}},
	{"S7", "the filter of written keys counts for the head it was made for only", []mutant{
		{"table/freshkeys.go", `if r.t.opts.off == "filter of the table's own head" && used != nil {`, `if used != nil {`, "table TestInitialLoad", false},
	}},
	{"S8", "an older change loses against the stored row", []mutant{
		{"table/resolve_order.go", `r.order != nil && r.t.opts.off != "order against stored rows"`, `false`, "table TestOrderBy", false},
	}},
	{"S9", "one of any number of writers creates the next version of a table", []mutant{
		{"catalog/commit.go", "err := f.store.Put(ctx, uri, data, &objstore.PutOptions{IfAbsent: true})\n\tif err == nil {", "err := f.store.Put(ctx, uri, data, nil)\n\tif err == nil {", "catalog TestProcesses", false},
		{"objstore/localwrite.go", "\tif errors.Is(err, fs.ErrExist) {\n\t\treturn ErrExists\n\t}\n\treturn err\n}", "\tif errors.Is(err, fs.ErrExist) {\n\t\treturn w.sub.Rename(w.temp, name)\n\t}\n\treturn err\n}", "objstore TestLocalProcesses", false},
	}},
	{"S10", "an object that exists already may be one's own, sent twice: its bytes decide", []mutant{
		{"catalog/commit.go", "case rerr == nil && bytes.Equal(have, data):", "case rerr == nil && bytes.Equal(have, data) && false:", "catalog TestFiles", false},
	}},
	{"S11", "a version is confirmed by its base, which is never deleted before it", []mutant{
		{"catalog/commit.go", "if err == nil || errors.Is(err, objstore.ErrNotFound) {\n\t\t\treturn f.judge(look, base, e)", "if err == nil || errors.Is(err, objstore.ErrNotFound) {\n\t\t\treturn nil", "catalog TestPausedCommit", false},
	}},
	{"S12", "files are on the medium before they have their name, names before a put returns", []mutant{
		{"objstore/localwrite.go", "if !w.opts.Volatile && !w.l.opts.NoSync {\n\t\terr := w.l", "if false {\n\t\terr := w.l", "objstore TestLocalFsyncFails", false},
		{"objstore/localwrite.go", "if err := w.l.sync.sync(w.dir, parent(w.name)); err != nil {", "if err := error(nil); err != nil {", "objstore TestPowerLoss", false},
	}},
	{"S13", "a rewrite carries over the deletes that arrived for its inputs", []mutant{
		{"compaction/attempt.go", "p.carryAll(gone)", "p.carryAll(make([]*deletes.Positions, len(p.inputs)))", "compaction TestK1K2Carry", true},
	}},
	{"S14", "a rewrite is given up when deletes that it applied hold no more", []mutant{
		{"compaction/attempt.go", "if !places.Covers(must) {", "if !places.Covers(must) && false {", "compaction TestRollback", false},
	}},
	{"S15", "a rewrite is verified before it is committed: rows, nulls, files", []mutant{
		{"compaction/rewrite.go", "if info.Size != f.FileSize {", "if false {", "compaction TestVerify", false},
	}},
	{"S16", "files younger than the guard are no orphans", []mutant{
		{"compaction/orphans.go", "s.rep.Cutoff = s.rep.StoreTime.Add(-s.o.OlderThan)", "s.rep.Cutoff = s.rep.StoreTime.Add(time.Hour)", "compaction TestG1InFlight", false},
		{"compaction/orphans.go", "if s.o.OlderThan < minOrphanAge && !s.o.Force {", "if false {", "compaction TestG2G3Orphans", false},
	}},
	{"S17", "the table's pointer is read again after the listing and before each delete", []mutant{
		{"compaction/orphans.go", "if s.reach != nil && s.reach.at == e.MetadataLocation {", "if s.reach != nil {", "compaction TestG3G4Recheck", false},
	}},
	{"S18", "a table with gc.enabled=false loses no file", []mutant{
		{"compaction/orphans.go", "if err := gcEnabled(s.entry.Metadata); err != nil {", "if err := error(nil); err != nil {", "compaction TestG6G7Refs", false},
	}},
	{"S19", "a snapshot that a ref got meanwhile is not expired", []mutant{
		{"metadata/apply.go", `return fmt.Errorf("%w: ref %s needs snapshot %d, which is to be removed", ErrStale, name, r.SnapshotID)`, `delete(t.Refs, name)`, "compaction TestG6RefBetween", false},
	}},
	{"S20", "files of a snapshot under a reader's lease stay", []mutant{
		{"compaction/expire.go", "if held, err := x.leased(ctx, after); err != nil || held {", "if false {", "compaction TestE1LeaseBetween", false},
	}},
	{"S21", "metadata reaches only locations under the table's own directory or allowed ones", []mutant{
		{"objstore/within.go", "if covers(prefixes, uri, canonical) {", "if covers(prefixes, uri, canonical) || true {", "catalog TestBounds", true},
		{"objstore/uri.go", `case dots == "..", dots == "."`, `case false, dots == "."`, "objstore TestCanonical", false},
	}},
	{"S22", "a registered table keeps to the directory it was registered from", []mutant{
		{"catalog/bounds.go", "if !slices.ContainsFunc(places,", "if false && !slices.ContainsFunc(places,", "catalog TestRegisteredBounds", false},
	}},
}
