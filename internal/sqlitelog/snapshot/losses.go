package snapshot

import (
	"feedd/internal/backlog"
	"feedd/internal/sqlitelog/database"
	"feedd/internal/sqlitelog/registry"
	"feedd/internal/stream"
)

// findLoss finds what the selection lost, as this snapshot knows it.
func (s *scan) findLoss(r *reader) error {
	if !s.due {
		return nil
	}
	losses := backlog.NewLosses(&s.q)
	if err := s.eachLost(r, losses.Add); err != nil {
		return err
	}
	if s.absent {
		losses.Add(s.forgotten, stream.Trimmed, "")
	}
	if !losses.Untold() {
		return nil
	}
	if s.oldest == 0 { // the scan ended before the first retained item
		if err := s.findOldest(r); err != nil {
			return err
		}
	}
	s.loss = losses.Loss(s.oldest)
	return nil
}

// manySuspects is from how many suspects on all feeds that lost something are gone
// through, which takes less than to look up each of the suspects.
const manySuspects = 256

// eachLost calls add for what the suspects lost, as this snapshot knows it.
// If the snapshot does not know a suspect, its loss is in the mark.
func (s *scan) eachLost(r *reader, add func(stream.ID, stream.Reason, string)) error {
	rest := s.suspects
	if len(rest) >= manySuspects {
		var err error
		if rest, err = s.eachOfMany(r, add); err != nil {
			return err
		}
	}
	for _, f := range rest {
		r.lost.BindInt64(1, f.No)
		row, err := r.lost.Step()
		if err == nil && row {
			add(stream.ID(r.lost.ColumnInt64(0)), stream.Reason(r.lost.ColumnText(1)), f.Name)
		} else if err == nil {
			s.absent = true
		}
		if err := database.Reset(r.lost, err); err != nil {
			return err
		}
	}
	return nil
}

// eachOfMany is eachLost for the suspects that lost something. It returns the
// others.
func (s *scan) eachOfMany(r *reader, add func(stream.ID, stream.Reason, string)) (rest []*registry.Feed, err error) {
	suspected := make(map[int64]*registry.Feed, len(s.suspects))
	for _, f := range s.suspects {
		suspected[f.No] = f
	}
	r.allLost.BindInt64(1, int64(s.q.After))
	for {
		row, err := r.allLost.Step()
		if err != nil {
			return nil, database.Reset(r.allLost, err)
		}
		if !row {
			break
		}
		no := r.allLost.ColumnInt64(2)
		if f := suspected[no]; f != nil {
			add(stream.ID(r.allLost.ColumnInt64(0)), stream.Reason(r.allLost.ColumnText(1)), f.Name)
			delete(suspected, no)
		}
	}
	for _, f := range suspected {
		rest = append(rest, f)
	}
	return rest, r.allLost.Reset()
}

// findOldest looks for the first retained item above After, feed by feed.
func (s *scan) findOldest(r *reader) error {
	for _, f := range s.feeds {
		r.first.BindInt64(1, int64(s.q.After))
		r.first.BindInt64(2, f.No)
		r.first.BindInt64(3, s.now.UnixMicro())
		n, err := database.Number(r.first)
		if err != nil {
			return err
		}
		if id := stream.ID(n); id > 0 && (s.oldest == 0 || id < s.oldest) {
			s.oldest = id
		}
	}
	return nil
}
