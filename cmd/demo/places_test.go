package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestTheBridgesAddress(t *testing.T) {
	prefix := func(text string) net.Addr {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: ip, Mask: network.Mask}
	}
	for name, c := range map[string]struct {
		addresses []net.Addr
		want      string // "" for none
	}{
		"docker's own":                       {[]net.Addr{prefix("172.17.0.1/16")}, "172.17.0.1"},
		"IPv6 is passed over":                {[]net.Addr{prefix("fe80::1/64"), prefix("172.17.0.1/16")}, "172.17.0.1"},
		"another range":                      {[]net.Addr{prefix("10.200.0.1/24")}, "10.200.0.1"},
		"a public address is never used":     {[]net.Addr{prefix("203.0.113.7/24")}, ""},
		"the second, when the first is not":  {[]net.Addr{prefix("203.0.113.7/24"), prefix("192.168.9.1/24")}, "192.168.9.1"},
		"an interface that has no address":   {nil, ""},
		"an interface that has no IPv4 only": {[]net.Addr{prefix("fe80::1/64")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := bridgeAddress(c.addresses)
			if ok != (c.want != "") || ok && got.String() != c.want {
				t.Errorf("got %v, %t", got, ok)
			}
		})
	}
}

func TestTheHostInTokenEndpoints(t *testing.T) {
	bridge := netip.MustParseAddr("172.17.0.1")
	for name, c := range map[string]struct {
		asked   string
		bridge  netip.Addr
		answers bool // host.docker.internal leads here
		want    string
		note    bool
	}{
		"with a docker bridge, its address":                 {"", bridge, false, "172.17.0.1", false},
		"the bridge goes before Docker Desktop's name":      {"", bridge, true, "172.17.0.1", false},
		"Docker Desktop's name, where it leads here":        {"", netip.Addr{}, true, "host.docker.internal", false},
		"else loopback, and a note says what does not work": {"", netip.Addr{}, false, "127.0.0.1", true},
		"what a person asks for goes first":                 {"box.example", bridge, true, "box.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			host, note := endpointHost(c.asked, c.bridge, func(host string) bool { return c.answers && host == dockerHost })
			if host != c.want || (note != "") != c.note {
				t.Errorf("host %q, note %q", host, note)
			}
			if c.note && !strings.Contains(note, "make local HOST=host.docker.internal") {
				t.Errorf("the note does not say what to do: %q", note)
			}
		})
	}
}

func TestWhatToTypeForSAM(t *testing.T) {
	const invoke = "sam local invoke RefresherFunction -e events/refresher/schedule.json"
	for name, c := range map[string]struct {
		machine machine
		want    []string
	}{
		"Linux on x86_64": {
			machine{os: "linux", arch: "amd64"},
			[]string{"export CGO_ENABLED=0", "sam build --config-env x86_64", invoke + " --config-env x86_64"},
		},
		"Linux on arm64":                       {machine{os: "linux", arch: "arm64"}, []string{"export CGO_ENABLED=0", "sam build", invoke}},
		"a Mac on arm64":                       {machine{os: "darwin", arch: "arm64"}, []string{"sam build", invoke}},
		"a Mac on x86_64, with Docker Desktop": {machine{os: "darwin", arch: "amd64"}, []string{"sam build", invoke}},
		"other ports": {
			machine{os: "darwin", arch: "arm64", ownEnvFile: true, dir: ".build/local-5700"},
			[]string{"sam build", invoke + " --env-vars .build/local-5700/local-env.json"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(c.machine.samLines(), "\n"); got != strings.Join(c.want, "\n") {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}

func TestTheStepsNameThePort(t *testing.T) {
	all := func(m machine) string {
		var b strings.Builder
		for _, s := range m.steps() {
			fmt.Fprintln(&b, s.command)
		}
		return b.String()
	}
	usual := all(machine{port: defaultPort, dir: ".build/local-5610", storesURL: "http://127.0.0.1:5610"})
	for _, want := range []string{
		"make invoke EVENT=events/refresher/schedule.json\n",
		"make invoke EVENT=events/healthcheck/schedule.json\n",
		"aws --endpoint-url http://127.0.0.1:5610 ssm get-parameter --name /oauth/hotmart/loja-a/access_token --with-decryption --query Parameter.Value --output text\n",
		"aws --endpoint-url http://127.0.0.1:5610 secretsmanager create-secret --name oauth/hotmart/loja-c --secret-string file://.build/local-5610/hotmart.json\n",
		"secretsmanager put-secret-value --secret-id oauth/hotmart/loja-a --version-stages CANDIDATE --secret-string file://.build/local-5610/pair.json\n",
		"secretsmanager rotate-secret --secret-id oauth/hotmart/loja-a --rotation-lambda-arn " + rotatorARN + " --client-request-token " + rotationToken + "\n",
		"make invoke EVENT=events/rotator/$step.json ||",
	} {
		if !strings.Contains(usual, want) {
			t.Errorf("no %q in:\n%s", want, usual)
		}
	}
	other := all(machine{port: 5700, dir: ".build/local-5700", storesURL: "http://127.0.0.1:5700", ownEnvFile: true})
	if strings.Count(other, " PORT=5700") != 3 || !strings.Contains(other, "make invoke EVENT=events/refresher/schedule.json PORT=5700\n") || strings.Contains(other, "5610") {
		t.Errorf("with port 5700:\n%s", other)
	}
}

func TestAPortThatCannotBeHad(t *testing.T) {
	opError := func(errno syscall.Errno) error {
		return &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)}
	}
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"in use":        {opError(syscall.EADDRINUSE), []string{"port 5611 on 127.0.0.1", "Hotmart", "in use", "make local PORT=5640"}},
		"no permission": {opError(syscall.EACCES), []string{"no permission", "port 5611", "1024", "make local PORT=5610"}},
		"anything else": {errors.New("no such device"), []string{"port 5611", "no such device", "make local PORT=5640"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := listenError(c.err, "Hotmart", "127.0.0.1:5611", defaultPort).Error()
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
		})
	}
}
