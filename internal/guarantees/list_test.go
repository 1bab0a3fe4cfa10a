package guarantees

// promise is something that users rely on.
type promise struct {
	text     string
	evidence []evidence
}

// evidence is a test.
type evidence struct{ pkg, test string }

// promises are what the engine is trusted for, with the tests that watch.
var promises = []promise{
	{"A commit is wholly visible or not at all, to every reader, after any fault; the outcome told is the outcome", []evidence{
		{"internal/torture", "TestEveryFault"},
		{"table", "TestSingleFaults"},
	}},
	{"What was acknowledged survives kills, power loss and failing disks", []evidence{
		{"internal/torture", "TestKilled"},
		{"internal/e2e", "TestKill"},
		{"objstore", "TestPowerLoss"},
		{"objstore", "TestFileErrors"},
	}},
	{"No update is lost among writers, threads or processes, whatever the schedule", []evidence{
		{"internal/torture", "TestInterleavings"},
		{"internal/torture", "TestHistories"},
		{"internal/torture", "TestProcesses"},
	}},
	{"A scan sees one snapshot, during any number of commits", []evidence{
		{"internal/torture", "TestReadSkew"},
	}},
	{"Maintenance never brings a row back or removes what is needed, killed at any step", []evidence{
		{"compaction", "TestKilledAtEveryStep"},
	}},
	{"Malformed files are errors: nothing panics, hangs or exhausts memory", []evidence{
		{"internal/torture", "TestMutants"},
		{"internal/torture", "TestByteFlips"},
	}},
	{"Metadata reaches only locations that the caller allowed; nothing prints a secret", []evidence{
		{"internal/e2e", "TestHostileLocations"},
		{"internal/e2e", "TestSecrets"},
	}},
}
