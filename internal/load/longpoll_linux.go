package load

// restingPoller is a poller that had items and polls again at a time.
type restingPoller struct {
	slot, turn int32
	at         int64
}

// turnPage is called when a poller has a whole page.
func (r *reader) turnPage(s *subscriber) error {
	s.parser.Restart()
	if s.parser.Lines.Items > 0 && r.Pause > 0 {
		r.resting = append(r.resting, restingPoller{s.slot, s.turn, r.now + int64(r.Pause)})
		return nil
	}
	return r.send(s, r.polls[s.group])
}

// pollAgain sends the polls of the pollers that have rested.
func (r *reader) pollAgain() {
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
