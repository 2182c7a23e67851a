package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

const (
	// defaultPort is that of events/local-env.json, which points the function in its container at AWS's stores.
	defaultPort = 5610
	// ports from the first one: AWS's stores, Hotmart, Kiwify.
	ports = 3
	// dockerBridge is the interface of this machine to which host-gateway leads in a container of Docker Engine. Docker Desktop has none
	// here: its containers reach the loopback of this machine as dockerHost.
	dockerBridge = "docker0"
	dockerHost   = "host.docker.internal"
	loopback     = "127.0.0.1"
)

// bridgeAddress picks the address of the docker bridge to listen on: its first private IPv4 address. A public one is never listened on.
func bridgeAddress(addresses []net.Addr) (netip.Addr, bool) {
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().Is4() && prefix.Addr().IsPrivate() {
			return prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// findBridge looks for the docker bridge of this machine.
func findBridge() (netip.Addr, bool) {
	bridge, err := net.InterfaceByName(dockerBridge)
	if err != nil {
		return netip.Addr{}, false
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		return netip.Addr{}, false
	}
	return bridgeAddress(addresses)
}

// endpointHost is the host in the stored token endpoints: one that leads here from a container and from this machine. answers tells
// whether this program is reached by a name. The note says what a person should know about the choice.
func endpointHost(asked string, bridge netip.Addr, answers func(host string) bool) (host, note string) {
	switch {
	case asked != "":
		return asked, ""
	case bridge.IsValid():
		return bridge.String(), ""
	case answers(dockerHost):
		return dockerHost, ""
	default:
		return loopback, "There is no docker bridge here, and " + dockerHost + " does not lead to this machine: a container cannot reach the providers. " +
			"make invoke can. With Docker Desktop, start with: make local HOST=" + dockerHost + " (then make invoke cannot, unless your hosts file has a line: " +
			loopback + " " + dockerHost + ")."
	}
}

// listenError says what a person can do when a port cannot be had.
func listenError(err error, service, address string, first int) error {
	host, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return fmt.Errorf("listen on %s for %s: %w", address, service, err)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s on %s, for %s, is in use: another make local? End it, or take other ports: make local PORT=%d",
			port, host, service, first+10*ports)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("no permission to listen on port %s of %s, for %s: take ports from 1024 up, such as make local PORT=%d",
			port, host, service, defaultPort)
	default:
		return fmt.Errorf("cannot listen on port %s of %s, for %s (%w): take other ports, such as make local PORT=%d",
			port, host, service, err, first+10*ports)
	}
}

// machine is what decides how a container can run here.
type machine struct {
	os, arch   string // as Go names them
	port       int
	dir        string // of the files that were made for this run
	storesURL  string
	ownEnvFile bool // events/local-env.json names another port
}

// steps are what to type in another terminal, in order.
type step struct{ why, command string }

func (m machine) steps() []step {
	port := ""
	if m.ownEnvFile {
		port = fmt.Sprintf(" PORT=%d", m.port)
	}
	list := []step{{"invoke the function as Lambda does, in a container (needs Docker and the AWS SAM CLI)", strings.Join(m.samLines(), "\n")}}
	list = append(list, step{"the same without Docker", "make invoke EVENT=" + schedule + port})
	aws := "aws --endpoint-url " + m.storesURL
	return append(list,
		step{"read the token as your programs do", strings.Join([]string{
			"export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=" + region + " AWS_DEFAULT_REGION=" + region,
			aws + " ssm get-parameter --name /oauth/" + shop + "/access_token --with-decryption --query Parameter.Value --output text",
		}, "\n")},
		step{"check everything: the remaining life of every token, and each token endpoint", "make invoke EVENT=" + healthSchedule + port},
		step{"add a connection, with credentials that the simulated Hotmart knows; then invoke again",
			aws + " secretsmanager create-secret --name " + secretPrefix + spare + " --secret-string file://" + m.dir + "/" + spareFile},
		step{"rotate " + shop + " to new credentials: stage them, start the rotation, and play Secrets Manager's part, which invokes the four steps", strings.Join([]string{
			aws + " secretsmanager put-secret-value --secret-id " + secretPrefix + shop + " --version-stages CANDIDATE --secret-string file://" + m.dir + "/" + pairFile,
			aws + " secretsmanager rotate-secret --secret-id " + secretPrefix + shop + " --rotation-lambda-arn " + rotatorARN + " --client-request-token " + rotationToken,
			"for step in create set test finish; do make invoke EVENT=events/rotator/$step.json" + port + " || break; done",
		}, "\n")},
	)
}

// samLines build for the template's own architecture, arm64, where containers of it run well, and for x86_64 elsewhere. Docker Desktop runs
// both. On Linux a kernel that knows qemu runs arm64 too, but Go programs were seen to hang there.
func (m machine) samLines() []string {
	target, environment := "arm64", ""
	if m.os == "linux" && m.arch == "amd64" {
		target, environment = "amd64", " --config-env x86_64"
	}
	var lines []string
	if m.os == "linux" && m.arch == target {
		lines = append(lines, "export CGO_ENABLED=0") // else go links the C library of this machine, which the container may not have
	}
	envFile := ""
	if m.ownEnvFile {
		envFile = " --env-vars " + m.dir + "/" + envFileName
	}
	return append(lines, "sam build"+environment, "sam local invoke RefresherFunction -e "+schedule+environment+envFile)
}

// resolvesHere asks by a name for the greeting of this program.
func resolvesHere(ctx context.Context, host string, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return greeted(ctx, fmt.Sprintf("http://%s:%d", host, port)) == nil
}
