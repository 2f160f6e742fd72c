// Package streamtest holds the conformance suite of feedd's engines: what
// every [stream.Engine] must do, as cases named after the promises P1 to P7 of
// package stream. An engine runs all of it with one line:
//
//	func TestLog(t *testing.T) {
//		streamtest.TestLog(t, streamtest.Subject{Open: open, Durable: true})
//	}
//
// A case is a rule, and its name says the rule, so that a failure reads like
// the sentence that was broken:
//
//	--- FAIL: TestLog/P1/ids_strictly_increase_over_all_feeds
//
// What an engine may do in its own time (lowered bounds, age, expiry) is waited
// for; what it must do at once (the bounds of a publish, losses, order) is not.
// The clock is the test's own, so an engine must take every time from
// StoreOptions.Now; when it looks at the clock is its own affair.
//
// Left to an engine's own tests, because a suite in the same process cannot do
// it: kill -9, power loss, faults of the disk.
package streamtest

import (
	"testing"

	"feedd/internal/stream"
)

// Subject is the engine under test.
type Subject struct {
	// Open opens the store that is kept in dir, a directory that exists, and
	// makes the store if there is none. An engine that keeps nothing on disk
	// does not look at dir.
	//
	// A Durable engine keeps the whole store below dir, so that a copy of the
	// directory of a closed store is a copy of the store.
	Open func(dir string, opts stream.StoreOptions) (stream.Engine, error)
	// Durable says that a store which is closed and opened again has what it
	// had. Without it the cases that open a store again are skipped.
	Durable bool
}

// TestLog runs every case of the suite against the engine, in parallel, each
// on stores of its own.
func TestLog(t *testing.T, s Subject) {
	for _, promise := range []struct {
		name  string
		cases []testCase
	}{
		{"P1", casesP1},
		{"P2", casesP2},
		{"P3", casesP3},
		{"P4", casesP4},
		{"P5", casesP5},
		{"P6", casesP6},
		{"P7", casesP7},
		{"Source", casesSource},
		{"Keeper", casesKeeper},
		{"Notice", casesNotice},
	} {
		t.Run(promise.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range promise.cases {
				t.Run(c.rule, func(t *testing.T) {
					t.Parallel()
					if c.durable && !s.Durable {
						t.Skip("the engine keeps nothing that could be opened again")
					}
					c.run(t, s)
				})
			}
		})
	}
}

// testCase is one rule and the function that checks it.
type testCase struct {
	rule    string
	durable bool // it opens a store again
	run     func(t *testing.T, s Subject)
}
