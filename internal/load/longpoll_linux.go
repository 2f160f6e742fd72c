package load

// rest is a poller that had items and asks again at a time.
type rest struct {
	slot, turn int32
	at         int64
}

// turnPage is called when a poller has a whole page.
func (r *reader) turnPage(s *subscriber) error {
	s.parser.Restart()
	if s.parser.Lines.Items > 0 && r.Pause > 0 {
		r.resting = append(r.resting, rest{s.slot, s.turn, r.now + int64(r.Pause)})
		return nil
	}
	return r.send(s, r.polls[s.group])
}

// again lets those poll who have rested.
func (r *reader) again() {
	for len(r.resting) > 0 && r.resting[0].at <= r.now {
		one := r.resting[0]
		r.resting = r.resting[1:]
		s := &r.subs[one.slot]
		if s.state != live || s.turn != one.turn {
			continue // it has another connection now
		}
		if err := r.send(s, r.polls[s.group]); err != nil {
			r.lose(s, err)
		}
	}
}
