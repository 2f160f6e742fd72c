package memlog

import (
	"context"
	"fmt"

	"feedd/internal/stream"
)

// SourceAt implements [stream.Log]. It asks the committer, which has finished
// by then what it took before.
func (l *Log) SourceAt(ctx context.Context, name string) (string, error) {
	at := new(string)
	if err := l.do(ctx, func() { *at = l.sources[name] }); err != nil {
		return "", fmt.Errorf("look up the source %s: %w", name, err)
	}
	return *at, nil
}

// moveSourceLocked stores how far a source was taken over.
func (l *Log) moveSourceLocked(s stream.Source) {
	if s.Name == "" {
		return
	}
	old, known := l.sources[s.Name]
	if !known {
		l.bytes += int64(len(s.Name)) + sourceCost
	}
	l.bytes += int64(len(s.At) - len(old))
	l.sources[s.Name] = s.At
}
