// Package rowjson renders rows of Arrow batches as text.
package rowjson

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/frazildb/frazil/schema"
)

// Form names a text form of rows.
type Form int

const (
	// Canonical is the form of --output canonical.
	Canonical Form = iota
	// Lines is the form of --output jsonl.
	Lines
	// Judge is the form for comparing with other engines.
	Judge
	// CSV is the form of --output csv.
	CSV
)

// Encoder renders rows.
type Encoder struct{}

func NewEncoder(s *schema.Schema, form Form) *Encoder { panic("unwritten") }

func (e *Encoder) AppendHeader(dst []byte) []byte { panic("unwritten") }

func (e *Encoder) AppendRow(dst []byte, b arrow.RecordBatch, i int) []byte { panic("unwritten") }
