package config

// node is a value of a file or a JSON body, before it is known what it means.
type node struct {
	kind    kind
	line    int     // in the file, from 1; 0 for JSON
	text    string  // of a scalar: what it says, without quotes
	entries []entry // of a mapping, in order
	items   []*node // of a list
}

// entry is one key of a mapping and its value. Keys may repeat.
type entry struct {
	key   string
	line  int
	value *node
}

type kind int

const (
	null kind = iota // nothing was said
	scalar
	mapping
	list
)

// maxDepth is how deep values may be nested; settings need 4.
const maxDepth = 16

func (k kind) String() string {
	switch k {
	case scalar:
		return "a single value"
	case mapping:
		return "a group of settings"
	case list:
		return "a list"
	}
	return "nothing"
}
