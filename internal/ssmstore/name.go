package ssmstore

import (
	"regexp"
	"strings"

	"github.com/chaveiro/chaveiro/internal/store"
)

// connectionPattern is wider than a connection id: a secret whose name is not a valid connection id may have a failure parameter.
var connectionPattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*$`)

// fullName returns the name of a parameter with prefix and kind. ok is false when SSM cannot hold a parameter of that name.
func (s *Store) fullName(n store.Name) (name string, ok bool) {
	name = s.prefix + "/" + n.Connection + "/" + string(n.Kind)
	ok = connectionPattern.MatchString(n.Connection) && isKind(n.Kind) && len(name) <= maxName && strings.Count(name, "/") <= maxLevels
	return name, ok
}

// fullNames returns the full name of each parameter that SSM can hold, each once: SSM refuses a call that names a parameter twice or holds
// one impossible name, with all the other names in it. byName maps a full name back.
func (s *Store) fullNames(names []store.Name) (full []string, byName map[string]store.Name) {
	byName = make(map[string]store.Name, len(names))
	for _, n := range names {
		name, ok := s.fullName(n)
		if _, twice := byName[name]; !ok || twice {
			continue
		}
		byName[name] = n
		full = append(full, name)
	}
	return full, byName
}

func isKind(k store.Kind) bool {
	return k == store.KindToken || k == store.KindAccount || k == store.KindFailure
}
