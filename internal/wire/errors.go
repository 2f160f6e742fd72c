package wire

import (
	"errors"
	"fmt"
)

// ErrEmpty says that the body has no item.
var ErrEmpty = errors.New("the body is empty: there is no item in it")

// SyntaxError is the place and the cause of a fault in a body.
type SyntaxError struct {
	// Line is the line of a batch, counted from 1 and with empty lines; 0 if
	// the body is one item.
	Line int
	// Offset is how many bytes stand before the fault: in the line of a batch,
	// else in the body. So 0 is the first byte, and the length of the input
	// means that it ended too early.
	Offset int64
	Msg    string
}

func (e *SyntaxError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d, offset %d: %s", e.Line, e.Offset, e.Msg)
	}
	return fmt.Sprintf("offset %d: %s", e.Offset, e.Msg)
}

func errUTF8(at int) error { return &SyntaxError{Offset: int64(at), Msg: "invalid UTF-8"} }

// TooManyError says that a body has more than Max of something.
type TooManyError struct {
	Max  int
	What string // "items" or "fields"
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the body has more than %d %s", e.Max, e.What)
}
