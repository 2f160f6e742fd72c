//go:build race

package streamtest

// raceEnabled says that the race detector is on. It slows down a large engine
// tenfold, so the one case that is large is made smaller for it.
const raceEnabled = true
