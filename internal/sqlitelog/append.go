package sqlitelog

import (
	"context"

	"feedd/internal/stream"
)

// Append implements [stream.Log].
func (l *Log) Append(ctx context.Context, b stream.Batch) (stream.Receipt, error) {
	a := &appending{batch: b, size: b.Size()}
	if b.Key != "" {
		// Here, and not in the committer, so that all processors make digests.
		a.key, a.content = b.KeyDigest(), b.ContentDigest()
	}
	if err := l.do(ctx, &op{do: a.do, n: len(b.Drafts), size: a.size}); err != nil {
		return stream.Receipt{}, err
	}
	return a.receipt, nil
}

// appending is a batch that waits for its commit or is being stored: see batch.go.
type appending struct {
	batch        stream.Batch
	size         int // Batch.Size
	key, content stream.Digest
	receipt      stream.Receipt // valid once the operation ended without an error
}
