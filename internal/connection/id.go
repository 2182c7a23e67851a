package connection

import (
	"fmt"
	"strings"
)

const (
	maxSegments   = 4
	maxSegmentLen = 63
)

// ValidID reports whether id is a connection id (contract.md section 1). The error is an *Error with code invalid_connection_id.
func ValidID(id string) error { return ValidName("", id) }

// ValidName is ValidID for the secret prefix+id; the error then names the secret to create instead.
func ValidName(prefix, id string) error {
	why := idFault(id)
	if why == "" {
		return nil
	}
	msg := fmt.Sprintf("%q: %s", cut(id), why)
	if s := SuggestID(id); s != "" {
		msg += ". Create it again as " + prefix + s
	}
	return &Error{Connection: id, Code: CodeInvalidConnectionID, Message: msg}
}

// idFault returns the fault of id, "" for none.
func idFault(id string) string {
	segments := strings.Split(id, "/")
	if id == "" {
		return "the name after the prefix is empty"
	}
	if strings.ContainsFunc(id, func(r rune) bool { return !idRune(r) && r != '/' }) {
		return "only a-z 0-9 . _ - and /"
	}
	if len(segments) > maxSegments {
		return fmt.Sprintf("%d parts between slashes, at most %d", len(segments), maxSegments)
	}
	for _, s := range segments {
		switch {
		case s == "":
			return "a part between slashes is empty"
		case len(s) > maxSegmentLen:
			return fmt.Sprintf("a part between slashes has %d characters, at most %d", len(s), maxSegmentLen)
		case strings.IndexByte("._-", s[0]) >= 0: // the other characters have been looked at
			return "each part between slashes begins with a-z or 0-9"
		}
	}
	return ""
}

func idRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
}

// plain replaces the accented letters of Portuguese and Spanish by letters without accents.
var plain = strings.NewReplacer(
	"á", "a", "à", "a", "â", "a", "ã", "a", "ä", "a", "é", "e", "è", "e", "ê", "e", "ë", "e", "í", "i", "ì", "i", "î", "i", "ï", "i",
	"ó", "o", "ò", "o", "ô", "o", "õ", "o", "ö", "o", "ú", "u", "ù", "u", "û", "u", "ü", "u", "ç", "c", "ñ", "n",
)

// SuggestID returns the valid connection id nearest to id, "" for none.
func SuggestID(id string) string {
	var segments []string
	for part := range strings.SplitSeq(plain.Replace(strings.ToLower(id)), "/") {
		if s := suggestSegment(part); s != "" {
			segments = append(segments, s)
		}
	}
	if len(segments) > maxSegments { // what is too deep is kept as one last part
		rest := strings.Join(segments[maxSegments-1:], "-")
		segments = append(segments[:maxSegments-1], suggestSegment(rest))
	}
	return strings.Join(segments, "/")
}

func suggestSegment(s string) string {
	s = strings.Map(func(r rune) rune {
		if idRune(r) {
			return r
		}
		return '-'
	}, s)
	s = strings.Trim(s, "._-")
	if len(s) > maxSegmentLen {
		s = s[:maxSegmentLen]
	}
	return s
}
