package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// source is a layer of settings, weakest first.
type source int

const (
	fromFile source = iota
	fromEnviron
	fromFlag
	fromDefault
)

// origin is where a value comes from.
type origin struct {
	source source
	line   int    // in the file, from 1
	name   string // what the lines of its errors begin with
}

// problem is one line of the error that Load returns.
type problem struct {
	origin
	err error
}

// problems collects everything that is wrong.
type problems []problem

// maxProblems is how many problems an error lists: a file that is no settings file
// at all has thousands, and a hundred lines are more than anyone reads.
const maxProblems = 100

func (ps *problems) add(at origin, format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if at.name != "" {
		err = fmt.Errorf("%s: %w", at.name, err)
	}
	*ps = append(*ps, problem{at, err})
}

// join returns all problems as one error: the file's by line, then those of the
// environment, the flags and the whole; nil for none.
func (ps problems) join() error {
	slices.SortStableFunc(ps, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.line, b.line))
	})
	var errs []error
	for i, p := range ps {
		if len(errs) == maxProblems {
			errs = append(errs, fmt.Errorf("and %d more", len(ps)-i))
			break
		}
		errs = append(errs, p.err)
	}
	return errors.Join(errs...)
}

// plain returns a key for an error message: as it is, or quoted if it would not
// be one clear word.
func plain(key string) string {
	odd := func(r rune) bool {
		return r != '.' && r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	if len(key) > 64 {
		key = strings.ToValidUTF8(key[:64], "") + "..."
	}
	if key == "" || strings.ContainsFunc(key, odd) {
		return fmt.Sprintf("%q", key)
	}
	return key
}

// suggest returns the end of an error about an unknown word: which of the known
// ones was meant, if it is near enough to one, or is the beginning of one but
// for its last letter.
func suggest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	fold := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	best, least := "", min(3, len(word)/3+1)
	word = fold(word)
	for _, k := range known {
		if d := distance(word, fold(k)); d < least {
			best, least = k, d
		}
	}
	for _, k := range known {
		if begun := fold(k); best == "" && len(word) > 3 &&
			(strings.HasPrefix(begun, word+"_") || strings.HasPrefix(begun, word[:len(word)-1]+"_")) {
			best = k
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is how many bytes must be put in, left out or changed to make b of a
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
