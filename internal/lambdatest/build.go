package lambdatest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Build compiles the main package in dir to out/bootstrap, with the flags that the deployed binary is built with, and returns the absolute
// path of the binary. It is built for this machine. The error holds what the compiler printed.
func Build(ctx context.Context, dir, out string) (bootstrap string, err error) {
	out, err = filepath.Abs(out)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", dir, err)
	}
	bootstrap = filepath.Join(out, "bootstrap")
	// A directory that holds no main package would be built into an archive that cannot start: -buildmode=exe refuses it.
	cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=exe", "-buildvcs=false",
		"-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", bootstrap, ".")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", dir, err, text)
	}
	return bootstrap, nil
}
