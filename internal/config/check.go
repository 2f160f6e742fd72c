package config

import (
	"fmt"
	"reflect"
	"strings"

	"feedd/internal/selector"
	"feedd/internal/units"
)

// checkAll checks the settings beyond their types: each by itself, and then
// those that depend on each other.
func (l *loader) checkAll() {
	c := &l.cfg
	l.checkWith("listen", checkListen(c.Listen))
	for i, host := range c.Hosts {
		l.checkWith(fmt.Sprintf("hosts[%d]", i), checkHost(host))
	}
	l.checkWith("public_url", checkPublicURL(c.PublicURL))
	if c.Data == "" || strings.ContainsRune(c.Data, 0) {
		l.add(l.origin("data"), "%q is no directory", c.Data)
	}
	l.checkWith(adminKey, checkKey(c.AdminKey))
	l.checkBounds(reflect.ValueOf(c).Elem(), "")
	for i, rule := range c.Feeds {
		l.checkBounds(reflect.ValueOf(rule), fmt.Sprintf("feeds[%d]", i))
	}
	l.checkUpstreams()
	if c.Legacy.Feed != "" {
		l.checkWith("legacy.feed", checkOwnFeed(c.Legacy.Feed))
	}
	if c.Legacy.Chat != "" {
		l.checkWith("legacy.chat", checkOwnFeed(c.Legacy.Chat))
	}
	l.checkItemFitsBody()
	l.fitBodies()
	l.fitAnonymous()
}

// checkItemFitsBody reports an item that is larger than a body. The error names
// the one of the two settings that the stronger layer set.
func (l *loader) checkItemFitsBody() {
	const item, body = "limits.max_item_bytes", "limits.max_body_bytes"
	m := &l.cfg.Limits
	if m.MaxItemBytes <= m.MaxBodyBytes || l.bad[item] || l.bad[body] {
		return
	}
	strength := func(path string) int {
		if _, said := l.origins[path]; !said {
			return -1
		}
		return int(l.origins[path].source)
	}
	if strength(item) >= strength(body) {
		l.add(l.origin(item), "%s is more than %s (%s)", m.MaxItemBytes, body, m.MaxBodyBytes)
	} else {
		l.add(l.origin(body), "%s is less than %s (%s)", m.MaxBodyBytes, item, m.MaxItemBytes)
	}
}

// fitBodies raises max_bodies_bytes to what the largest body takes or, if
// max_bodies_bytes was set, reports that it is too small.
func (l *loader) fitBodies() {
	const path = "limits.max_bodies_bytes"
	m := &l.cfg.Limits
	if l.bad[path] || l.bad["limits.max_body_bytes"] || l.bad["limits.max_batch_items"] {
		return
	}
	// A batch of envelopes is in memory three times while it is parsed. To this
	// come what wire.DraftsCost counts for each item, and what the publish takes
	// itself.
	need := 3*m.MaxBodyBytes + 128*min(units.Size(m.MaxBatchItems), m.MaxBodyBytes) + 64*units.KiB
	if m.MaxBodiesBytes >= need {
		return
	}
	if _, said := l.origins[path]; said {
		l.add(l.origin(path), "%s is less than one body may take: %s, by max_body_bytes and max_batch_items", m.MaxBodiesBytes, need)
		return
	}
	m.MaxBodiesBytes = need
}

// fitAnonymous derives the bounds on items and bytes that were not set from
// max_anonymous_rate: configurations from before these bounds existed set only the
// rate, and must not be held to less.
func (l *loader) fitAnonymous() {
	m := &l.cfg.Limits
	if _, said := l.origins["limits.max_anonymous_items"]; !said {
		m.MaxAnonymousItems = m.MaxAnonymousRate
	}
	if _, said := l.origins["limits.max_anonymous_bytes"]; !said && m.MaxAnonymousRate == 0 {
		m.MaxAnonymousBytes = 0
	}
}

// checkBounds checks the settings in a group that were set against the bounds
// in their tags: least and most, and zero, which says what 0 means if it is
// below least.
func (l *loader) checkBounds(group reflect.Value, path string) {
	for s := range leaves(group, path) {
		if _, said := l.origins[s.path]; !said || s.tag.Get("least") == "" {
			continue
		}
		zero := ""
		if what := s.tag.Get("zero"); what != "" {
			zero = "; 0 means " + what
		}
		least, most := bound(s, "least"), bound(s, "most")
		switch at, v := l.origin(s.path), s.Int(); {
		case v < 0:
			l.fail(s.path, at, "%v is negative%s", s.Interface(), zero)
		case v < least.Int() && (v != 0 || zero == ""):
			l.fail(s.path, at, "%v is less than %v%s", s.Interface(), least, zero)
		case most.Int() != 0 && v > most.Int():
			l.fail(s.path, at, "%v is more than %v", s.Interface(), most)
		}
	}
}

// bound returns a bound of a setting, of the same type; 0: there is none.
func bound(s setting, name string) reflect.Value {
	v := reflect.New(s.Type()).Elem()
	if text := s.tag.Get(name); text != "" {
		if err := setText(v, text); err != nil {
			panic(fmt.Sprintf("config: the bound %q of %s: %v", name, s.path, err))
		}
	}
	return v
}

func (l *loader) checkWith(path string, err error) {
	if err != nil && !l.bad[path] {
		l.add(l.origin(path), "%w", err)
	}
}

// checkKey does not show the key, not even one that is wrong.
func checkKey(key Secret) error {
	if len(key) > 512 {
		return fmt.Errorf("the key has %d characters, more than 512", len(key))
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return fmt.Errorf("the key has a character that is not printable ASCII, or a space, at %d", i+1)
		}
	}
	return nil
}

// checkOwnFeed checks the name of a feed that feedd publishes to for others.
func checkOwnFeed(name string) error {
	if err := selector.CheckFeed(name); err != nil {
		return err
	}
	if selector.Internal(name) {
		return fmt.Errorf("%q is a name of feedd's own", name)
	}
	return nil
}
