package readers_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

// patience is how long one program may take.
const patience = 60 * time.Second

// environ is the whole environment of a program: nothing of the caller's, so that no account of a developer's is ever reached.
func (w *world) environ(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "LANG=C.UTF-8",
		"AWS_REGION=" + awstest.Region, "AWS_DEFAULT_REGION=" + awstest.Region, // version 1 of the command line knows only the second
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=not-a-key",
		"AWS_ENDPOINT_URL=" + w.url, "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
	}, more...)
}

// ran is how a program ended.
type ran struct {
	out, err string
	ok       bool
}

// exec runs a program in the world's folder.
func (w *world) exec(env []string, program string, args ...string) ran {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = w.dir, env, time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		w.t.Fatalf("%s did not end within %s:\n%s", program, patience, errs.String())
	}
	return ran{out: out.String(), err: errs.String(), ok: err == nil}
}

// whole skips a test of many seconds when only the quick ones are asked for.
func whole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts other languages' programs, which take seconds; make test runs it")
	}
}

// find is the path of an interpreter; without it the test is skipped.
func find(t *testing.T, program, install string) string {
	t.Helper()
	whole(t)
	found, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed (%s)", program, install)
	}
	return found
}

// wantAWS skips the test where there is no AWS command line.
func wantAWS(t *testing.T) (program string) {
	t.Helper()
	whole(t)
	program = os.Getenv("CHAVEIRO_AWS")
	if program == "" {
		t.Skip("CHAVEIRO_AWS does not name the AWS command line; make test and make readers install it")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("CHAVEIRO_AWS: %v", err)
	}
	return program
}

// shell runs a script in bash, as a person types it, with the real AWS command line under the name aws.
func (w *world) shell(script string) ran {
	w.t.Helper()
	program := wantAWS(w.t)
	bash := find(w.t, "bash", "every Linux has a package for it")
	if w.cli == "" {
		got := w.exec(os.Environ(), program, "--version")
		version := regexp.MustCompile(`aws-cli/(\d+)\.`).FindStringSubmatch(got.out + got.err)
		if version == nil {
			w.t.Fatalf("%s does not say its version: %s%s", program, got.out, got.err)
		}
		w.cli = version[1]
	}
	bin, err := filepath.Abs("testdata/bin")
	must(w.t, err)
	env := w.environ("PATH="+bin+":"+os.Getenv("PATH"), "CHAVEIRO_AWS="+program, "CHAVEIRO_AWS_VERSION="+w.cli)
	return w.exec(env, bash, "-c", script)
}
