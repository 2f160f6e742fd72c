package wire

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested in the data of an item.
// Within an envelope and a page they are three levels deeper; that must stay
// below the limits of widely used readers (PHP 512, Jackson 1,000).
const MaxDepth = 500

// scanner checks that its input is one JSON value (RFC 8259). It exists beside
// encoding/json to name the exact offset, to count the whitespace for compact,
// and to hand out the members of an envelope, all in one pass.
type scanner struct {
	b     []byte
	i     int // bytes read
	space int // of which insignificant whitespace
	depth int
	deep  bool // failed for being nested too deep

	// around is how many levels around an item's data do not count in MaxDepth.
	around int

	// member, if set, is given the members of the outermost object. If it returns
	// an error, the scan ends.
	member func(name, value span) error
}

// span is a part of the input that is one JSON value.
type span struct {
	at    int    // its offset; 0: no value, because no member stands there
	raw   []byte // as it was sent
	space int    // bytes of insignificant whitespace in it
}

// compact returns a copy without insignificant whitespace.
func (v span) compact() []byte {
	if v.space == 0 {
		return exactCopy(v.raw)
	}
	c := make([]byte, 0, len(v.raw)-v.space)
	for s := v.raw; len(s) > 0; {
		n := 1
		switch s[0] {
		case ' ', '\t', '\n', '\r':
			s = s[1:]
			continue
		case '"':
			n = stringLen(s)
		}
		c = append(c, s[:n]...)
		s = s[n:]
	}
	return c
}

// stringLen returns the length of the valid JSON string that s starts with.
func stringLen(s []byte) int {
	for i := 1; ; i++ {
		i += plainLen(s[i:])
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
}

// document reads the whole input: one value with whitespace around it.
func (s *scanner) document() (span, error) {
	if at := invalidUTF8(s.b); at >= 0 {
		return span{}, errUTF8(at)
	}
	if bytes.HasPrefix(s.b, []byte("\uFEFF")) {
		return span{}, s.failAt(0, "a byte order mark stands before the JSON; send it without")
	}
	s.skipSpace()
	v, err := s.spanned()
	if err != nil {
		return span{}, err
	}
	s.skipSpace()
	if s.i < len(s.b) {
		return span{}, s.unexpected("the end, after one whole value")
	}
	return v, nil
}

func (s *scanner) spanned() (span, error) {
	at, space := s.i, s.space
	if err := s.value(); err != nil {
		return span{}, err
	}
	return span{at: at, raw: s.b[at:s.i], space: s.space - space}, nil
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object()
	case c == '[':
		return s.array()
	case c == '"':
		return s.str()
	case c == '-' || isDigit(c):
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.unexpected("a value")
}

func (s *scanner) object() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.leave()
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.unexpected("a name in quotes")
		}
		name, err := s.spanned()
		if err != nil {
			return err
		}
		s.skipSpace()
		if s.peek() != ':' {
			return s.unexpected("a colon after the name")
		}
		s.i++
		s.skipSpace()
		value, err := s.spanned()
		if err != nil {
			return err
		}
		if s.depth == 1 && s.member != nil {
			if err := s.member(name, value); err != nil {
				return err
			}
		}
		if more, err := s.next('}', "a comma or } in an object"); !more {
			return err
		}
	}
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.leave()
		return nil
	}
	for {
		if err := s.value(); err != nil {
			return err
		}
		if more, err := s.next(']', "a comma or ] in an array"); !more {
			return err
		}
	}
}

// enter reads an opening bracket and what space follows it.
func (s *scanner) enter() error {
	if s.depth == MaxDepth+s.around {
		s.deep = true
		return s.failAt(s.i, fmt.Sprintf("bad JSON: it is nested more than %d deep", MaxDepth))
	}
	s.depth++
	s.i++
	s.skipSpace()
	return nil
}

func (s *scanner) leave() {
	s.depth--
	s.i++
}

// next reads what stands between two elements and reports whether another one
// follows; none does behind the closing bracket, or after an error.
func (s *scanner) next(closing byte, wanted string) (bool, error) {
	s.skipSpace()
	switch s.peek() {
	case ',':
		s.i++
		s.skipSpace()
		return true, nil
	case closing:
		s.leave()
		return false, nil
	}
	return false, s.unexpected(wanted)
}

func (s *scanner) str() error {
	for s.i++; ; {
		s.i += plainLen(s.b[s.i:])
		if s.i == len(s.b) {
			return s.unexpected("a quote at the end of the string")
		}
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.failAt(s.i, fmt.Sprintf("bad JSON: the control character %q must be escaped in a string", c))
		default:
			s.i++
		}
	}
}

func (s *scanner) escape() error {
	s.i++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return nil
	case 'u':
		s.i++
		for range 4 {
			if unhex(s.peek()) < 0 {
				return s.unexpected(`four hexadecimal digits after \u`)
			}
			s.i++
		}
		return nil
	}
	return s.unexpected(`one of " \ / b f n r t u after a backslash`)
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.i++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		return s.digits()
	}
	return nil
}

func (s *scanner) digits() error {
	if !isDigit(s.peek()) {
		return s.unexpected("a digit in a number")
	}
	for isDigit(s.peek()) {
		s.i++
	}
	return nil
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		if s.peek() != word[i] {
			return s.unexpected("the word " + word)
		}
		s.i++
	}
	return nil
}

// peek returns the next byte; at the end 0, which stands nowhere in JSON.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) skipSpace() {
	for s.i < len(s.b) && isSpace(s.b[s.i]) {
		s.i++
		s.space++
	}
}

// unexpected tells what should stand where the scanner is.
func (s *scanner) unexpected(wanted string) error {
	if s.i >= len(s.b) {
		return s.failAt(len(s.b), "bad JSON: it ends where "+wanted+" is expected")
	}
	r, _ := utf8.DecodeRune(s.b[s.i:])
	return s.failAt(s.i, fmt.Sprintf("bad JSON: found %q, expected %s", r, wanted))
}

func (s *scanner) failAt(at int, msg string) error {
	return &SyntaxError{Offset: int64(at), Msg: msg}
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isSpace reports what JSON takes for insignificant whitespace.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// blank reports whether there is nothing but such whitespace.
func blank(b []byte) bool {
	for _, c := range b {
		if !isSpace(c) {
			return false
		}
	}
	return true
}
