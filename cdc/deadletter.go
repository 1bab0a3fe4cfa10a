package cdc

import (
	"encoding/json"
	"io"
)

// deadLetter is a line of a dead-letter file.
type deadLetter struct {
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Table  string `json:"table,omitempty"`
	Reason string `json:"reason"`
	// Raw is the input as it was; bytes that are not UTF-8 are replaced.
	Raw string `json:"raw"`
}

// WriteDeadLetters returns a function for [Options.DeadLetter] that writes one
// JSON object a line: file, line, table, reason, raw. Raw is the line as it was,
// to be mended and read again.
func WriteDeadLetters(w io.Writer) func(*LineError) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(e *LineError) error {
		return enc.Encode(deadLetter{
			File: e.Line.File, Line: e.Line.Number, Table: e.Table, Reason: e.Err.Error(), Raw: string(e.Raw),
		})
	}
}
