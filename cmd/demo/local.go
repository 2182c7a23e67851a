package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

const (
	region   = awstest.Region
	localEnv = "events/local-env.json"
	greeting = "chaveiro: make local is running\n"

	// spare is a connection that a person may add: the simulated provider knows its credentials, the secret is not stored.
	spare     = "hotmart/loja-c"
	spareFile = "hotmart.json"

	// New credentials for the shop, which the simulated provider knows too, and the rotation that events/rotator are the steps of.
	pairFile      = "pair.json"
	rotatorARN    = "arn:aws:lambda:" + region + ":" + awstest.Account + ":function:chaveiro-rotator"
	rotationToken = "3f2b6c1e-0d4a-4c7e-9a51-8d2e7b90c613" // ClientRequestToken

	envFileName = "local-env.json"
)

// lastPort is the highest number that the first of the ports can have.
const lastPort = 65535 - ports + 1

func validPort(port int) bool { return port >= 1 && port <= lastPort }

// local keeps a world running on fixed ports.
type local struct {
	out    io.Writer
	port   int
	host   string // asked for; "" to choose one
	dir    string // for the files of this run
	world  *world
	log    *callLog
	bridge netip.Addr
	note   string
}

// runLocal serves until ctx ends, which is how a person stops it.
func runLocal(ctx context.Context, args []string, out io.Writer) (err error) {
	l := &local{out: out, log: &callLog{out: out, now: time.Now}}
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // a mistake is told in a sentence, not by the list of flags
	flags.IntVar(&l.port, "port", defaultPort, "the first of three `ports`: AWS's stores, Hotmart, Kiwify")
	flags.StringVar(&l.host, "host", "", "the `host` in the stored token endpoints; left out, one is chosen that leads here from a container and from this machine")
	flags.StringVar(&l.dir, "dir", ".build", "where the `folder` with the files of this run is made")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		flags.Usage()
		return err
	} else if err != nil || !validPort(l.port) || flags.NArg() > 0 {
		return fmt.Errorf("make local: PORT must be a number from 1 to %d; nothing else is taken but HOST", lastPort)
	}
	l.bridge, _ = findBridge()
	if err := l.open(ctx); err != nil {
		return fmt.Errorf("make local: %w", err)
	}
	defer l.world.close()
	if err := l.furnish(); err != nil {
		return fmt.Errorf("make local: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(l.dir)) }()
	l.explain()
	<-ctx.Done()
	_, _ = fmt.Fprintln(out, "\nmake local has ended; what it stored is gone.")
	return nil
}

// open listens on loopback and, where there is one, on the docker bridge: never on an address that leads to other machines.
func (l *local) open(ctx context.Context) error {
	w := newWorld()
	l.world = w
	hosts := []string{loopback}
	if l.bridge.IsValid() {
		hosts = append(hosts, l.bridge.String())
	}
	for i, service := range l.services() {
		for _, host := range hosts {
			address := net.JoinHostPort(host, strconv.Itoa(l.port+i))
			if _, err := w.serve(ctx, service.handler, address); err != nil {
				w.close()
				return listenError(err, service.name, address, l.port)
			}
		}
	}
	host, note := endpointHost(l.host, l.bridge, func(host string) bool { return resolvesHere(ctx, host, l.port) })
	l.note = note
	w.storesURL = fmt.Sprintf("http://%s:%d", loopback, l.port)
	w.hotmartURL = fmt.Sprintf("http://%s%s", net.JoinHostPort(host, strconv.Itoa(l.port+1)), w.hotmart.TokenPath())
	w.kiwifyURL = fmt.Sprintf("http://%s%s", net.JoinHostPort(host, strconv.Itoa(l.port+2)), w.kiwify.TokenPath())
	return nil
}

// service is what answers on one port.
type service struct {
	name    string
	handler http.Handler
}

// services in the order of their ports.
func (l *local) services() [ports]service {
	w := l.world
	return [ports]service{
		{"Secrets Manager and SSM", greet(l.log.stores(w.aws))},
		{"Hotmart", l.log.provider("hotmart", []string{w.hotmart.TokenPath(), w.hotmart.APIPath()}, w.hotmart)},
		{"Kiwify", l.log.provider("kiwify", []string{w.kiwify.TokenPath(), w.kiwify.APIPath()}, w.kiwify)},
	}
}

// greet answers GET / with the greeting, by which make invoke knows that it is this program which listens.
func greet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/" {
			_, _ = io.WriteString(rw, greeting)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// furnish stores the three connections and writes the files that the printed commands name.
func (l *local) furnish() error {
	if _, err := l.world.storeThree(); err != nil {
		return err
	}
	l.dir = filepath.Join(l.dir, "local-"+strconv.Itoa(l.port))
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	document, err := newCredential(l.world.hotmart, "loja-c-client", "").document("hotmart", l.world.hotmartURL)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, spareFile), document, 0o600); err != nil {
		return err
	}
	l.world.aws.AllowRotation(rotatorARN)
	staged := newCredential(l.world.hotmart, "loja-a-client-2", "")
	document, err = json.Marshal(map[string]string{"client_id": staged.id, "client_secret": staged.secret.Reveal()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, pairFile), document, 0o600); err != nil {
		return err
	}
	if l.port == defaultPort {
		return nil
	}
	text, err := os.ReadFile(localEnv)
	if err != nil {
		return err
	}
	moved := strings.ReplaceAll(string(text), ":"+strconv.Itoa(defaultPort), ":"+strconv.Itoa(l.port))
	return os.WriteFile(filepath.Join(l.dir, envFileName), []byte(moved), 0o600) //nolint:gosec // the folder is the one that the person asked for
}

// explain prints what runs and what to type.
func (l *local) explain() {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(l.out, format+"\n", args...) }
	say("Secrets Manager, SSM, DynamoDB, Hotmart and Kiwify run on this machine as stand-ins. Nothing here is AWS or a real provider. Ctrl-C ends them.\n")
	for i, s := range l.services() {
		also := ""
		if l.bridge.IsValid() {
			also = fmt.Sprintf("  and, for containers, http://%s:%d", l.bridge, l.port+i)
		}
		say("  %-24s http://%s:%d%s", s.name, loopback, l.port+i, also)
	}
	say("\nThree secrets are stored:")
	say("  %s%s   Hotmart credentials", secretPrefix, shop)
	say("  %s%s      Kiwify credentials", secretPrefix, course)
	say("  %s%s    Kiwify credentials with a wrong client_secret: this connection fails alone", secretPrefix, typo)
	if l.note != "" {
		say("\nNote: %s", l.note)
	}
	say("\nIn another terminal, in this folder:")
	for _, step := range l.machine().steps() {
		say("\n  # %s", step.why)
		for line := range strings.Lines(step.command) {
			say("  %s", strings.TrimSuffix(line, "\n"))
		}
	}
	say("\nEach call that arrives:")
}

func (l *local) machine() machine {
	return machine{
		os: runtime.GOOS, arch: runtime.GOARCH,
		port: l.port, dir: filepath.ToSlash(l.dir), storesURL: l.world.storesURL, ownEnvFile: l.port != defaultPort,
	}
}

// greeted asks for the greeting of make local. The error says what was found instead.
func greeted(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", http.NoBody)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, int64(len(greeting))+1))
	if err != nil {
		return err
	}
	if string(text) != greeting {
		return errors.New("another program listens there")
	}
	return nil
}
