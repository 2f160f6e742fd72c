package load

// tracker is the account of one subscriber: which items it has had. The numbers
// of each publisher's items are consecutive, so usually one number for each
// publisher says all; what is missing below it is in holes.
type tracker struct {
	next  []uint64       // by publisher: the number that comes next; 0: whichever comes first
	holes map[int][]span // by publisher: what was passed over; nil for none at all
	got   uint64         // different items
	late  uint64         // items that came after one that follows them
	twice uint64         // items that came again
	trace uint64         // digest of the order over all publishers
}

// span is the numbers from first to last.
type span struct{ first, last uint64 }

// grow makes room for a publisher that nothing was known of.
func (t *tracker) grow(pub int) {
	t.next = append(t.next, make([]uint64, pub+1-len(t.next))...)
}

// note notes that an item came, and reports whether it is the first time.
func (t *tracker) note(pub int, seq uint64) bool {
	next := t.next[pub]
	switch {
	case next == 0 || seq == next:
	case seq > next:
		if t.holes == nil {
			t.holes = make(map[int][]span)
		}
		t.holes[pub] = append(t.holes[pub], span{next, seq - 1})
	case t.fill(pub, seq):
		t.late++
		t.count(pub, seq)
		return true
	default:
		t.twice++
		return false
	}
	t.next[pub] = seq + 1
	t.count(pub, seq)
	return true
}

func (t *tracker) count(pub int, seq uint64) {
	t.got++
	// FNV-1a over words; it only has to tell orders apart.
	t.trace = (t.trace ^ (uint64(pub)<<40 + seq)) * 0x100000001b3
}

// fill takes a number out of the holes. It is false if it is in none.
func (t *tracker) fill(pub int, seq uint64) bool {
	list := t.holes[pub]
	// The holes are in order, and an item that is late is so by a few others.
	for i := len(list) - 1; i >= 0; i-- {
		h := list[i]
		if seq > h.last {
			return false
		}
		if seq < h.first {
			continue
		}
		var rest []span
		if h.first < seq {
			rest = append(rest, span{h.first, seq - 1})
		}
		if seq < h.last {
			rest = append(rest, span{seq + 1, h.last})
		}
		t.holes[pub] = append(list[:i:i], append(rest, list[i+1:]...)...)
		return true
	}
	return false
}

// lost returns how many of the publisher's items did not come, when its last
// number is last and those in excused need not come; excused is in order.
func (t *tracker) lost(pub int, last uint64, excused []uint64) (n uint64) {
	missing := t.holes[pub]
	if next := t.next[pub]; next > 0 && next <= last {
		missing = append(missing[:len(missing):len(missing)], span{next, last})
	}
	for _, h := range missing {
		n += h.last - h.first + 1
		for len(excused) > 0 && excused[0] <= h.last {
			if excused[0] >= h.first {
				n--
			}
			excused = excused[1:]
		}
	}
	return n
}
