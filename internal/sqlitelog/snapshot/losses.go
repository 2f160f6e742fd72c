package sqlitelog

import (
	"slices"

	"feedd/internal/stream"
)

// losses finds what the selection lost, as this snapshot knows it.
func (s *scan) losses(r *reader) error {
	if !s.due {
		return nil
	}
	told := max(s.q.After, s.q.LossTold)
	var all []stream.ID // every loss above After
	loss := &stream.Loss{}
	add := func(id stream.ID, reason stream.Reason, name string) {
		if id <= s.q.After {
			return
		}
		all = append(all, id)
		if name != "" {
			loss.Feeds = append(loss.Feeds, name)
		}
		if id > loss.Through {
			loss.Through, loss.Reason = id, reason
		}
	}
	if err := s.eachLost(r, add); err != nil {
		return err
	}
	if s.absent {
		add(s.forgotten, stream.Trimmed, "")
	}
	if loss.Through <= told {
		return nil
	}
	if s.oldest == 0 { // the scan ended before the first retained item
		if err := s.findOldest(r); err != nil {
			return err
		}
	}
	loss.Oldest, loss.Resume = s.oldest, s.q.After
	for _, id := range all {
		if id < s.oldest || s.oldest == 0 {
			loss.Resume = max(loss.Resume, id)
		}
	}
	slices.Sort(loss.Feeds)
	loss.Feeds = loss.Feeds[:min(len(loss.Feeds), stream.MaxGapFeeds)]
	s.loss = loss
	return nil
}

// manySuspects is from how many suspects on all feeds that lost something are gone
// through, which takes less than to look up so many.
const manySuspects = 256

// eachLost calls add for what the suspects lost, as this snapshot knows it.
// What one has lost that the snapshot does not know is in the mark.
func (s *scan) eachLost(r *reader, add func(stream.ID, stream.Reason, string)) error {
	rest := s.suspects
	if len(rest) >= manySuspects {
		var err error
		if rest, err = s.eachOfMany(r, add); err != nil {
			return err
		}
	}
	for _, f := range rest {
		r.lost.BindInt64(1, f.no)
		row, err := r.lost.Step()
		if err == nil && row {
			add(stream.ID(r.lost.ColumnInt64(0)), stream.Reason(r.lost.ColumnText(1)), f.name)
		} else if err == nil {
			s.absent = true
		}
		if err := reset(r.lost, err); err != nil {
			return err
		}
	}
	return nil
}

// eachOfMany is eachLost for those that lost something. It returns the others.
func (s *scan) eachOfMany(r *reader, add func(stream.ID, stream.Reason, string)) (rest []*feed, err error) {
	suspected := make(map[int64]*feed, len(s.suspects))
	for _, f := range s.suspects {
		suspected[f.no] = f
	}
	r.allLost.BindInt64(1, int64(s.q.After))
	for {
		row, err := r.allLost.Step()
		if err != nil {
			return nil, reset(r.allLost, err)
		}
		if !row {
			break
		}
		no := r.allLost.ColumnInt64(2)
		if f := suspected[no]; f != nil {
			add(stream.ID(r.allLost.ColumnInt64(0)), stream.Reason(r.allLost.ColumnText(1)), f.name)
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
		r.first.BindInt64(2, f.no)
		r.first.BindInt64(3, s.now.UnixMicro())
		n, err := number(r.first)
		if err != nil {
			return err
		}
		if id := stream.ID(n); id > 0 && (s.oldest == 0 || id < s.oldest) {
			s.oldest = id
		}
	}
	return nil
}
