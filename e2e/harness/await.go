package harness

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for what has no limit of its own: longer
// than a busy machine needs. Only a test that hangs uses it up.
const Patience = 5 * time.Minute

// Await waits until a condition is true that the test itself can see.
func Await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}

// AwaitNumber waits until a count is a number.
func AwaitNumber(t testing.TB, what string, want int, count func() int) {
	t.Helper()
	n := 0
	defer func() {
		if n != want {
			t.Logf("at last there were %d", n)
		}
	}()
	Await(t, fmt.Sprintf("there are %d %s", want, what), func() bool { n = count(); return n == want })
}

// Pause waits for d, and reports whether ctx goes on.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Buffer is a bytes.Buffer that can be read while others write.
type Buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *Buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
