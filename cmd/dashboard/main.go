// Command dashboard draws the dashboard of the stack as an SVG, from the lines that the functions print: metrics in the embedded metric format,
// and the lines "run". It reads files, or its input, and prints the picture. docs/dashboard.svg is made with it (make dashboard).
//
//	aws logs tail /aws/lambda/chaveiro-refresher --since 2d --format short | go run ./cmd/dashboard > dashboard.svg
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	page := page{Title: "chaveiro", Threshold: time.Second, Danger: 15 * time.Minute}
	flags := flag.NewFlagSet("dashboard", flag.ContinueOnError)
	flags.StringVar(&page.Title, "title", page.Title, "what stands at the top")
	flags.DurationVar(&page.Threshold, "threshold", page.Threshold, "LatencyThresholdMs of the stack")
	flags.DurationVar(&page.Danger, "danger", page.Danger, "below which TokenInDanger rings: 15m with a period of 5 minutes")
	flags.Func("mark", `what happened, as often as needed: "what=2026-01-02T10:00:00Z/2026-01-02T11:00:00Z"`, func(text string) error {
		m, err := parseMark(text)
		page.Marks = append(page.Marks, m)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	lines := newLines()
	if flags.NArg() == 0 {
		if err := lines.read(in); err != nil {
			return fmt.Errorf("read the input: %w", err)
		}
	}
	for _, name := range flags.Args() {
		if err := lines.readFile(name); err != nil {
			return err
		}
	}
	picture, err := page.draw(lines)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, picture)
	return err
}

// parseMark reads what=from/to.
func parseMark(text string) (mark, error) {
	what, span, _ := strings.Cut(text, "=")
	from, to, ok := strings.Cut(span, "/")
	if !ok || what == "" {
		return mark{}, fmt.Errorf("%q is not what=from/to", text)
	}
	m := mark{What: what}
	var err error
	if m.From, err = time.Parse(time.RFC3339, from); err != nil {
		return mark{}, err
	}
	m.To, err = time.Parse(time.RFC3339, to)
	return m, err
}
