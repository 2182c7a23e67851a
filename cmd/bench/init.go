package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/chaveiro/chaveiro/internal/awstest"
)

//go:embed today/init.py
var initScript []byte

const (
	maxInitRatio = 1.25 // how much longer than its SDK clients alone the refresher may take to start
	maxMemory    = 20   // MB resident at the first /next
	memorySize   = 256  // of the function in MB, the default of the template
)

// A contestant that starts.
type starter struct {
	name   string
	argv   []string
	every  int // measured in each round that this divides
	took   samples
	memory samples
}

// measureInit measures the time from the start of a process to its first request for an event: what a cold start adds to the first answer.
//
// The contestants take turns within a round, each round beginning with another one, so that what else the machine does meets all of them
// alike. The value is the median, of the refresher and of the floor: a start waits for the scheduler several times (threads, the
// connection, the garbage collector's workers), so its least time is a lucky interleaving and not the program's own cost. The medians of
// contestants that were interleaved are shifted alike by the neighbours' load, and their ratio repeats to about a hundredth.
func measureInit(ctx context.Context, b *bench) ([]row, error) {
	field, err := b.starters(ctx)
	if err != nil {
		return nil, err
	}
	api, err := listenForNext(ctx, b.now)
	if err != nil {
		return nil, err
	}
	defer api.close()
	b.say("starting each of %d programs many times", len(field))
	rounds := b.rounds(100, 10)
	for round := -1; round < rounds; round++ { // the one before the first brings the files into memory
		for i := range field {
			s := &field[(i+max(round, 0))%len(field)]
			if round%s.every != 0 && round >= 0 {
				continue
			}
			one, err := api.measure(ctx, s.argv, functionEnvironment())
			if err != nil {
				return nil, err
			}
			if round >= 0 {
				s.took = append(s.took, float64(one.took.Microseconds())/1000)
				s.memory = append(s.memory, one.memory)
			}
		}
	}
	return initRows(field), nil
}

// starters are what takes part: the refresher first, then the floor, then what is printed beside them.
func (b *bench) starters(ctx context.Context) ([]starter, error) {
	field := []starter{
		{name: "refresher", argv: []string{refresherProgram}, every: 1},
		{name: "SDK clients alone", argv: []string{clientsProgram}, every: 1},
		{name: "healthcheck", argv: []string{healthcheckProgram}, every: 2},
		{name: "aws-lambda-go alone", argv: []string{lambdaProgram}, every: 2},
	}
	for i := range field {
		bootstrap, err := b.buildHere(ctx, field[i].argv[0])
		if err != nil {
			return nil, err
		}
		field[i].argv[0] = bootstrap
	}
	if b.python != "" {
		script, err := b.script("init.py", initScript)
		if err != nil {
			return nil, err
		}
		field = append(field, starter{name: "Python with boto3", argv: []string{b.python, script}, every: 10})
	}
	return field, nil
}

func initRows(field []starter) []row {
	ours, least := field[0], field[1]
	under := func(s samples) *floor { return &floor{s.median(), least.name} }
	rows := []row{{
		Measure: "start to the first /next", Value: ours.took.median(), Unit: "ms", Spread: ours.took.spread(),
		Floor: under(least.took), Limit: &limit{Most: maxInitRatio, OfRatio: true},
	}}
	for _, s := range field[2:] {
		rows = append(rows, row{Measure: "  beside it: " + s.name, Value: s.took.median(), Unit: "ms", Spread: s.took.spread(), Floor: under(least.took)})
	}
	if ours.memory.least() == 0 {
		return rows // the system does not tell
	}
	rows = append(rows, row{
		Measure: "memory at the first /next", Value: ours.memory.median(), Unit: "MB", Spread: ours.memory.spread(), Floor: under(least.memory),
		Limit: &limit{Most: maxMemory},
	})
	for _, s := range field[2:] {
		rows = append(rows, row{
			Measure: "  beside it: " + s.name, Value: s.memory.median(), Unit: "MB", Spread: s.memory.spread(), Floor: under(least.memory),
		})
	}
	return rows
}

// script writes a Python program to the folder of this run.
func (b *bench) script(name string, text []byte) (string, error) {
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}

// functionEnvironment is what Lambda and the template give to the refresher, with credentials of nobody. Nothing of the caller's is
// inherited: a profile or a proxy would change what is measured.
func functionEnvironment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=en_US.UTF-8", "TZ=:UTC", "HOME=/nonexistent", "_HANDLER=bootstrap",
		"AWS_LAMBDA_FUNCTION_NAME=bench", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(memorySize),
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=not-a-key",
		"GOGC=400", "GOMAXPROCS=1", fmt.Sprintf("GOMEMLIMIT=%d000000B", memorySize),
		"SECRET_PREFIX=" + secretPrefix, "PARAMETER_PREFIX=" + parameterPrefix, "STATE_TABLE=" + awstest.StateTable, "STACK_NAME=bench",
	}
}
