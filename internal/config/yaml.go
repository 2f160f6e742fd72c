package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"feedd/internal/units"
)

// What a file may have. There must be bounds, because the parser's time grows
// with the square of some of it.
const (
	maxFileBytes = 256 * units.KiB // some 130 bytes for each of 2,000 rules
	maxTokens    = 20_000          // some 2,000 rules
)

const secondDocument = "a second YAML document begins here; there must be only one"

// parseYAML returns the value of the file's one document, nil for none. It
// reports what is wrong with the YAML; with any error it returns nil.
//
// Only the library's parser is used, not its decoder: that would stop at the
// first error and would not say where a value came from.
func (l *loader) parseYAML(data []byte) *node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !l.checkBytes(data) {
		return nil
	}
	tokens, ok := l.checkTokens(lexer.Tokenize(string(data)))
	if !ok {
		return nil
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // they are reported by the decoder
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			l.add(l.at(line(syntax.GetToken()), ""), "%s", oneLine(syntax.GetMessage()))
		} else {
			l.add(l.at(0, ""), "%s", oneLine(err.Error()))
		}
		return nil
	}
	if len(f.Docs) > 1 { // after the end mark of the first, without a header
		at := 0
		if body := f.Docs[1].Body; body != nil {
			at = line(body.GetToken())
		}
		l.add(l.at(at, ""), secondDocument)
		return nil
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		return nil
	}
	return toNode(f.Docs[0].Body)
}

// checkBytes reports whether the data can be YAML text at all.
func (l *loader) checkBytes(data []byte) bool {
	if units.Size(len(data)) > maxFileBytes {
		l.add(l.at(0, ""), "the file has more than %s", maxFileBytes)
		return false
	}
	for i, text := range strings.Split(string(data), "\n") {
		control := func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' || r == 0x7f }
		if !utf8.ValidString(text) {
			l.add(l.at(i+1, ""), "the line is not UTF-8")
			return false
		}
		if strings.ContainsFunc(text, control) {
			l.add(l.at(i+1, ""), "the line has a control character")
			return false
		}
	}
	return true
}

// checkTokens refuses the parts of YAML that settings do not need and bounds
// the rest. It returns the tokens without the comments.
func (l *loader) checkTokens(all token.Tokens) (token.Tokens, bool) {
	var kept token.Tokens
	ok := true
	flow, dashes, last := 0, 0, 0 // depth of [ and {; of - in the line; the line
	refused := 0                  // the line of the last refusal: one for each line will do
	refuse := func(t *token.Token, why string) {
		if ok = false; refused != line(t) {
			refused = line(t)
			l.add(l.at(refused, ""), "%s", why)
		}
	}
	for _, t := range all {
		if t.Type == token.CommentType {
			continue
		}
		if kept = append(kept, t); len(kept) > maxTokens {
			l.add(l.at(line(t), ""), "the file has too many values")
			return nil, false
		}
		if line(t) != last {
			dashes, last = 0, line(t)
		}
		switch t.Type {
		case token.AliasType:
			refuse(t, `an alias is not allowed here; a pattern that begins with * needs quotes, as in match: "*"`)
		case token.AnchorType, token.MergeKeyType:
			refuse(t, "anchors and merge keys are not allowed here")
		case token.TagType:
			refuse(t, "a tag is not allowed here; text that begins with ! needs quotes")
		case token.DirectiveType:
			refuse(t, "a directive is not allowed here; text that begins with % needs quotes")
		case token.MappingKeyType:
			refuse(t, "write the key as key: value, without ?")
		case token.DocumentHeaderType:
			if len(kept) > 1 && ok {
				refuse(t, secondDocument)
			}
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType:
			dashes++
		}
		if flow > maxDepth || dashes > maxDepth {
			refuse(t, "values are nested too deeply")
			return nil, false
		}
	}
	return kept, ok
}

// toNode turns what the parser gives into a node. Nothing in it can fail:
// whatever is not a mapping or a list is taken as its text.
func toNode(n ast.Node) *node {
	v := &node{kind: scalar, line: line(n.GetToken())}
	switch n := n.(type) {
	case *ast.NullNode:
		v.kind = null
	case ast.MapNode:
		v.kind = mapping
		for it := n.MapRange(); it.Next(); {
			k := it.Key()
			e := entry{key: scalarText(k), line: line(k.GetToken()), value: &node{line: v.line}}
			if it.Value() != nil {
				e.value = toNode(it.Value())
			}
			v.entries = append(v.entries, e)
		}
	case *ast.SequenceNode:
		v.kind = list
		for _, item := range n.Values {
			if item == nil {
				v.items = append(v.items, &node{line: v.line})
				continue
			}
			v.items = append(v.items, toNode(item))
		}
	default:
		v.text = scalarText(n)
	}
	return v
}

func scalarText(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n")
	}
	if t := n.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// line returns the line of a token, from 1; 0 if it has none.
func line(t *token.Token) int {
	if t == nil || t.Position == nil {
		return 0
	}
	return t.Position.Line
}

// oneLine returns the first line of a message of the library.
func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimSpace(s)
}
