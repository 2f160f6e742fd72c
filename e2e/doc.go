// Package e2e holds the end-to-end tests: they run the real binary and look at it
// from outside, as its users do. It is a module of its own, so that what only
// they need (chromium's protocol, other people's clients) is no dependency of
// the server: run go test in this directory, or make e2e in the one above.
//
// A test belongs where its subject is:
//
//   - browser: the pages, and feed.js in a page of one's own, in chromium
//   - clients: other people's EventSources and WebSockets, all at once, while the
//     server is killed and connections are cut
//   - proxies: nginx, Caddy and HAProxy before the server, with the files of deploy
//   - crash: kill -9 and cut connections under publishers, readers and upstreams
//   - command: feedd at the shell: signals, its log, its terminal, and scripts in
//     testdata/*.txt
//   - readme: what the README prints does what it says
//   - harness: what starts, stops and asks the binary; its documentation names the
//     variables that the tests read
//
// What can be tested without the binary is tested beside its package.
package e2e
