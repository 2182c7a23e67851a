package provider

import "strings"

// Closest returns the entry of known that a person who wrote word most likely meant, "" for none: one that differs only in
// case, dashes, underscores and spaces, else one within a third of its letters in edits, else one that contains word or is contained in
// it. The first of equals wins, so that the result is always the same.
func Closest(word string, known []string) string {
	w := fold(word)
	if w == "" || len(w) > 64 { // no name is that long, and the cost grows with the square
		return ""
	}
	best, bestDistance := "", len(w)
	for _, k := range known {
		f := fold(k)
		d := distance(w, f)
		if d <= max(len(f), len(w))/3 && d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best != "" {
		return best
	}
	return containing(w, known)
}

// containing returns the first of known that contains w or is contained in w, when both are long enough for this to be no coincidence.
func containing(w string, known []string) string {
	for _, k := range known {
		f := fold(k)
		if min(len(w), len(f)) >= 4 && (strings.Contains(f, w) || strings.Contains(w, f)) {
			return k
		}
	}
	return ""
}

// fold removes what does not change the meaning of a name: clientId, client-id and CLIENT_ID are all clientid.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', '_', ' ', '.', '\t', '\n', '\r':
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance is the number of single byte edits (Levenshtein) between a and b, with a swap of neighbours counted as one.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	var last []int // the row before the row before
	for j := range row {
		before[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(before[j+1]+1, row[j]+1, before[j]+cost)
			if last != nil && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], last[j-1]+1)
			}
		}
		last, before, row = before, row, make([]int, len(b)+1)
	}
	return before[len(b)]
}
