package ssmstore

import (
	"strings"

	"github.com/chaveiro/chaveiro/internal/refresh"
)

// name returns the parameter's full name; ok is false when SSM cannot hold it, so that it cannot exist either.
func (s *Store) name(connection string, kind refresh.Kind) (name string, ok bool) {
	return s.prefix + "/" + connection + "/" + string(kind), isPath(connection) && known(kind)
}

// parse is the inverse of name. The kind is the last segment and the connection all between prefix and kind, also when one of its
// own segments reads like a kind. Anything else under or beside the prefix is not ours.
func (s *Store) parse(name string) (connection string, kind refresh.Kind, ok bool) {
	rest, ok := strings.CutPrefix(name, s.prefix+"/")
	if !ok {
		return "", "", false
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		return "", "", false
	}
	connection, kind = rest[:i], refresh.Kind(rest[i+1:])
	if !isPath(connection) || !known(kind) {
		return "", "", false
	}
	return connection, kind, true
}

// isPath reports whether text may stand between the prefix and the kind: segments of letters, digits, "_", "." and "-", with slashes between.
// It is wider than a connection id on purpose: a secret whose name is no connection id may have a failure parameter. It is no regular
// expression, since it is asked of each parameter of a listing.
func isPath(text string) bool {
	segment := 0 // length of the one that is being read
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
			segment++
		case c == '/' && segment > 0:
			segment = 0
		default:
			return false
		}
	}
	return segment > 0
}

func known(k refresh.Kind) bool {
	return k == refresh.KindToken || k == refresh.KindAccount || k == refresh.KindFailure
}

// listed tells whether a kind is part of a listing: account ids are compared by value when they are written, never listed.
func listed(k refresh.Kind) bool { return k == refresh.KindToken || k == refresh.KindFailure }
