package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// columns is the width of every line.
const columns = 120

// Colours of a terminal (ECMA-48, "Select Graphic Rendition").
const (
	bold  = "1"
	green = "32"
	red   = "31"
	faint = "2"
)

// onTerminal reports whether a file is a terminal that shows colours: NO_COLOR turns them off (https://no-color.org).
func onTerminal(f *os.File, getenv func(string) string) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// printer writes lines of at most 120 columns.
type printer struct {
	out    io.Writer
	colour bool
}

func (p printer) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		for _, part := range wrap(line, columns) {
			_, _ = fmt.Fprintln(p.out, part)
		}
	}
}

// sayIn is say with one word of the text, its first occurrence, in a colour.
func (p printer) sayIn(colour, word, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for i, part := range wrap(text, columns) {
		if i == 0 && p.colour {
			part = strings.Replace(part, word, "\x1b["+colour+"m"+word+"\x1b[0m", 1)
		}
		_, _ = fmt.Fprintln(p.out, part)
	}
}

// wrap breaks a line at blanks into lines of at most so many characters. The further lines are indented by two more than the first. A word that is
// longer than a line stays whole, so that a command or an address can be copied.
func wrap(line string, width int) []string {
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	var all []string
	for utf8.RuneCountInString(line) > width {
		head := string([]rune(line)[:width+1])
		at := strings.LastIndex(head, " ")
		if at <= len(indent)+2 {
			next := strings.Index(line[len(indent)+2:], " ")
			if next < 0 {
				break
			}
			at = len(indent) + 2 + next
		}
		all = append(all, strings.TrimRight(line[:at], " "))
		line = indent + "  " + strings.TrimLeft(line[at:], " ")
	}
	return append(all, line)
}
