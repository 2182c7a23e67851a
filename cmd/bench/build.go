package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
)

// The programs that are built as the function is deployed.
const (
	refresherProgram   = "functions/refresher"
	healthcheckProgram = "functions/healthcheck"
	clientsProgram     = "cmd/bench/floor/clients"
	lambdaProgram      = "cmd/bench/floor/lambda"
)

// build compiles a main package of this repository for linux with the flags of the deployed binary, once, and returns its path.
func (b *bench) build(ctx context.Context, program, arch string) (string, error) {
	return b.buildWith(ctx, program, arch, "deployed", "-tags=lambda.norpc", "-ldflags=-s -w -buildid=")
}

// buildPlain is build without the settings of make build: what sam build makes by itself, which is with the template's trimmed paths alone.
func (b *bench) buildPlain(ctx context.Context, program, arch string) (string, error) {
	return b.buildWith(ctx, program, arch, "plain")
}

// buildWith is build with further flags; kind names them.
func (b *bench) buildWith(ctx context.Context, program, arch, kind string, flags ...string) (string, error) {
	key := program + "|" + arch + "|" + kind
	if done := b.built[key]; done != "" {
		return done, nil
	}
	b.say("building %s for %s, %s", program, arch, kind)
	bootstrap := filepath.Join(b.dir, kind, arch, path.Base(program), "bootstrap")
	args := slices.Concat([]string{"build", "-buildmode=exe", "-buildvcs=false", "-trimpath"}, flags, []string{"-o", bootstrap, "./" + program})
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // program and flags are constants of this package
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s for %s: %w\n%s", program, arch, err, text)
	}
	b.built[key] = bootstrap
	return bootstrap, nil
}

// buildHere is build for this machine.
func (b *bench) buildHere(ctx context.Context, program string) (string, error) {
	return b.build(ctx, program, runtime.GOARCH)
}
