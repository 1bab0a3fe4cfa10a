package debezium_test

import "slices"

func sortStrings(s []string) { slices.Sort(s) }
