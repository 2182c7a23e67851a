package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/tools/txtar"
)

// script is a parsed scenario.
type script struct {
	name  string // of the file, for errors
	why   string // the comment
	world step
	steps []step
}

// step is one section: a title and its lines.
type step struct {
	title string
	line  int
	lines []line
}

// line is one directive.
type line struct {
	at   string // file:line
	text string // as written
	verb string
	rest string // what follows the verb
}

func (l line) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", l.at, l.verb, fmt.Errorf(format, args...))
}

var numbered = regexp.MustCompile(`^(\d+)\. \S`)

// parse reads the sections of a scenario; see the package comment for its form.
func parse(name string, data []byte) (*script, error) {
	archive := txtar.Parse(data)
	s := &script{name: name, why: strings.TrimSpace(string(archive.Comment))}
	if len(strings.Fields(s.why)) < 5 {
		return nil, fmt.Errorf("%s:1: the comment must say which rule this is about, and why it is one", name)
	}
	at := 1 + strings.Count(string(archive.Comment), "\n")
	var faults []error
	for i, f := range archive.Files {
		st := step{title: f.Name, line: at, lines: directives(name, at, string(f.Data))}
		at += 1 + strings.Count(string(f.Data), "\n")
		if i == 0 {
			if f.Name != "world" {
				faults = append(faults, fmt.Errorf("%s:%d: the first section must be %q", name, st.line, "world"))
			}
			s.world = st
			continue
		}
		if m := numbered.FindStringSubmatch(f.Name); m == nil || m[1] != strconv.Itoa(i) {
			faults = append(faults, fmt.Errorf("%s:%d: section %q must be a step that begins with %q and says what happens", name, st.line, f.Name, strconv.Itoa(i)+". "))
		}
		s.steps = append(s.steps, st)
	}
	if len(s.steps) == 0 {
		faults = append(faults, fmt.Errorf("%s:%d: there is no step", name, at))
	}
	return s, errors.Join(faults...)
}

func directives(name string, at int, text string) []line {
	var lines []line
	for _, raw := range strings.Split(text, "\n") {
		at++
		t := strings.TrimSpace(raw)
		if t == "" || strings.HasPrefix(t, "#") {
			continue
		}
		verb, rest, _ := strings.Cut(t, " ")
		lines = append(lines, line{at: name + ":" + strconv.Itoa(at), text: t, verb: verb, rest: strings.TrimSpace(rest)})
	}
	return lines
}

// words splits at blanks outside of "double quotes" (with \" and \\ in them) and `back quotes`, which it takes off.
func words(s string) ([]string, error) {
	var out []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case unicode.IsSpace(rune(c)):
			if inWord {
				out = append(out, word.String())
				word.Reset()
				inWord = false
			}
		case c == '"' || c == '`':
			text, next, err := quotedText(s, i)
			if err != nil {
				return nil, err
			}
			word.WriteString(text)
			inWord = true
			i = next
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		out = append(out, word.String())
	}
	return out, nil
}

// quotedText reads the quoted text that begins at i, and returns it with the place of its closing quote.
func quotedText(s string, i int) (text string, end int, err error) {
	var b strings.Builder
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return b.String(), i, nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, errors.New("a quote is not closed")
}

// condition is a comparison of one field: name=value, name!=value, name~part, name>=value, name<=value.
type condition struct{ field, op, want string }

var conditionForm = regexp.MustCompile(`(?s)^([a-z][a-z0-9_]*)(=|!=|!~|~|>=|<=)(.*)$`)

func conditions(args []string) ([]condition, error) {
	var all []condition
	for _, a := range args {
		m := conditionForm.FindStringSubmatch(a)
		if m == nil {
			return nil, fmt.Errorf("%q is no condition such as name=value, name~part or name>=value", a)
		}
		all = append(all, condition{m[1], m[2], m[3]})
	}
	return all, nil
}

// split takes n leading words off; more is what is left.
func split(args []string, n int) (head, more []string, err error) {
	if len(args) < n {
		return nil, nil, fmt.Errorf("wants at least %d words", n)
	}
	return args[:n], args[n:], nil
}
