package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const invokeTimeout = 5 * time.Minute // the first build takes a minute

// runInvoke builds a function, sends it one event file against a running make local, and prints its log and its result.
func runInvoke(ctx context.Context, args []string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, invokeTimeout)
	defer cancel()
	flags := flag.NewFlagSet("invoke", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // a mistake is told in a sentence, not by the list of flags
	port := flags.Int("port", defaultPort, "the first `port` of the make local to use")
	dir := flags.String("dir", ".build", "where the `folder` for binaries is")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		flags.Usage()
		return err
	} else if err != nil || !validPort(*port) {
		return fmt.Errorf("make invoke: PORT must be a number from 1 to %d; nothing else is taken but EVENT", lastPort)
	}
	file, event, err := readEvent(flags.Args())
	if err != nil {
		return fmt.Errorf("make invoke: %w", err)
	}
	url := fmt.Sprintf("http://%s:%d", loopback, *port)
	if err := awaitGreeting(ctx, url); err != nil {
		return fmt.Errorf("make invoke: no make local answers at %s (%w): start it in another terminal with make local, or say its PORT", url, err)
	}
	name := functionOf(file)
	_, _ = fmt.Fprintf(out, "functions/%s with %s, against make local at %s\n", name, file, url)
	function, err := startFunction(ctx, name, filepath.Join(*dir, name), url)
	if err != nil {
		return fmt.Errorf("make invoke: %w", err)
	}
	defer function.Close()
	answer, err := function.Invoke(ctx, event)
	_, _ = fmt.Fprintf(out, "\nlog:\n%s", answer.Logs)
	if err != nil {
		return fmt.Errorf("make invoke: %w", err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, answer.Payload, "", "  "); err != nil {
		return fmt.Errorf("make invoke: the result is not JSON: %w", err)
	}
	_, _ = fmt.Fprintf(out, "\nresult, after %d ms:\n%s\n", answer.Took.Milliseconds(), &pretty)
	return nil
}

func awaitGreeting(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return greeted(ctx, url)
}

// readEvent reads the one file that the arguments name.
func readEvent(args []string) (file string, event []byte, err error) {
	if len(args) != 1 || args[0] == "" {
		return "", nil, fmt.Errorf("say which event: make invoke EVENT=%s%s", schedule, eventsHere())
	}
	file = args[0]
	event, err = os.ReadFile(file) //nolint:gosec // the file that the person named is the one to read
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("there is no file %s%s", file, eventsHere())
	case err != nil:
		return "", nil, fmt.Errorf("read the event: %w", err)
	}
	var value any
	if err := json.Unmarshal(event, &value); err != nil {
		return "", nil, fmt.Errorf("%s is not one JSON value: %w", file, err)
	}
	return file, event, nil
}

// eventsHere lists the events of the project, for a person to choose from.
func eventsHere() string {
	files, err := filepath.Glob("events/*/*.json")
	if err != nil || len(files) == 0 {
		return ""
	}
	slices.Sort(files)
	return "; there are:\n  " + strings.Join(files, "\n  ")
}

// functionOf finds the function that an event is for: events/NAME/x.json is for functions/NAME, any other file for the refresher.
func functionOf(file string) string {
	name := filepath.Base(filepath.Dir(file))
	if info, err := os.Stat(filepath.Join("functions", name, "main.go")); err == nil && info.Mode().IsRegular() {
		return name
	}
	return "refresher"
}
