// Package environment reads the variables of the functions (contract.md section 9): all of them in each function, so that a malformed one ends
// every start. It gets the function that reads one from main, the only place that may use os.Getenv.
package environment

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Config is what the variables say. Sizes and bounds are the contract's.
type Config struct {
	SecretPrefix    string
	ParameterPrefix string
	StateTable      string
	StackName       string
	Region          string

	KMSKeyID           string // "": SSM takes its own key
	SchedulePeriod     time.Duration
	ReaderCacheTTL     time.Duration
	MaxConcurrency     int
	MaxWritesPerSecond float64
	TokenTimeout       time.Duration
	LatencyThreshold   time.Duration
	MetricsByProvider  bool
	LogLevel           slog.Level

	SAMLocal bool // set by `sam local`: endpoints on this machine are accepted, and the rotator does not compare its own ARN
}

// reader reads variables and collects every fault by name.
type reader struct {
	getenv func(string) string
	faults []error
}

// Read reads every variable once. The error lists every fault, each with its variable.
func Read(getenv func(string) string) (Config, error) {
	e := &reader{getenv: getenv}
	c := Config{
		SecretPrefix:       e.matching("SECRET_PREFIX", secretPrefix, `must end with "/", like oauth/`),
		ParameterPrefix:    e.matching("PARAMETER_PREFIX", parameterPrefix, `must begin with "/" and not end with one, like /oauth`),
		StateTable:         e.matching("STATE_TABLE", stateTable, "must be the name of a DynamoDB table, without its ARN"),
		StackName:          e.matching("STACK_NAME", anything, ""),
		Region:             e.matching("AWS_REGION", anything, ""),
		KMSKeyID:           e.optional("KMS_KEY_ID", keyID, "must be a key id, ARN or alias, like alias/chaveiro"),
		SchedulePeriod:     e.duration("SCHEDULE_PERIOD", 5*time.Minute, time.Minute, time.Hour),
		ReaderCacheTTL:     e.duration("READER_CACHE_TTL", 5*time.Minute, time.Second, time.Hour),
		MaxConcurrency:     int(e.number("MAX_CONCURRENCY", 16, 1, 256, true)),
		MaxWritesPerSecond: e.number("MAX_WRITES_PER_SECOND", 3, 0.1, 1000, false),
		TokenTimeout:       e.duration("TOKEN_TIMEOUT", 10*time.Second, time.Second, time.Minute),
		LatencyThreshold:   e.duration("LATENCY_THRESHOLD", time.Second, time.Millisecond, time.Minute),
		MetricsByProvider:  e.boolean("METRICS_BY_PROVIDER"),
		LogLevel:           e.level("LOG_LEVEL"),
		SAMLocal:           getenv("AWS_SAM_LOCAL") == "true",
	}
	if first := strings.ToLower(strings.TrimPrefix(c.ParameterPrefix, "/")); strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		e.fault("PARAMETER_PREFIX", `must not begin with /aws or /ssm, which SSM keeps for itself`)
	}
	if len(c.KMSKeyID) > maxKeyID {
		e.fault("KMS_KEY_ID", fmt.Sprintf("has %d characters: a key id, ARN or alias has at most %d", len(c.KMSKeyID), maxKeyID))
	}
	if n := len(c.StateTable); n > 0 && n < minTable || n > maxTable {
		e.fault("STATE_TABLE", fmt.Sprintf("has %d characters: the name of a table has from %d to %d", n, minTable, maxTable))
	}
	return c, errors.Join(e.faults...)
}

var (
	secretPrefix    = regexp.MustCompile(`^([A-Za-z0-9_+=.@-]+/)+$`)
	parameterPrefix = regexp.MustCompile(`^(/[A-Za-z0-9_.-]+)+$`)
	stateTable      = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)
	keyID           = regexp.MustCompile(`^[a-zA-Z0-9:/_-]+$`)
	anything        = regexp.MustCompile(`.`)
)

// Numbers of characters of a key's id and of a table's name. They are not part of the expressions: compiling a repetition of 256 takes 0.2 ms
// of every cold start.
const (
	maxKeyID = 256
	minTable = 3
	maxTable = 255
)

func (e *reader) fault(name, text string) {
	e.faults = append(e.faults, fmt.Errorf("%s %s", name, text))
}

// matching reads a required text.
func (e *reader) matching(name string, pattern *regexp.Regexp, want string) string {
	value := e.getenv(name)
	switch {
	case value == "":
		e.fault(name, "is missing")
	case !pattern.MatchString(value):
		e.fault(name, fmt.Sprintf("is %q: %s", value, want))
	}
	return value
}

// optional reads a text that may be left out.
func (e *reader) optional(name string, pattern *regexp.Regexp, want string) string {
	if e.getenv(name) == "" {
		return ""
	}
	return e.matching(name, pattern, want)
}

func (e *reader) duration(name string, byDefault, least, most time.Duration) time.Duration {
	value := e.getenv(name)
	if value == "" {
		return byDefault
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > most {
		e.fault(name, fmt.Sprintf("is %q: must be a duration from %s to %s, like %s", value, least, most, byDefault))
	}
	return d
}

func (e *reader) number(name string, byDefault, least, most float64, whole bool) float64 {
	value := e.getenv(name)
	if value == "" {
		return byDefault
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= least && n <= most) || whole && n != float64(int(n)) {
		kind := "number"
		if whole {
			kind = "whole number"
		}
		e.fault(name, fmt.Sprintf("is %q: must be a %s from %g to %g, like %g", value, kind, least, most, byDefault))
	}
	return n
}

func (e *reader) boolean(name string) bool {
	switch value := e.getenv(name); value {
	case "", "false":
		return false
	case "true":
		return true
	default:
		e.fault(name, fmt.Sprintf("is %q: must be true or false", value))
		return false
	}
}

func (e *reader) level(name string) slog.Level {
	var level slog.Level
	value := e.getenv(name)
	if value == "" {
		return slog.LevelInfo
	}
	if err := level.UnmarshalText([]byte(value)); err != nil {
		e.fault(name, fmt.Sprintf("is %q: must be DEBUG, INFO, WARN or ERROR", value))
	}
	return level
}
