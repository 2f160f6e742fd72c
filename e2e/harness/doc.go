// Package harness runs the real binary for the end-to-end tests: it builds
// feedd, starts it on an address of its own, kills and restarts it there, cuts
// what goes through to it, publishes and reads. The tests are in the folders
// beside it.
//
// A test writes
//
//	s := harness.Start(t, harness.With("FEEDD_HEARTBEAT=2s"))
//	id := s.Publish("news", "", "text/plain", "hello")
//	s.Kill()
//	s.Start()
//	got := s.BySSE("news", 1)
//
// Settings go to one server by With, never to the environment of the test, so
// that tests run side by side. What a test waits for is a condition (Await), not
// a time; Patience only ends a test that hangs.
//
// # Variables
//
// The tests read these from their environment; none needs to be set.
//
//   - FEEDD_TEST_BINARY: the feedd to test, by its whole path, such as a release.
//     Without it the tests build one, in bin.
//   - FEEDD_TEST_DATA: a directory with tweets.ndjson and github-events.ndjson,
//     as input of other people's in place of the few lines in crash/testdata.
//   - FEEDD_TEST_SEED: what is done, and cut, in the tests that do anything in
//     any order (TestAnyhow, clients of others). They log it.
//   - FEEDD_TEST_STEPS: how many steps TestAnyhow does.
//   - FEEDD_TEST_CLIENTS: how long the clients of others are cut and killed at
//     least, such as 10m.
//   - FEEDD_TEST_LONG: not empty, to watch the memory of a page for a minute.
//   - FEEDD_TEST_PICTURES, FEEDD_TEST_PICTURES_DATA: where TestScreenshots puts the
//     pictures of the README, and the items that they show; see make screenshots.
//
// The flag -short leaves out what needs a browser or takes long.
package harness
