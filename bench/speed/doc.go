// Speed is the program behind `make bench`: it holds a real feedd to the
// figures that it is meant to reach, and says whether it does.
//
//	go run ./bench/speed [--dir DIR] [--rounds N] [--only publish,replay,million] [--bin FILE] [--json]
//	go run ./bench/speed --against COMMIT [--pairs N] [--only publish,replay,fanout,polling]
//
// It builds cmd/feedd, starts it on a free port of the loopback with the
// default settings and an empty data directory, and measures over HTTP.
// Durable writing is only as fast as the disk, so publishing is compared with
// a plain file beside the data directory, on the same file system, in the same
// moments: every round appends the bytes of an item and calls fdatasync, and
// publishes the same bytes, in turns. Each figure is the median of the rounds.
//
// The load generator shares the machine with the server, so it is part of
// every figure. So are other programs: the report says how much CPU they used. Reading is measured with the files in the page cache of the
// operating system: the server is started anew, the machine is not.
//
// With --against it compares two binaries instead: that of another commit and
// this one take turns, and of each price the median of the ratios is printed,
// with the interval that holds it. Noise meets both, so a change of a few in a
// hundred can be seen also on a machine that does other things.
//
// The exit status is 0 when every target was reached, 1 when one was missed,
// 2 when it could not be measured.
package main
