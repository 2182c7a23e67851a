package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
)

// The programs that are built as the function is deployed.
const (
	refresherProgram = "functions/refresher"
	clientsProgram   = "cmd/bench/floor/clients"
	lambdaProgram    = "cmd/bench/floor/lambda"
)

// build compiles a main package of this repository for linux with the flags of the deployed binary, once, and returns its path.
func (b *bench) build(ctx context.Context, program, arch string) (string, error) {
	key := program + "|" + arch
	if done := b.built[key]; done != "" {
		return done, nil
	}
	b.say("building %s for %s", program, arch)
	bootstrap := filepath.Join(b.dir, arch, path.Base(program), "bootstrap")
	//nolint:gosec // program is one of the constants above
	cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=exe", "-buildvcs=false", "-trimpath",
		"-tags=lambda.norpc", "-ldflags=-s -w -buildid=", "-o", bootstrap, "./"+program)
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
