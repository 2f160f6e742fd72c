// Package selector says which feeds, and which items of them, a reader asks
// for. It knows the names of feeds and events, patterns of names, and how to
// find what matches without looking at everything.
//
// A selector is a text: feed names and patterns, joined by commas. A
// [Selection] is a parsed selector, with the event names that pass and the
// feeds that the reader is allowed to see.
package selector
