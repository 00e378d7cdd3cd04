package config

import (
	"slices"
	"strings"
)

// didYouMean is the hint for a word that is none of those allowed: the nearest
// of them, or all when they are few, or nothing.
func didYouMean(word string, allowed []string) string {
	if best := nearest(word, allowed); best != "" {
		return "did you mean " + best + "?"
	}
	return ""
}

// didYouMeanOr is didYouMean, or the list of what is allowed.
func didYouMeanOr(word string, allowed []string) string {
	if hint := didYouMean(word, allowed); hint != "" {
		return hint
	}
	return allowedHere(allowed)
}

// fewWords is how many words are still worth listing in a hint.
const fewWords = 12

// allowedHere lists the allowed words.
func allowedHere(allowed []string) string {
	switch n := len(allowed); {
	case n == 0 || n > fewWords:
		return ""
	case n == 1:
		return "only " + allowed[0] + " is allowed here"
	default:
		return "one of " + strings.Join(allowed[:n-1], ", ") + " or " + allowed[n-1]
	}
}

// nearest returns the allowed word at the smallest edit distance, if that is
// small for the length of the word: one fault in three characters.
func nearest(word string, allowed []string) string {
	best, least := "", 0
	for _, a := range allowed {
		d := distance(strings.ToLower(word), strings.ToLower(a))
		if d <= max(1, len(word)/3) && (best == "" || d < least) && d < len(a) {
			best, least = a, d
		}
	}
	return best
}

// distance is how many characters must be added, removed, replaced or swapped
// with their neighbour to make b of a.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			change := last[j]
			if x[i] != y[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// names returns the keys of a map in order.
func names[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
