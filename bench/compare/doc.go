// Compare is the program behind `make compare`: it puts feedd beside its peers,
// and beside the least that a delivery can cost, under the same loads, and
// holds it to the figures that it is meant to reach.
//
//	go run ./bench/compare [-rounds N] [-only SCENARIOS] [-servers SERVERS] [-short] [-bin FILE] [-o FILE] [-json]
//
// It installs the peers that come from Debian, builds the others and feedd, and
// starts each server afresh for each measurement, on a free port of the
// loopback and in a directory of its own. The load comes from `feedd bench` as a
// process of its own, which accounts for every item at every subscriber.
//
// The machine is shared by the server, the load and whatever else runs there,
// and what runs there changes with time. So the rounds are interleaved: every
// scenario has each server's turn right behind the other's, and all of that is
// repeated; a figure is the median of its rounds. A target that compares two
// servers compares their medians.
//
// A whole run writes bench/RESULTS.md and the picture in it. A run of some
// scenarios, or of some servers, only prints, unless -o says where to write.
//
// The exit status is 0 when feedd reached every target, 1 when it missed one, 2
// when something could not be measured.
//
// Where to look: servers.go says what is compared, scenarios.go how, goals.go
// what is asked of feedd; board.go keeps the figures, results.go and picture.go
// show them.
package main
