// Command demo shows the whole system on this machine: the real functions, each on a Lambda Runtime API, with stand-ins for AWS's stores and
// for two providers on loopback. It needs nothing but Go.
//
//	demo                  shows the whole system in eight chapters and ends with status 0 only if every check is ok (make demo)
//	demo local            keeps the stand-ins running on fixed ports, for sam local invoke, the aws command line and demo invoke (make local)
//	demo invoke EVENT     builds the function that it is for and invokes it with an event file, against a running demo local (make invoke)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The demo's three connections.
const (
	shop   = "hotmart/loja-a"
	course = "kiwify/main"
	typo   = "kiwify/loja-b"
)

const schedule = "events/refresher/schedule.json"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], printer{out: os.Stdout, colour: onTerminal(os.Stdout, os.Getenv)})
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "\n%v\n", err)
		os.Exit(1)
	}
}

// command runs what the arguments ask for.
func command(ctx context.Context, args []string, out printer) error {
	if len(args) == 0 {
		d := &demo{printer: out, now: time.Now}
		if err := d.run(ctx); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		return nil
	}
	switch args[0] {
	case "local":
		return runLocal(ctx, args[1:], out.out)
	case "invoke":
		return runInvoke(ctx, args[1:], out.out)
	default:
		return fmt.Errorf("demo: %q is none of its commands: local, invoke, or nothing for the story", args[0])
	}
}
