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

// promises follow the reliability catalogue's P1 to P10.
var promises = []promise{
	{"A commit is wholly visible or not at all, to every reader, after any fault", []evidence{
		{"internal/torture", "TestSingleFaults", nil},
		{"table", "TestSingleFaults", nil},
	}},
	{"What was acknowledged survives a kill", []evidence{
		{"internal/e2e", "TestKill", nil},
	}},
	{"No update is lost among writers, threads or processes", []evidence{
		{"table", "TestRaces", nil},
		{"catalog", "TestProcesses", nil},
	}},
	{"Metadata reaches only the locations that the caller allowed", []evidence{
		{"internal/e2e", "TestHostileLocations", nil},
		{"internal/e2e", "TestSecrets", nil},
	}},
}
