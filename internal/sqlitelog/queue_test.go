package sqlitelog

import (
	"slices"
	"testing"
)

// P6: a transaction takes no more than txItems and txBytes, so that those who
// come meanwhile do not wait for long; a batch that is larger is one alone.
func TestP6_a_transaction_takes_a_bounded_part_of_the_queue(t *testing.T) {
	for name, put := range map[string]func(n int) *op{
		"items": func(n int) *op { return &op{n: n * txItems / 4} },
		"bytes": func(n int) *op { return &op{size: n * txBytes / 4} },
	} {
		q := &queue{more: make(chan struct{}, 1)}
		for _, quarters := range []int{3, 2, 2, 5, 1} {
			if _, err := q.put(put(quarters)); err != nil {
				t.Fatal(err)
			}
		}
		q.close()
		var taken []int
		for range 10 {
			ops, end := q.take()
			if end {
				break
			}
			taken = append(taken, len(ops))
		}
		if want := []int{1, 2, 1, 1}; !slices.Equal(taken, want) {
			t.Errorf("by %s: transactions of %v operations, want %v", name, taken, want)
		}
	}
}
