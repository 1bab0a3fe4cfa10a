// Package faultstore wraps a store and makes chosen calls fail.
package faultstore

import (
	"errors"

	"github.com/frazildb/frazil/objstore"
)

// Errors injected by a Store.
var (
	ErrInjected = errors.New("injected fault")
	ErrCrashed  = errors.New("store crashed")
)

// Plan says which calls fail and how.
type Plan struct{}

// Store is a store with faults. It embeds nothing: every call goes through the
// plan.
type Store struct{ objstore.Store }

// New wraps inner; a nil plan injects nothing but numbers and logs the calls.
func New(inner objstore.Store, plan *Plan) *Store { panic("unwritten") }

// ParsePlan reads a replay handle as Plan.String writes it.
func ParsePlan(handle string) (*Plan, error) { panic("unwritten") }
