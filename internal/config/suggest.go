package config

import "strings"

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
