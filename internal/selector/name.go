package selector

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxFeedName is the longest feed name, in characters: room for several long
	// tokens, and 256 such names still fit into the address of a request.
	MaxFeedName = 128
	// MaxEventName is the longest event name, in characters. It names a kind of
	// item and has no hierarchy, so half a feed's name is enough.
	MaxEventName = 64
)

// CheckFeed reports why name cannot name a feed: 1 to 128 characters, tokens
// of [A-Za-z0-9_-]+ joined by dots.
func CheckFeed(name string) error {
	if name == "" {
		return errors.New("the feed name is empty")
	}
	if len(name) > MaxFeedName {
		return fmt.Errorf("the feed name has %d characters, more than %d", len(name), MaxFeedName)
	}
	for tok := range strings.SplitSeq(name, ".") {
		if !isToken(tok) {
			return fmt.Errorf("bad feed name %q: it must be tokens of letters, digits, _ and - joined by dots", name)
		}
	}
	return nil
}

// Internal reports whether the feed belongs to feedd itself: only feedd
// publishes to it, and no pattern matches it.
func Internal(name string) bool { return strings.HasPrefix(name, "_") }

// CheckEvent reports why name cannot name an event: 1 to 64 characters of
// [A-Za-z0-9._:-], and none of feedd's own notices, which a page could not
// tell from the item.
func CheckEvent(name string) error {
	if name == "" {
		return errors.New("the event name is empty")
	}
	if len(name) > MaxEventName {
		return fmt.Errorf("the event name has %d characters, more than %d", len(name), MaxEventName)
	}
	for i := range len(name) {
		if c := name[i]; !isWord(c) && c != '.' && c != ':' && c != '-' {
			return fmt.Errorf("bad event name %q: letters, digits and . _ : - are allowed", name)
		}
	}
	switch name {
	case "gap", "closing", "error", "open":
		return fmt.Errorf("the event name %q is taken by feedd's own notices", name)
	}
	return nil
}

func isToken(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) && s[i] != '-' {
			return false
		}
	}
	return s != ""
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}
