package table

// SwitchOff switches a safety check off, for the tests that show that its
// absence is noticed.
func SwitchOff(o *Options, check string) { o.off = check }
