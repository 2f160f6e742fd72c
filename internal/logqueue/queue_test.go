package logqueue_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"feedd/internal/logqueue"
)

// sink is where a log goes. It stands still while its gate is shut, and fails
// as it is told.
type sink struct {
	gate chan struct{} // nil: open; else it opens when it is closed
	got  bytes.Buffer
	fail func(b []byte) (int, error) // nil: it does not
	most int                         // the longest write
}

func (s *sink) Write(b []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.most = max(s.most, len(b))
	if s.fail != nil {
		if n, err := s.fail(b); err != nil {
			s.got.Write(b[:n])
			return n, err
		}
	}
	return s.got.Write(b)
}

func note(n uint64) []byte { return fmt.Appendf(nil, "%d were dropped\n", n) }

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %04d\n", i)
	}
	return b.String()
}

func write(q *logqueue.Queue, text string) {
	for line := range strings.Lines(text) {
		q.Write([]byte(line))
	}
}

func TestEverythingIsWrittenInOrder(t *testing.T) {
	var s sink
	q := logqueue.New(&s, 1<<20, note)
	write(q, lines(0, 2000))
	if !q.Close(time.Minute) {
		t.Fatal("it was not written")
	}
	if s.got.String() != lines(0, 2000) || q.Dropped() != 0 || q.Bytes() != 0 {
		t.Errorf("got %d bytes, %d dropped, %d left", s.got.Len(), q.Dropped(), q.Bytes())
	}
	if s.most > 4096 {
		t.Errorf("a write of %d bytes is more than a pipe takes in one piece", s.most)
	}
}

func TestALongLineIsOneWrite(t *testing.T) {
	s := sink{gate: make(chan struct{})}
	q := logqueue.New(&s, 1<<20, note)
	long := strings.Repeat("x", 10_000) + "\n"
	write(q, "first\nshort\n"+long+"last\n")
	close(s.gate)
	q.Close(time.Minute)
	if s.got.String() != "first\nshort\n"+long+"last\n" || s.most != len(long) {
		t.Errorf("the longest write has %d bytes", s.most)
	}
}

// A reader that stands still holds no writer up: what has no room is dropped,
// counted, and told in its place.
func TestAReaderThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		q := logqueue.New(&s, 1000, note) // a hundred lines
		write(q, lines(0, 1))             // what the writer stands with
		synctest.Wait()
		write(q, lines(1, 300))
		if q.Dropped() != 200 || q.Bytes() != 1000 {
			t.Errorf("%d dropped, %d bytes wait", q.Dropped(), q.Bytes())
		}
		close(s.gate)
		synctest.Wait()
		write(q, lines(300, 301))
		q.Close(time.Second)
		if want := lines(0, 100) + "200 were dropped\n" + lines(300, 301); s.got.String() != want {
			t.Errorf("got %q", s.got.String())
		}
	})
}

// A short line does not pass before a long one that was dropped.
func TestNothingIsTakenBehindWhatWasDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		q := logqueue.New(&s, 100, note)
		write(q, "a\n")
		synctest.Wait()
		write(q, strings.Repeat("x", 200)+"\nb\n")
		close(s.gate)
		synctest.Wait()
		write(q, "c\n")
		synctest.Wait()
		if s.got.String() != "a\n2 were dropped\nc\n" {
			t.Errorf("got %q", s.got.String())
		}
		q.Close(time.Second)
	})
}

func TestCloseWaitsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		q := logqueue.New(&s, 1000, note)
		write(q, "a\nb\n")
		begin := time.Now()
		if q.Close(time.Second) || time.Since(begin) != time.Second {
			t.Errorf("it took %v", time.Since(begin))
		}
		write(q, "late\n")
		if q.Dropped() != 1 {
			t.Errorf("%d dropped", q.Dropped())
		}
		close(s.gate)
	})
}

// What cannot be written is dropped, and what comes later is not lost with it.
func TestErrorsOfTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		q := logqueue.New(&s, 1000, note)
		s.fail = func([]byte) (int, error) { return 0, syscall.EPIPE }
		for range 3 {
			write(q, "lost\n")
			synctest.Wait()
		}
		s.fail = nil
		write(q, "back\n")
		q.Close(time.Second)
		if s.got.String() != "3 were dropped\nback\n" || q.Dropped() != 3 {
			t.Errorf("got %q, %d dropped", s.got.String(), q.Dropped())
		}
	})
}

// On a full disk a line may be cut in the middle; the next one begins anew.
func TestALineThatIsTornIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		q := logqueue.New(&s, 1000, note)
		s.fail = func([]byte) (int, error) { return 2, errors.New("no space left") }
		write(q, "abcd\n")
		synctest.Wait()
		s.fail = nil
		write(q, "next\n")
		q.Close(time.Second)
		if s.got.String() != "ab\n1 were dropped\nnext\n" {
			t.Errorf("got %q", s.got.String())
		}
	})
}

// Of several lines in one write those are counted that are not there whole.
func TestLinesThatWereWrittenAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		q := logqueue.New(&s, 1000, note)
		write(q, "first\n")
		synctest.Wait()
		write(q, "a\nb\ncd\ne\n")
		first := true
		s.fail = func(b []byte) (int, error) {
			if first {
				first = false
				return 0, nil
			}
			return min(5, len(b)), errors.New("no space left")
		}
		close(s.gate)
		synctest.Wait()
		if q.Dropped() != 2 {
			t.Errorf("%d dropped", q.Dropped())
		}
		s.fail = nil
		write(q, "next\n")
		q.Close(time.Second)
		if want := "first\na\nb\nc\n2 were dropped\nnext\n"; s.got.String() != want {
			t.Errorf("got %q", s.got.String())
		}
	})
}

// A descriptor that another process made non-blocking is asked again.
func TestADescriptorThatTakesNothingNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		q := logqueue.New(&s, 1000, note)
		times := 0
		s.fail = func([]byte) (int, error) {
			if times++; times < 4 {
				return 1, syscall.EAGAIN
			}
			return 0, nil
		}
		write(q, "abcdef\n")
		if !q.Close(time.Second) || s.got.String() != "abcdef\n" || q.Dropped() != 0 {
			t.Errorf("got %q, %d dropped", s.got.String(), q.Dropped())
		}
	})
}

func TestADescriptorThatNeverTakesAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		s.fail = func([]byte) (int, error) { return 0, syscall.EAGAIN }
		q := logqueue.New(&s, 1000, note)
		write(q, "a\n")
		if q.Close(time.Second) {
			t.Error("it was written")
		}
		synctest.Wait() // the writer ends, or the bubble finds it
	})
}
