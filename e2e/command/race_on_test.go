//go:build race

package command_test

// raceFlags build the feedd of the scripts as the tests are built.
var raceFlags = []string{"-race"}
