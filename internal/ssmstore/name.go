package ssmstore

import (
	"strings"

	"chaveiro/internal/refresh"
)

// name returns the parameter's full name; ok is false when SSM cannot hold it, so that it cannot exist either.
func (s *Store) name(connection string, kind refresh.Kind) (name string, ok bool) {
	return s.prefix + "/" + connection + "/" + string(kind), pathPattern.MatchString(connection) && known(kind)
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
	if !pathPattern.MatchString(connection) || !known(kind) {
		return "", "", false
	}
	return connection, kind, true
}

func known(k refresh.Kind) bool {
	return k == refresh.KindToken || k == refresh.KindAccount || k == refresh.KindFailure
}

// listed tells whether a kind is part of a listing: account ids are compared by value when they are written, never listed.
func listed(k refresh.Kind) bool { return k == refresh.KindToken || k == refresh.KindFailure }
