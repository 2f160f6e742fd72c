package client

import "unicode/utf8"

// decodeUTF8 returns b with U+FFFD for what is not UTF-8, as the Encoding
// standard decodes: one for the longest beginning of a character that the next
// byte breaks, or else for a single byte. It returns b itself if all of it
// is UTF-8.
func decodeUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	text := make([]byte, 0, len(b)+len(b)/8)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = broken(b)
		}
		text = utf8.AppendRune(text, r)
		b = b[n:]
	}
	return text
}

// broken returns how many bytes at the start of b, which is no character, one
// replacement stands for.
func broken(b []byte) int {
	more, low, high := 0, byte(0x80), byte(0xbf)
	switch c := b[0]; {
	case 0xc2 <= c && c <= 0xdf:
		more = 1
	case 0xe0 <= c && c <= 0xef:
		more = 2
	case 0xf0 <= c && c <= 0xf4:
		more = 3
	}
	// These would be longer than they need be, surrogates, or above U+10FFFF.
	switch b[0] {
	case 0xe0:
		low = 0xa0
	case 0xed:
		high = 0x9f
	case 0xf0:
		low = 0x90
	case 0xf4:
		high = 0x8f
	}
	n := 1
	for n <= more && n < len(b) && low <= b[n] && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}
