package load

import "feedd/internal/histogram"

// makeReport adds up what the parts have, which have all ended.
func (r *run) makeReport() *Report {
	seconds := float64(r.end.at-r.begin.at) / 1e9
	rep := &Report{
		URL: r.URL, PublishURL: r.PublishURL, Feed: r.Feed, Format: r.Format, Subscribers: r.Subscribers, Feeds: r.Feeds,
		Pattern: r.Pattern, Rate: r.Rate, Size: r.Size, Batch: r.Batch, Publishers: r.Publishers,
		Seconds: seconds, Interrupted: r.interrupted(),
	}
	deliveries := r.closed.deliveries - r.begin.deliveries
	rep.Deliveries = Delivery{
		Count:          deliveries,
		PerSecond:      float64(r.end.deliveries-r.begin.deliveries) / seconds,
		BytesPerSecond: float64(r.end.bytes-r.begin.bytes) / seconds,
		Cuts:           r.count(func(c *counters) int64 { return c.cuts.Load() }),
	}
	rep.Generator = cpuOf(r.begin.own, r.closed.own, deliveries)
	r.reportReaders(rep)
	r.reportOrder(rep)
	if r.outlet != nil {
		rep.Publish = r.reportPublish(seconds)
	}
	if len(r.PIDs) > 0 {
		rep.Server = &Server{
			PIDs: r.PIDs, CPU: cpuOf(r.begin.server, r.closed.server, deliveries),
			UserSeconds:   (r.closed.server.user - r.begin.server.user).Seconds(),
			SystemSeconds: (r.closed.server.system - r.begin.server.system).Seconds(),
			Before:        r.before.resident, After: r.after.resident, End: r.closed.server.resident,
		}
		if n := rep.Connect.Connected; n > 0 {
			rep.Server.PerSubscriber = float64(r.after.resident-r.before.resident) / float64(n)
		}
	}
	return rep
}

func (r *run) reportReaders(rep *Report) {
	var latency, connected, calm, recovered histogram.Histogram
	for _, rd := range r.readers {
		latency.Merge(&rd.latency)
		connected.Merge(&rd.connected)
		calm.Merge(&rd.calm)
		recovered.Merge(&rd.recovered)
		rep.Deliveries.Gaps += rd.gaps
		rep.Deliveries.Foreign += rd.foreign
		for i := range rd.subs {
			if rd.subs[i].known {
				rep.Connect.Connected++
			}
		}
	}
	rep.Connect.Missing = r.Subscribers - rep.Connect.Connected
	rep.Connect.Seconds = r.connecting.Seconds()
	rep.Connect.Took = spreadOf(&connected)
	if err := r.firstError(); err != nil {
		rep.Connect.Error = err.Error()
	}
	if latency.Count() > 0 {
		rep.Latency = &Latency{spreadOf(&latency), r.lastSpread(), barsOf(&latency)}
	}
	if r.Reconnect {
		rep.Storm = &Storm{
			Dropped:   int(r.count(func(c *counters) int64 { return c.away.Load() })),
			Recovered: int(r.count(func(c *counters) int64 { return c.recovered.Load() })),
			Took:      spreadOf(&recovered),
			Stayed:    r.Stay,
		}
		if calm.Count() > 0 {
			s := spreadOf(&calm)
			rep.Storm.Calm = &s
		}
	}
	if r.Stalled > 0 {
		cut := r.count(func(c *counters) int64 { return c.stalledCuts.Load() })
		rep.Stalled = &Stalled{Subscribers: r.Stalled, Cut: int(cut)}
	}
}

// lastSpread says when the last subscriber had each item.
func (r *run) lastSpread() *Spread {
	last := make(map[itemName]int64)
	for _, rd := range r.readers {
		if rd.last == nil {
			return nil
		}
		for it, took := range rd.last {
			last[it] = max(last[it], took)
		}
	}
	var h histogram.Histogram
	for _, took := range last {
		h.Record(took)
	}
	s := spreadOf(&h)
	return &s
}

// reportOrder does the exact account of every subscriber.
func (r *run) reportOrder(rep *Report) {
	d := &rep.Deliveries
	excused := r.excuses()
	orders := make(map[int32]map[uint64]int) // by group: subscribers by what they saw
	for _, rd := range r.readers {
		for i := range rd.subs {
			s := &rd.subs[i]
			if s.stalled || !s.known {
				continue
			}
			lost := r.lostBy(s, excused)
			d.Lost += lost
			d.Twice += s.tracker.twice
			d.Late += s.tracker.late
			d.Checked = d.Checked || r.outlet != nil || len(s.tracker.next) > 0
			if lost+s.tracker.twice+s.tracker.late == 0 {
				if orders[s.group] == nil {
					orders[s.group] = make(map[uint64]int)
				}
				orders[s.group][s.tracker.trace]++
			}
		}
	}
	// An item whose publish failed may have reached some and not all.
	if r.outlet == nil || len(excused) > 0 {
		return
	}
	for _, seen := range orders {
		all, most := 0, 0
		for _, n := range seen {
			all += n
			most = max(most, n)
		}
		d.OtherOrder += all - most
	}
}

// stretch is the numbering of a publisher's items in a group.
type stretch struct {
	pub   int
	group int32
}

// excuses returns the numbers of the items that were not acknowledged, in
// order.
func (r *run) excuses() map[stretch][]uint64 {
	m := make(map[stretch][]uint64)
	for i, p := range r.publishers {
		for _, e := range p.excused {
			one, all := stretch{i, int32(e.feed)}, stretch{i, r.everything}
			m[one] = append(m[one], e.seq)
			m[all] = append(m[all], e.all)
		}
	}
	return m
}

func (r *run) lostBy(s *subscriber, excused map[stretch][]uint64) (n uint64) {
	if r.outlet == nil {
		for i, next := range s.tracker.next {
			if next > 0 {
				n += s.tracker.lost(i, next-1, nil)
			}
		}
		return n
	}
	for i, p := range r.publishers {
		last := p.all
		if s.group != r.everything {
			last = p.seqs[s.group]
		}
		n += s.tracker.lost(i, last, excused[stretch{i, s.group}])
	}
	return n
}

func (r *run) reportPublish(seconds float64) *Publish {
	rep := &Publish{Failures: make(map[string]uint64)}
	var took, behind histogram.Histogram
	for _, p := range r.publishers {
		took.Merge(&p.took)
		behind.Merge(&p.behind)
		rep.Items += p.measured
		rep.Failed += uint64(len(p.excused))
		for why, n := range p.failures {
			rep.Failures[why] += n
		}
	}
	rep.PerSecond = float64(rep.Items) / seconds
	due := r.outlet.schedule.planned(r.end.at) * uint64(r.Batch)
	if sent := r.outlet.sent.Load(); due > sent {
		rep.Unsent = due - sent
	}
	rep.Took, rep.Behind = spreadOf(&took), spreadOf(&behind)
	return rep
}
