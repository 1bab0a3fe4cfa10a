package mutation

// formatRules are the rules of the format (the 21 invariants of the project's
// fact sheet; the spec's sections are named beside the code).
var formatRules = []rule{
	{"1", "an equality delete applies to strictly older data, a position delete and a deletion vector to data of their own sequence number too", []mutant{
		{"snapshot/equalitybucket.go", "b.from(data.SequenceNumber + 1)", "b.from(data.SequenceNumber)", "snapshot TestInvariant1SequenceBoundaries", true},
		{"snapshot/deleteindex.go", "d.Positions = b.entries[b.from(data.SequenceNumber):]", "d.Positions = b.entries[b.from(data.SequenceNumber+1):]", "snapshot TestInvariant1SequenceBoundaries", false},
		{"deletes/eqtable.go", "if seq > fileSeq {", "if seq >= fileSeq {", "deletes TestEqualityTableModel", false},
		{"deletes/dense.go", "if seq > fileSeq {", "if seq >= fileSeq {", "deletes TestDenseAgrees", false},
	}},
	{"2", "an equality delete is global only if its own spec has no fields but void ones; position deletes never are", []mutant{
		{"snapshot/deleteindex.go", "case spec.IsUnpartitioned():", "case spec.IsUnpartitioned() || f.Content == manifest.ContentEqualityDeletes:", "snapshot TestInvariant2GlobalDeletes", true},
		{"snapshot/deleteindex.go", "case spec.IsUnpartitioned():", "case spec.IsUnpartitioned() && len(spec.Fields) == 0:", "snapshot TestInvariant2GlobalDeletes", false},
	}},
	{"3", "a deletion vector hides the position deletes of its file, not the equality deletes", []mutant{
		{"snapshot/deleteindex.go", "d.DV = v // it holds every position delete of the file\n\t\treturn d, nil", "d.DV = v", "snapshot TestInvariant3VectorHidesPositionDeletes", true},
		{"snapshot/deleteindex.go", "d.DV = v // it", "d.DV, d.Equality = v, nil // it", "snapshot TestInvariant3VectorHidesPositionDeletes", false},
	}},
	{"4", "a data file has at most one live deletion vector, which holds the old one and every position delete", []mutant{
		{"snapshot/filter.go", "v != nil && f.IsDV()", "v != nil && f.IsDV() && false", "snapshot TestInvariant4OneVectorPerDataFile", true},
		{"snapshot/prepare.go", "other != nil", "other != nil && false", "snapshot TestInvariant4OneVectorPerDataFile", false},
		{"table/mergedeletes.go", "all.Union(p)", "_ = p", "table TestUpgradeWithPositionDeletes", false},
	}},
	{"5", "a removed data file takes its deletion vector, and the position deletes of it alone, along in the same commit", []mutant{
		{"snapshot/filter.go", "if r.paths[ref] {", "if r.paths[ref] && false {", "snapshot TestInvariant5DataFileTakesItsDeletes", true},
	}},
	{"6", "every commit has a data sequence number of its own", []mutant{
		{"snapshot/producer.go", "base.LastSequenceNumber + 1}", "base.LastSequenceNumber}", "snapshot TestInvariant6OwnSequenceNumber", true},
	}},
	{"7", "a rewrite that keeps its starting sequence number may ignore newer equality deletes, and fails on newer position deletes and vectors for its inputs", []mutant{
		{"snapshot/conditions.go", "len(d.Equality) > 0 && !p.cond.IgnoreEqualityDeletes", "len(d.Equality) > 0", "snapshot TestInvariant7RewriteAndConcurrentDeletes", true},
		{"snapshot/conditions.go", "hit := d.DV", "hit := (*manifest.Entry)(nil)", "snapshot TestInvariant7RewriteAndConcurrentDeletes", false},
	}},
	{"8", "sequence numbers are inherited by added entries only; existing and deleted ones carry theirs", []mutant{
		{"manifest/read.go", "inherits := e.Status == StatusAdded || f.SequenceNumber == 0", "inherits := true", "manifest TestInvariant8OnlyAddedInheritsSequenceNumber", true},
	}},
	{"9", "a missing first_row_id is inherited by any live entry, past those that have one", []mutant{
		{"manifest/read.go", "s.entry.Status == StatusDeleted || file.FirstRowID != nil", "s.entry.Status != StatusAdded || file.FirstRowID != nil", "manifest TestInvariant9FirstRowIDInherited", true},
		{"manifest/read.go", "s.entry.Status == StatusDeleted || file.FirstRowID != nil", "s.entry.Status == StatusDeleted", "manifest TestInvariant9FirstRowIDInherited", false},
	}},
	{"10", "next-row-id only grows, by commits to any branch, and is read again on every retry", []mutant{
		{"metadata/applysnapshots.go", "*s.FirstRowID < t.NextRowID", "false", "metadata TestStaleSnapshots", true},
		{"metadata/applysnapshots.go", "t.NextRowID = max(t.NextRowID, *s.FirstRowID+*s.AddedRows)", "t.NextRowID = max(t.NextRowID, *s.AddedRows)", "snapshot TestInvariant10NextRowIDReread", false},
	}},
	{"11", "a retry validates again, keeps its snapshot id and its new manifests, and writes another list", []mutant{
		{"snapshot/producer.go", "if err := p.validate(ctx, b, files); err != nil {", "if err := p.validate(ctx, b, files); err != nil && p.attempts == 1 {", "snapshot TestInvariant11Retry", true},
		{"snapshot/output.go", "if !p.fresh.made {", "if true {", "snapshot TestInvariant11Retry", false},
		{"snapshot/producer.go", "p.id == 0 || base.Snapshot(p.id) != nil", "p.id == 0 || tries == 0", "snapshot TestInvariant11Retry", false},
	}},
	{"12", "after a commit only what it does not use is deleted, and after one of unknown outcome nothing", []mutant{
		{"snapshot/output.go", "committed && p.used[uri]", "false", "snapshot TestInvariant12CleanupKeepsWhatIsCommitted", true},
	}},
	{"13", "a column that is not in a file has its value of the identity partition, else its initial default, else null", []mutant{
		{"scan/layout.go", "l.constants = identityValues(r.v, r.ft)", "_ = identityValues", "scan TestInvariant13Projection", false},
		{"scan/layout.go", "f.Transform.Kind != partition.IdentityTransform || ", "f.Transform.Kind == partition.VoidTransform || ", "scan TestInvariant13Projection", false},
		{"internal/parquetfile/read_resolve.go", "if !ok {\n\t\tv = f.InitialDefault\n\t}", "_ = ok", "internal/parquetfile TestAbsentColumns", false},
	}},
	{"14", "bounds may be missing, truncated or of the type before a promotion, and NaN is none", []mutant{
		{"expr/metrics.go", "return !(above(f.lower, n.lit) ||", "return f.lower != nil && !(above(f.lower, n.lit) ||", "expr TestPruningKeepsMatches", true},
		{"schema/bound.go", "case 4:\n\t\t\treturn int64(int32(binary.LittleEndian.Uint32(b))), nil\n", "", "schema TestE4NarrowBounds", false},
		{"schema/bound.go", "if f != f {\n\t\treturn nil, fmt.Errorf(\"bound of type", "if false {\n\t\treturn nil, fmt.Errorf(\"bound of type", "schema TestT3Floats", false},
	}},
	{"14b", "what a transform does to a literal rules out only partitions that can hold no match, where truncated integers wrap too", []mutant{
		{"expr/project.go", "return nil // the literal itself wrapped", "_ = c // the literal itself wrapped", "expr TestTruncateWraps", false},
		{"expr/project.go", "return join(opOr, n, &node{op: opGt, col: t.col, lit: limit})", "return n", "expr TestTruncateWraps", false},
	}},
	{"15", "bounds of delete files describe the deleted values, and rule a delete out only where no value can be equal", []mutant{
		{"snapshot/equalitybucket.go", "schema.Compare(del.typ, del.lo, data.hi) <= 0", "schema.Compare(del.typ, del.lo, data.hi) < 0", "snapshot TestEqualityBoundsPrune", true},
		{"snapshot/equalitybucket.go", "return true // null equals null", "return !del.onlyNil", "snapshot TestEqualityBoundsPrune", false},
	}},
	{"16", "partition values are compared in the type of their own spec, floats bit by bit with one NaN", []mutant{
		{"partition/spec.go", "floatBits(x))", "floatBits(x+0))", "snapshot TestInvariant16BitExactPartitions", true},
	}},
	{"17", "a file path is live at most once in a snapshot; Puffin files may come often, at other offsets", []mutant{
		{"snapshot/conditions.go", "if c.PathsUnused {", "if c.PathsUnused && false {", "snapshot TestInvariant17PathLiveOnce", true},
		{"snapshot/prepare.go", "case added[id]:", "case added[id] && false:", "snapshot TestInvariant17PathLiveOnce", false},
		{"snapshot/keys.go", "id.offset, id.size = *f.ContentOffset, *f.ContentSize", "_ = id.offset", "snapshot TestInvariant4OneVectorPerDataFile", false},
	}},
	{"18", "equality deletes on dropped columns still apply: their fields are found in every schema there was", []mutant{
		{"scan/keys.go", "for _, s := range t.Schemas {", "for _, s := range []*schema.Schema{t.CurrentSchema()} {", "scan TestInvariant18DroppedEqualityColumn", false},
	}},
	{"19", "a file goes only when nothing live has its path, whichever entry names it", []mutant{
		{"snapshot/unreachable.go", "if k.hasPath(h) {", "if _, ok := slices.BinarySearch(k.files, h); ok {", "snapshot TestInvariant19SharedPuffin", true},
	}},
	{"20", "metadata, manifests and lists are never overwritten", []mutant{
		{"snapshot/producer.go", "p.id, p.attempts, p.o.CommitUUID)", "p.id, 1, p.o.CommitUUID)", "snapshot TestInvariant11Retry", true},
	}},
	{"21", "old delete files are dropped below the smallest data sequence number, which counts the files being added", []mutant{
		{"snapshot/filter.go", "for _, f := range b.data {\n\t\tif !mayHaveLive(f) {", "for _, f := range b.data[len(p.fresh.data):] {\n\t\tif !mayHaveLive(f) {", "snapshot TestInvariant21RewriteKeepsNewerEqualityDelete", true},
	}},
}
