package awstest

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// catalogue is what a listing shows: things by name, in order, each as it was some time ago. It is kept beside the things themselves, and
// a page costs what it shows, not what there is.
type catalogue[V any] struct {
	names []string // sorted
	items map[string]*timeline[V]
}

// timeline is one name's states, oldest first.
type timeline[V any] struct{ states []shown[V] }

// shown is a state since an instant; a nil view means that there is nothing.
type shown[V any] struct {
	since time.Time
	view  *V
}

// set records that from now on the name looks like view, nil if it is gone. View must not change afterwards.
func (c *catalogue[V]) set(name string, view *V, now time.Time, lag time.Duration) {
	if c.items == nil {
		c.items = make(map[string]*timeline[V])
	}
	t := c.items[name]
	if t == nil {
		if view == nil {
			return
		}
		t = &timeline[V]{states: []shown[V]{{}}}
		c.items[name] = t
		i, _ := slices.BinarySearch(c.names, name)
		c.names = slices.Insert(c.names, i, name)
	}
	t.states = append(t.states, shown[V]{since: now, view: view})
	t.at(now, lag)
	if len(t.states) == 1 && t.states[0].view == nil {
		c.drop(name)
	}
}

// at returns what a listing that lags shows now, and forgets what it will never show again.
func (t *timeline[V]) at(now time.Time, lag time.Duration) *V {
	last := len(t.states) - 1
	if lag > 0 {
		horizon := now.Add(-lag)
		last = 0
		for i := range t.states {
			if !t.states[i].since.After(horizon) {
				last = i
			}
		}
	}
	if last > 0 {
		t.states = slices.Delete(t.states, 0, last)
	}
	return t.states[0].view
}

// drop takes a name out.
func (c *catalogue[V]) drop(name string) {
	delete(c.items, name)
	if i, found := slices.BinarySearch(c.names, name); found {
		c.names = slices.Delete(c.names, i, i+1)
	}
}

// query is one page of a listing.
type query[V any] struct {
	after string // the last name of the page before; empty for the first page
	want  int    // views at most
	scan  int    // names looked at, at most; zero for no limit
	now   time.Time
	lag   time.Duration
	match func(*V) bool
}

// page returns the views of a page, and the name after which the next begins; empty when there is none.
func (c *catalogue[V]) page(q query[V]) (views []*V, next string) {
	i := 0
	if q.after != "" {
		var found bool
		if i, found = slices.BinarySearch(c.names, q.after); found {
			i++
		}
	}
	var dead []string
	looked := 0
	for ; i < len(c.names) && len(views) < q.want && (q.scan <= 0 || looked < q.scan); i++ {
		looked++
		next = c.names[i]
		t := c.items[next]
		view := t.at(q.now, q.lag)
		switch {
		case view != nil && q.match(view):
			views = append(views, view)
		case view == nil && len(t.states) == 1:
			dead = append(dead, next)
		}
	}
	if i >= len(c.names) {
		next = ""
	}
	for _, name := range dead {
		c.drop(name)
	}
	return views, next
}

// Tokens are opaque to the caller: a kind, so that one listing's token is refused by the other, and the last name.
const (
	parameterToken = "p1|"
	secretToken    = "s1|"
	historyToken   = "h1|"
)

func encodeToken(kind, position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(kind + position))
}

func decodeToken(kind, token string) (position string, ok bool) {
	if token == "" {
		return "", true
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return "", false
	}
	return strings.CutPrefix(string(b), kind)
}

// jsonList is an answer that consists of one list of encoded entries and a token.
type jsonList struct {
	key     string
	entries [][]byte
	next    string
}

func (l jsonList) appendJSON(b []byte) []byte {
	size := len(l.key) + len(l.next) + 32
	for _, e := range l.entries {
		size += len(e) + 1
	}
	b = slices.Grow(b, size)
	b = append(b, `{"`+l.key+`":[`...)
	for i, e := range l.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	b = append(b, ']')
	if l.next != "" { // base64url needs no escaping
		b = append(b, `,"NextToken":"`+l.next+`"`...)
	}
	return append(b, '}')
}
