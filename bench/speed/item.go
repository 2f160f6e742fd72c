package main

import (
	"bytes"
	"strconv"
)

// itemBytes is the size of every item.
const itemBytes = 200

// seqDigits is the width of the number that makes items different.
const seqDigits = 12

// batch is the body of a publish: items of JSON, each on a line.
type batch struct {
	body  []byte
	items int
}

const (
	itemHead = `{"seq":"`
	itemRest = `","type":"goal","match":"Bayern – Ajax","minute":57,"text":"`
)

func newBatch(items int) *batch {
	line := []byte(itemHead)
	line = append(line, bytes.Repeat([]byte("0"), seqDigits)...)
	line = append(line, itemRest...)
	line = append(line, bytes.Repeat([]byte("x"), itemBytes-len(line)-len(`"}`))...)
	line = append(line, "\"}\n"...)
	return &batch{body: bytes.Repeat(line, items), items: items}
}

// number gives the items the numbers from first on.
func (b *batch) number(first int) {
	var digits [20]byte
	for i := range b.items {
		at := i*(itemBytes+1) + len(itemHead)
		place := b.body[at : at+seqDigits]
		for j := range place {
			place[j] = '0'
		}
		d := strconv.AppendInt(digits[:0], int64(first+i), 10)
		copy(place[seqDigits-len(d):], d)
	}
}

// item is the body of a single item.
func (b *batch) item() []byte { return b.body[:itemBytes] }
