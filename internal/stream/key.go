package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxKey is the longest Idempotency-Key, in characters: room for a UUID or a
// digest of 512 bits in hexadecimal digits.
const MaxKey = 128

// CheckKey reports why key cannot be an Idempotency-Key: 1 to 128 printable
// ASCII characters.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("the Idempotency-Key has %d characters, not 1 to %d", len(key), MaxKey)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return errors.New("the Idempotency-Key has a character that is not printable ASCII")
		}
	}
	return nil
}

// Digest identifies a key within its feed, or the content of a batch: the
// first half of a SHA-256, so that what a log remembers of a key is of one
// size and two keys are never taken for one.
type Digest [16]byte

// KeyDigest identifies the batch's feed and key.
func (b *Batch) KeyDigest() Digest {
	h := sha256.New()
	h.Write([]byte(b.Feed))
	h.Write([]byte{0})
	h.Write([]byte(b.Key))
	return Digest(h.Sum(nil)[:16])
}

// ContentDigest identifies what the batch stores: its drafts with their event
// names, ttls and kinds.
func (b *Batch) ContentDigest() Digest {
	h := sha256.New()
	var buf []byte
	for i := range b.Drafts {
		d := &b.Drafts[i]
		buf = binary.AppendUvarint(buf[:0], uint64(len(d.Event)))
		buf = append(buf, d.Event...)
		buf = binary.AppendVarint(buf, int64(d.TTL))
		kind := byte(0)
		if d.JSON {
			kind = 1
		}
		buf = append(buf, kind)
		buf = binary.AppendUvarint(buf, uint64(len(d.Data)))
		h.Write(buf)
		h.Write(d.Data)
	}
	return Digest(h.Sum(nil)[:16])
}
