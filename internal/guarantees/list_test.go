package guarantees

// promise is something that users rely on.
type promise struct {
	text     string
	evidence []evidence
}

// evidence is a test, and the arguments for the figures in the table.
type evidence struct {
	pkg, test string
	args      []string
}

// promises are what the engine is trusted for, with the tests that watch.
var promises = []promise{
	{"A commit is wholly visible or not at all, to every reader, after any fault; the outcome told is the outcome", []evidence{
		{"internal/torture", "TestEveryFault", nil},
		{"table", "TestSingleFaults", nil},
	}},
	{"What was acknowledged survives kills, power loss and failing disks", []evidence{
		{"internal/torture", "TestKilled", nil},
		{"internal/e2e", "TestKill", nil},
		{"objstore", "TestPowerLoss", nil},
		{"objstore", "TestFileErrors", nil},
	}},
	{"No update is lost among writers, threads or processes, whatever the schedule", []evidence{
		{"internal/torture", "TestInterleavings", nil},
		{"internal/torture", "TestHistories", nil},
		{"internal/torture", "TestProcesses", nil},
	}},
	{"A scan sees one snapshot, during any number of commits", []evidence{
		{"internal/torture", "TestReadSkew", nil},
	}},
	{"Maintenance never brings a row back or removes what is needed, killed at any step", []evidence{
		{"compaction", "TestKilledAtEveryStep", nil},
	}},
	{"Malformed files are errors: nothing panics, hangs or exhausts memory", []evidence{
		{"internal/torture", "TestMutants", nil},
		{"internal/torture", "TestByteFlips", nil},
	}},
	{"Metadata reaches only locations that the caller allowed; nothing prints a secret", []evidence{
		{"internal/e2e", "TestHostileLocations", nil},
		{"internal/e2e", "TestSecrets", nil},
	}},
}
