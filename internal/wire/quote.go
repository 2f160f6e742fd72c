package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendQuoted appends text as a JSON string. Escaped are what JSON demands
// and U+2028 and U+2029, which old JavaScript takes for line ends; all else
// stays UTF-8. Bytes that are not UTF-8 become U+FFFD: a client may have sent
// them as its position, and what feedd prints must be JSON.
func appendQuoted(dst, text []byte) []byte {
	if !utf8.Valid(text) {
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	dst = append(dst, '"')
	for {
		n := plainLen(text)
		dst = append(dst, text[:n]...)
		text = text[n:]
		if len(text) == 0 {
			return append(dst, '"')
		}
		n = 1
		switch c := text[0]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case separatorLead:
			if text[1] == 0x80 && text[2]&^1 == 0xA8 {
				dst = append(dst, `\u202`...)
				dst = append(dst, '0'+text[2]&0xF)
			} else {
				dst = append(dst, text[:3]...)
			}
			n = 3
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&0xF])
		}
		text = text[n:]
	}
}

// separatorLead starts the UTF-8 of U+2028 and U+2029 (E2 80 A8 and A9), and
// of other characters, all of three bytes.
const separatorLead = 0xE2

// plainLen returns how many bytes at the start of b are none of: a control
// character, a quote, a backslash, separatorLead.
func plainLen(b []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	// Eight bytes at a time. Each of the four differences sets the top bit of a
	// byte that is looked for, and wrongly of some that are masked out: those
	// above 0x7F, for separatorLead those below. A borrow may set one wrongly
	// too, but only above a right one, and only the lowest counts.
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash, lead := x^ones*'"', x^ones*'\\', x^ones*separatorLead
		found := ((x-ones*' ')|(quote-ones)|(slash-ones))&^x | (lead-ones)&^lead
		if found &= tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' || c == '"' || c == '\\' || c == separatorLead {
			break
		}
	}
	return i
}

// unquote returns the text of a valid JSON string, in memory of its own. It is
// false for a string with a lone surrogate escape: that is legal JSON
// (RFC 8259, 8.2), but no UTF-8 stands for it.
func unquote(quoted []byte) ([]byte, bool) {
	s := quoted[1 : len(quoted)-1]
	n := bytes.IndexByte(s, '\\')
	if n < 0 {
		return exactCopy(s), true
	}
	text := make([]byte, 0, len(s))
	for ; n >= 0; n = bytes.IndexByte(s, '\\') {
		text = append(text, s[:n]...)
		c := s[n+1]
		s = s[n+2:]
		switch c {
		case 'n':
			text = append(text, '\n')
		case 'r':
			text = append(text, '\r')
		case 't':
			text = append(text, '\t')
		case 'b':
			text = append(text, '\b')
		case 'f':
			text = append(text, '\f')
		case 'u':
			r := hex4(s)
			s = s[4:]
			if utf16.IsSurrogate(r) {
				if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
					return nil, false
				}
				if r = utf16.DecodeRune(r, hex4(s[2:])); r == utf8.RuneError {
					return nil, false
				}
				s = s[6:]
			}
			text = utf8.AppendRune(text, r)
		default: // a quote, a backslash or a slash
			text = append(text, c)
		}
	}
	return exactCopy(append(text, s...)), true
}

// hex4 reads the four digits of a valid \u escape.
func hex4(s []byte) rune {
	var r rune
	for _, c := range s[:4] {
		r = r<<4 | rune(unhex(c))
	}
	return r
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// exactCopy copies without the room to grow that append leaves, because drafts
// live as long as their items.
func exactCopy(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c
}
