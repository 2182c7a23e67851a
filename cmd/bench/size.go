package main

import (
	"archive/zip"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

//go:embed today/pack.py
var packScript []byte

// The limits of what is deployed, in MB of 1,000,000 bytes.
const (
	megabyte  = 1e6
	maxBinary = 16
	maxZip    = 6
)

// measureSize builds what is deployed (make build) for both architectures that Lambda has, and packs it as `sam deploy` does: one file,
// deflated. Beside it stands what a plain `sam build` makes, which knows none of the settings of make build and so has no limit.
func measureSize(ctx context.Context, b *bench) ([]row, error) {
	var rows []row
	for _, arch := range []string{"arm64", "amd64"} {
		ours, err := b.sizes(ctx, b.build, refresherProgram, arch)
		if err != nil {
			return rows, err
		}
		plain, err := b.sizes(ctx, b.buildPlain, refresherProgram, arch)
		if err != nil {
			return rows, err
		}
		least, err := b.sizes(ctx, b.build, clientsProgram, arch)
		if err != nil {
			return rows, err
		}
		health, err := b.sizes(ctx, b.build, healthcheckProgram, arch)
		if err != nil {
			return rows, err
		}
		under := func(v float64) *floor { return &floor{v, "SDK clients alone"} }
		name := map[string]string{"arm64": "arm64", "amd64": "x86_64"}[arch]
		rows = append(rows,
			row{Measure: "binary, " + name, Value: ours.binary, Unit: "MB", Floor: under(least.binary), Limit: &limit{Most: maxBinary}},
			row{Measure: "  beside it: a plain sam build", Value: plain.binary, Unit: "MB", Floor: under(least.binary)},
			row{Measure: "zip, " + name, Value: ours.zip, Unit: "MB", Floor: under(least.zip), Limit: &limit{Most: maxZip}},
			row{Measure: "  beside it: a plain sam build", Value: plain.zip, Unit: "MB", Floor: under(least.zip)},
			row{Measure: "binary of the healthcheck, " + name, Value: health.binary, Unit: "MB", Floor: under(least.binary), Limit: &limit{Most: maxBinary}},
			row{Measure: "zip of the healthcheck, " + name, Value: health.zip, Unit: "MB", Floor: under(least.zip), Limit: &limit{Most: maxZip}})
	}
	return rows, nil
}

// builder makes a program and returns its path.
type builder func(ctx context.Context, program, arch string) (string, error)

// sizes of a program in MB.
type sizes struct{ binary, zip float64 }

func (b *bench) sizes(ctx context.Context, build builder, program, arch string) (sizes, error) {
	bootstrap, err := build(ctx, program, arch)
	if err != nil {
		return sizes{}, err
	}
	info, err := os.Stat(bootstrap)
	if err != nil {
		return sizes{}, fmt.Errorf("weigh %s: %w", program, err)
	}
	packed, err := b.packed(ctx, bootstrap)
	if err != nil {
		return sizes{}, fmt.Errorf("zip %s: %w", program, err)
	}
	return sizes{binary: float64(info.Size()) / megabyte, zip: float64(packed) / megabyte}, nil
}

// packed is the length of the archive that `sam deploy` makes: with Python's zipfile where there is a Python, since Go's own deflates about
// a fortieth less.
func (b *bench) packed(ctx context.Context, file string) (int64, error) {
	if b.python == "" {
		return zipped(file)
	}
	script, err := b.script("pack.py", packScript)
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, b.python, script, file).Output() //nolint:gosec // the interpreter that was given
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
}

// zipped is the length of an archive that holds one file, in bytes.
func zipped(file string) (int64, error) {
	in, err := os.Open(file) //nolint:gosec // a file that this program has built
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	var size counter
	archive := zip.NewWriter(&size)
	entry, err := archive.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := io.Copy(entry, in); err != nil {
		return 0, err
	}
	if err := archive.Close(); err != nil {
		return 0, err
	}
	return int64(size), nil
}

// counter is a writer that counts bytes.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
