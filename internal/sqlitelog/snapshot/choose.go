package snapshot

import (
	"feedd/internal/sqlitelog/registry"
)

// mergeFeeds is up to how many feeds are read by merging them, which asks for each
// feed once. For more feeds that takes longer than a scan of the whole store in
// the order of ids.
const mergeFeeds = 256

// choose finds the feeds to look at in the registry. It is called after the
// snapshot was fixed, and the registry may be ahead of that. So it uses only
// what can never leave out too much:
//
//   - A feed's newest id never falls, and the registry has it before the head
//     moves up to it. UpTo is at or below a head, so each item that is selected
//     up to it is of a feed that is known here, with a newest id at or above it.
//     A commit that the snapshot has and the registry does not know yet is above
//     UpTo.
//   - MayLost, a feed's and that of all, is raised before the commit that makes it
//     true, so a loss that the snapshot has is known here.
//   - A feed is forgotten only while no page is read, so each feed of the snapshot
//     is in the registry that is taken here. One that was forgotten before and is
//     made again meanwhile is here and not in the snapshot: see eachLost.
//
// Each of these is about one feed at a time, and all that is read moves up only.
// So it does not matter that commits go on while the feeds are looked at, one
// after the other and without a lock.
func (p *Pool) choose(s *scan) {
	q := &s.q
	lossTold := max(q.After, q.LossTold)
	s.registry = p.src.Registry()
	names, plain := q.Select.Names()
	if q.Backward {
		s.forgotten = 0
	}
	// All feeds must be known only if one of them may have a loss that the reader
	// was not told of.
	losses := !q.Backward && max(p.src.MayLost.Get(), s.forgotten) > lossTold
	consider := func(f *registry.Feed) bool {
		if f.State().Newest > q.After {
			s.feeds = append(s.feeds, f)
		}
		if lost := f.MayLost().Get(); losses && lost > q.After {
			s.suspects = append(s.suspects, f)
			s.due = s.due || lost > lossTold
		}
		return plain || losses || len(s.feeds) <= mergeFeeds
	}
	if plain {
		for _, name := range names {
			if f, ok := s.registry.Get(name); ok {
				consider(f)
			} else {
				s.absent = true
			}
		}
	} else {
		s.absent = true
		s.registry.Each(q.Select, consider)
	}
	s.due = s.due || s.absent && s.forgotten > lossTold
	s.merge = plain || len(s.feeds) <= mergeFeeds
	s.names = make(map[int64]string)
	if s.merge {
		for _, f := range s.feeds {
			s.names[f.No] = f.Name
		}
	}
}

// selected returns the name of a feed by its number, "" if it is not selected.
func (s *scan) selected(no int64) string {
	name, known := s.names[no]
	if !known && !s.merge {
		if f, ok := s.registry.ByNo(no); ok && s.q.Select.Has(f.Name) {
			name = f.Name
		}
		s.names[no] = name
	}
	return name
}
