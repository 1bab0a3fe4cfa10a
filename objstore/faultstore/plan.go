package faultstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Mode is what happens to a call.
type Mode uint8

// The modes. On calls that only read, those about outcomes are plain errors.
const (
	// None leaves the call alone.
	None Mode = iota
	// Before fails the call before anything happens; the caller is told so.
	Before
	// After applies a write and loses the reply: the outcome is unknown.
	After
	// Unknown loses the request: the outcome is unknown too.
	Unknown
	// Late loses the reply, and the write lands only when the call after the next
	// one begins.
	Late
	// Twice sends the request twice and returns the second reply, as clients that
	// retry by themselves do.
	Twice
	// Torn transfers half: a read ends early, a list breaks off, an unconditional
	// put leaves half of the object. Conditional puts, which every driver makes
	// whole or not at all, and streams fail without effect.
	Torn
	// Delay calls Plan.OnDelay, then goes on.
	Delay
	// Crash fails this call, without effect, and every later one.
	Crash
	// CrashAfter applies the call, then fails it and every later one.
	CrashAfter
	// Stale reads, opens or lists the state before the last change of the object,
	// as eventually consistent stores do. It needs a [Past] as the inner store and
	// leaves alone what that does not remember, and writes.
	Stale
	// Flip changes one bit of what is read; the bit depends on Plan.Seed and the
	// number of the call. It leaves other calls alone.
	Flip
)

var modeNames = []string{"none", "before", "after", "unknown", "late", "twice", "torn", "delay", "crash", "crashafter", "stale", "flip"}

// Modes returns the modes of stores that are consistent and keep what they were
// given: all but None, Stale and Flip.
func Modes() []Mode {
	return []Mode{Before, After, Unknown, Late, Twice, Torn, Delay, Crash, CrashAfter}
}

// String is the name in a handle.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode%d", uint8(m))
}

// Fault is the failure of one call.
type Fault struct {
	Call int64 // from 1
	Mode Mode
}

// Plan says which calls fail and how; the zero Plan injects nothing.
type Plan struct {
	// Faults are failures of chosen calls.
	Faults []Fault
	// Rate, from 0 to 1, is the share of the other calls that fail, chosen by
	// Seed and the call's number alone.
	Rate float64
	Seed uint64
	// Burst, when above 1, is how many calls fail once one does at random: the
	// others are refused (Before), as when the network goes down in the middle of a
	// call.
	Burst int64
	// Modes are the modes a random failure has; nil is Before, After, Unknown,
	// Late, Twice and Torn.
	Modes []Mode
	// Ops, when not nil, are the only operations that are counted and may fail.
	Ops []Op
	// Quiet keeps no log, for runs of hours. It is not part of the handle.
	Quiet bool
	// OnDelay is called, without locks held, by a call in mode Delay. It is not
	// part of the handle.
	OnDelay func(ctx context.Context, c Call)
}

// mode returns the mode of a call.
func (p *Plan) mode(n int64) Mode {
	for _, f := range p.Faults {
		if f.Call == n {
			return f.Mode
		}
	}
	if p.Rate <= 0 {
		return None
	}
	r := rand.New(rand.NewPCG(p.Seed, uint64(n)))
	if r.Float64() >= p.Rate {
		for k := max(1, n-p.Burst+1); k < n; k++ {
			if rand.New(rand.NewPCG(p.Seed, uint64(k))).Float64() < p.Rate {
				return Before
			}
		}
		return None
	}
	modes := p.Modes
	if len(modes) == 0 {
		modes = []Mode{Before, After, Unknown, Late, Twice, Torn}
	}
	return modes[r.IntN(len(modes))]
}

// String returns the plan's handle.
func (p *Plan) String() string {
	var parts []string
	for _, f := range p.Faults {
		parts = append(parts, fmt.Sprintf("%d=%s", f.Call, f.Mode))
	}
	if p.Rate > 0 {
		parts = append(parts, fmt.Sprintf("seed=%d", p.Seed), "rate="+strconv.FormatFloat(p.Rate, 'g', -1, 64))
		if p.Burst > 1 {
			parts = append(parts, fmt.Sprintf("burst=%d", p.Burst))
		}
		if len(p.Modes) > 0 {
			names := make([]string, len(p.Modes))
			for i, m := range p.Modes {
				names[i] = m.String()
			}
			parts = append(parts, "modes="+strings.Join(names, "|"))
		}
	}
	if len(p.Ops) > 0 {
		names := make([]string, len(p.Ops))
		for i, op := range p.Ops {
			names[i] = string(op)
		}
		parts = append(parts, "ops="+strings.Join(names, "|"))
	}
	return strings.Join(parts, ",")
}

// ParsePlan reads a handle as Plan.String writes it; "" is the empty plan.
func ParsePlan(handle string) (*Plan, error) {
	p := &Plan{}
	if handle == "" {
		return p, nil
	}
	for part := range strings.SplitSeq(handle, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("fault plan: %q is not key=value", part)
		}
		if err := p.set(key, value); err != nil {
			return nil, fmt.Errorf("fault plan: %q: %w", part, err)
		}
	}
	return p, nil
}

// set takes one part of a handle.
func (p *Plan) set(key, value string) (err error) {
	switch key {
	case "seed":
		p.Seed, err = strconv.ParseUint(value, 10, 64)
	case "rate":
		p.Rate, err = strconv.ParseFloat(value, 64)
		if err == nil && !(p.Rate >= 0 && p.Rate <= 1) {
			err = fmt.Errorf("not between 0 and 1")
		}
	case "burst":
		p.Burst, err = strconv.ParseInt(value, 10, 64)
	case "modes":
		for name := range strings.SplitSeq(value, "|") {
			m, err := parseMode(name)
			if err != nil {
				return err
			}
			p.Modes = append(p.Modes, m)
		}
	case "ops":
		for name := range strings.SplitSeq(value, "|") {
			p.Ops = append(p.Ops, Op(name))
		}
	default:
		var f Fault
		if f.Call, err = strconv.ParseInt(key, 10, 64); err != nil {
			return err
		}
		if f.Mode, err = parseMode(value); err != nil {
			return err
		}
		p.Faults = append(p.Faults, f)
	}
	return err
}

func parseMode(name string) (Mode, error) {
	if i := slices.Index(modeNames, name); i > 0 {
		return Mode(i), nil
	}
	return None, fmt.Errorf("unknown mode %q", name)
}
