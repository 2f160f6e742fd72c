package config

import (
	"feedd/internal/selector"
	"fmt"
	"math"
	"strings"
	"time"

	"feedd/internal/units"
)

// What a bound without an upper limit may be at most.
const (
	anyInt  = math.MaxInt
	anySize = units.Size(math.MaxInt64)
)

// checkAll checks the bounds of every setting, and what they must be together.
func (l *loader) checkAll() {
	c := &l.cfg
	second, hour := units.Duration(time.Second), units.Duration(time.Hour)

	l.checkWith("listen", checkListen(c.Listen))
	for i, host := range c.Hosts {
		l.checkWith(fmt.Sprintf("hosts[%d]", i), checkHost(host))
	}
	l.checkWith("public_url", checkPublicURL(c.PublicURL))
	if c.Data == "" || strings.ContainsRune(c.Data, 0) {
		l.add(l.origin("data"), "%q is no directory", c.Data)
	}
	l.checkWith(adminKey, checkKey(c.AdminKey))

	l.checkRetention("retention", c.Retention, Retention{})
	for i := range c.Feeds {
		l.checkRetention(fmt.Sprintf("feeds[%d].retention", i), c.Feeds[i].Retention, c.Retention)
	}
	l.checkUpstreams()
	noneOr(l, "idempotency.max_age", c.Idempotency.MaxAge, second)
	noneOr(l, "idempotency.max_keys", c.Idempotency.MaxKeys, 1)
	within(l, "heartbeat", c.Heartbeat, second, units.Duration(10*time.Minute))
	within(l, "shutdown_timeout", c.ShutdownTimeout, second, hour)

	for path, feed := range map[string]string{"forerunner.feed": c.Forerunner.Feed, "forerunner.chat": c.Forerunner.Chat} {
		if feed != "" {
			l.checkWith(path, checkOwnFeed(feed))
		}
	}

	m := &c.Limits
	within(l, "limits.max_item_bytes", m.MaxItemBytes, 1, anySize)
	within(l, "limits.max_body_bytes", m.MaxBodyBytes, 1, units.GiB)
	within(l, "limits.max_batch_items", m.MaxBatchItems, 1, 1_000_000)
	within(l, "limits.max_selector_terms", m.MaxSelectorTerms, 1, 10_000)
	within(l, "limits.max_anonymous_patterns", m.MaxAnonymousPatterns, 0, 10_000)
	within(l, "limits.max_event_names", m.MaxEventNames, 0, 10_000)
	within(l, "limits.max_selection_bytes", m.MaxSelectionBytes, 0, anySize)
	within(l, "limits.max_selection_bytes_per_ip", m.MaxSelectionBytesPerIP, 0, anySize)
	within(l, "limits.max_feeds", m.MaxFeeds, 1, anyInt)
	within(l, "limits.max_store_bytes", m.MaxStoreBytes, units.MiB, anySize)
	noneOr(l, "limits.disk_reserve", m.DiskReserve, units.MiB)
	within(l, "limits.max_window_bytes", m.MaxWindowBytes, units.MiB, anySize)
	within(l, "limits.max_subscribers", m.MaxSubscribers, 0, anyInt)
	within(l, "limits.max_subscribers_per_ip", m.MaxSubscribersPerIP, 0, anyInt)
	within(l, "limits.max_bodies_bytes", m.MaxBodiesBytes, 16*units.MiB, anySize)
	within(l, "limits.body_timeout", m.BodyTimeout, second, units.Duration(time.Minute))
	within(l, "limits.max_anonymous_rate", m.MaxAnonymousRate, 0, 1_000_000)
	within(l, "limits.max_anonymous_items", m.MaxAnonymousItems, 0, 1_000_000)
	within(l, "limits.max_anonymous_bytes", m.MaxAnonymousBytes, 0, units.GiB)
	within(l, "limits.max_anonymous_item_bytes", m.MaxAnonymousItemBytes, 1, anySize)
	within(l, "limits.max_anonymous_batch_items", m.MaxAnonymousBatchItems, 1, 1_000_000)
	within(l, "limits.stall_timeout", m.StallTimeout, second, hour)
	l.checkItemFitsBody()
	l.fitBodies()
	l.fitAnonymous()
	within(l, "log.max_queue_bytes", c.Log.MaxQueueBytes, 64*units.KiB, units.GiB)
}

// checkRetention checks bounds that are not those of base: these were checked.
func (l *loader) checkRetention(path string, r, base Retention) {
	if r.MaxItems != base.MaxItems {
		noneOr(l, path+".max_items", r.MaxItems, 1)
	}
	if r.MaxAge != base.MaxAge {
		noneOr(l, path+".max_age", r.MaxAge, units.Duration(time.Second))
	}
}

// checkItemFitsBody reports an item that is larger than a body, at whichever of
// the two was said by the stronger source.
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

// fitBodies makes room for the largest body in max_bodies_bytes, or reports that
// there is none where that was said.
func (l *loader) fitBodies() {
	const path = "limits.max_bodies_bytes"
	m := &l.cfg.Limits
	if l.bad[path] || l.bad["limits.max_body_bytes"] || l.bad["limits.max_batch_items"] {
		return
	}
	// A batch of envelopes is there three times while it is parsed, and of each
	// item what wire.DraftsCost counts; and something is the publish's own.
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

// fitAnonymous lets the settings that nobody has set follow max_anonymous_rate:
// a server that allows more publishes than by default, or any number, was set
// up before there were bounds on their items and bytes, or means those too.
func (l *loader) fitAnonymous() {
	m := &l.cfg.Limits
	if _, said := l.origins["limits.max_anonymous_items"]; !said {
		m.MaxAnonymousItems = m.MaxAnonymousRate
	}
	if _, said := l.origins["limits.max_anonymous_bytes"]; !said && m.MaxAnonymousRate == 0 {
		m.MaxAnonymousBytes = 0
	}
}

// within reports a value that is not between least and most.
func within[T int | units.Size | units.Duration](l *loader, path string, v, least, most T) {
	switch {
	case v < 0:
		l.fail(path, l.origin(path), "%v is negative", v)
	case v < least:
		l.fail(path, l.origin(path), "%v is less than %v", v, least)
	case v > most:
		l.fail(path, l.origin(path), "%v is more than %v", v, most)
	}
}

// noneOr reports a value that is neither 0, which means no bound, nor at least
// least.
func noneOr[T int | units.Size | units.Duration](l *loader, path string, v, least T) {
	switch {
	case v < 0:
		l.fail(path, l.origin(path), "%v is negative; 0 means no bound", v)
	case v != 0 && v < least:
		l.fail(path, l.origin(path), "%v is less than %v; 0 means no bound", v, least)
	}
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
