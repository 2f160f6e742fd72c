package wire

import (
	"bytes"
	"unicode/utf8"

	"feedd/internal/stream"
)

// MaxFields is how many fields a form may have. Each takes some hundred bytes,
// however short it is, so a form of "a&a&a" takes many times its size; 10,000
// take some 3 MiB.
const MaxFields = 10_000

// ParseForm reads a body of application/x-www-form-urlencoded, which is what
// curl -d says of anything it sends. A JSON object or array is taken as JSON.
// Else, if every part between & is name=value with a name of
// [A-Za-z0-9_.%+\[\]-]+, and every % in it starts an escape, it is a form: a
// JSON object of strings, in order of first appearance, a repeated field an
// array. Anything else, as 100%=all, is text.
//
// In a form + stands for a space. What the escapes stand for must be UTF-8.
func ParseForm(body []byte) (stream.Draft, error) {
	if len(body) == 0 {
		return stream.Draft{}, ErrEmpty
	}
	if at := invalidUTF8(body); at >= 0 {
		return stream.Draft{}, errUTF8(at)
	}
	d, ok, err := composite(body)
	switch {
	case ok:
		return d, nil
	case err != nil:
		// Then it is not known whether it is JSON, but it was surely meant to be.
		return stream.Draft{}, err
	case !isForm(body):
		return ParseText(body)
	}
	return parseFields(body)
}

// ParseData reads the data of another server's event. A JSON object or array is
// taken as JSON; anything else, also a JSON string or number, as text, so that
// it is passed on byte by byte.
func ParseData(data []byte) (stream.Draft, error) {
	if d, ok, _ := composite(data); ok {
		return d, nil
	}
	return ParseText(data)
}

// composite takes a body that is one JSON object or array. It is false for any
// other, with an error if values are nested too deep.
func composite(body []byte) (d stream.Draft, ok bool, err error) {
	s := scanner{b: body}
	v, err := s.document()
	switch {
	case err == nil && (v.raw[0] == '{' || v.raw[0] == '['):
		return stream.Draft{JSON: true, Data: v.compact()}, true, nil
	case s.deep:
		return stream.Draft{}, false, err
	}
	return stream.Draft{}, false, nil
}

// isForm tells a form from text, before anything is allocated for its fields.
func isForm(body []byte) bool {
	for part := range bytes.SplitSeq(body, ampersand) {
		name, value, ok := bytes.Cut(part, equals)
		if !ok || len(name) == 0 || !wholeEscapes(name) || !wholeEscapes(value) {
			return false
		}
		for _, c := range name {
			if !isFieldName(c) {
				return false
			}
		}
	}
	return true
}

var ampersand, equals = []byte{'&'}, []byte{'='}

func isFieldName(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', isDigit(c):
		return true
	}
	return bytes.IndexByte([]byte("_.%+[]-"), c) >= 0
}

// wholeEscapes reports whether two hexadecimal digits follow every %.
func wholeEscapes(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			return true
		}
		if len(b) < i+3 || unhex(b[i+1]) < 0 || unhex(b[i+2]) < 0 {
			return false
		}
		b = b[i+3:]
	}
}

type field struct {
	name   string
	values [][]byte
}

func parseFields(body []byte) (stream.Draft, error) {
	// Each field costs some hundred bytes, however short it is.
	if bytes.Count(body, ampersand) >= MaxFields {
		return stream.Draft{}, &TooManyError{Max: MaxFields, What: "fields"}
	}
	var fields []field
	index := make(map[string]int) // into fields, by name
	at := 0
	for part := range bytes.SplitSeq(body, ampersand) {
		rawName, rawValue, _ := bytes.Cut(part, equals)
		name, value := unescapeField(rawName), unescapeField(rawValue)
		if !utf8.Valid(name) || !utf8.Valid(value) {
			return stream.Draft{}, &SyntaxError{Offset: int64(at), Msg: "invalid UTF-8 in a form field"}
		}
		at += len(part) + 1
		i, known := index[string(name)]
		if !known {
			i = len(fields)
			index[string(name)] = i
			fields = append(fields, field{name: string(name)})
		}
		fields[i].values = append(fields[i].values, value)
	}
	data := make([]byte, 0, len(body)+8*len(fields))
	return stream.Draft{JSON: true, Data: exactCopy(appendFields(data, fields))}, nil
}

func appendFields(dst []byte, fields []field) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, []byte(f.name))
		dst = append(dst, ':')
		if len(f.values) == 1 {
			dst = appendQuoted(dst, f.values[0])
			continue
		}
		for j, value := range f.values {
			dst = append(dst, "[,"[min(j, 1)])
			dst = appendQuoted(dst, value)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// unescapeField decodes + and whole percent escapes.
func unescapeField(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return b
	}
	text := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '+':
			text = append(text, ' ')
		case '%':
			text = append(text, byte(unhex(b[i+1])<<4|unhex(b[i+2])))
			i += 2
		default:
			text = append(text, c)
		}
	}
	return text
}
