package environment

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// environ is a complete environment with changes laid over it; a value of "-" takes a variable away.
func environ(changes ...string) func(string) string {
	env := map[string]string{
		"SECRET_PREFIX": "oauth/", "PARAMETER_PREFIX": "/oauth", "STATE_TABLE": "chaveiro-state", "STACK_NAME": "chaveiro", "AWS_REGION": "sa-east-1",
	}
	for i := 0; i+1 < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
		if changes[i+1] == "-" {
			delete(env, changes[i])
		}
	}
	return func(name string) string { return env[name] }
}

func TestDefaultsAreTheContracts(t *testing.T) {
	got, err := Read(environ())
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		SecretPrefix: "oauth/", ParameterPrefix: "/oauth", StateTable: "chaveiro-state", StackName: "chaveiro", Region: "sa-east-1",
		SchedulePeriod: 5 * time.Minute, ReaderCacheTTL: 5 * time.Minute,
		MaxConcurrency: 16, MaxWritesPerSecond: 3, TokenTimeout: 10 * time.Second, LatencyThreshold: time.Second, LogLevel: slog.LevelInfo,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	got, err := Read(environ("SECRET_PREFIX", "prod/oauth/", "PARAMETER_PREFIX", "/prod/oauth", "STATE_TABLE", "prod_State.1-a",
		"KMS_KEY_ID", "alias/mine", "SCHEDULE_PERIOD", "1m", "READER_CACHE_TTL", "30s", "MAX_CONCURRENCY", "4",
		"MAX_WRITES_PER_SECOND", "9.5", "TOKEN_TIMEOUT", "20s", "LATENCY_THRESHOLD", "700ms",
		"METRICS_BY_PROVIDER", "true", "LOG_LEVEL", "DEBUG", "AWS_SAM_LOCAL", "true"))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		SecretPrefix: "prod/oauth/", ParameterPrefix: "/prod/oauth", StateTable: "prod_State.1-a", StackName: "chaveiro", Region: "sa-east-1",
		KMSKeyID: "alias/mine", SchedulePeriod: time.Minute, ReaderCacheTTL: 30 * time.Second,
		MaxConcurrency: 4, MaxWritesPerSecond: 9.5, TokenTimeout: 20 * time.Second, LatencyThreshold: 700 * time.Millisecond,
		MetricsByProvider: true, LogLevel: slog.LevelDebug, SAMLocal: true,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEachFaultNamesItsVariable(t *testing.T) {
	for name, c := range map[string]struct{ variable, value string }{
		"a required one is missing":               {"SECRET_PREFIX", "-"},
		"the parameters' prefix is missing":       {"PARAMETER_PREFIX", "-"},
		"the stack's name is missing":             {"STACK_NAME", "-"},
		"a secrets' prefix without a slash":       {"SECRET_PREFIX", "oauth"},
		"a secrets' prefix that is a slash":       {"SECRET_PREFIX", "/"},
		"a parameters' prefix without a slash":    {"PARAMETER_PREFIX", "oauth"},
		"a parameters' prefix that ends with one": {"PARAMETER_PREFIX", "/oauth/"},
		"a parameters' prefix of AWS's own":       {"PARAMETER_PREFIX", "/aws/oauth"},
		"a parameters' prefix of SSM's own":       {"PARAMETER_PREFIX", "/SSMtokens"},
		"the state table is missing":              {"STATE_TABLE", "-"},
		"a table's name of two characters":        {"STATE_TABLE", "ab"},
		"a table's name of 256 characters":        {"STATE_TABLE", strings.Repeat("t", 256)},
		"a table's ARN":                           {"STATE_TABLE", "arn:aws:dynamodb:sa-east-1:123456789012:table/chaveiro"},
		"a table's name with a blank":             {"STATE_TABLE", "my table"},
		"a key with a blank":                      {"KMS_KEY_ID", "alias/my key"},
		"a key of 257 characters":                 {"KMS_KEY_ID", strings.Repeat("k", 257)},
		"a period without a unit":                 {"SCHEDULE_PERIOD", "5"},
		"a period of nothing":                     {"SCHEDULE_PERIOD", "0s"},
		"a negative cache":                        {"READER_CACHE_TTL", "-5m"},
		"no workers":                              {"MAX_CONCURRENCY", "0"},
		"half a worker":                           {"MAX_CONCURRENCY", "1.5"},
		"no writes":                               {"MAX_WRITES_PER_SECOND", "0"},
		"not a number":                            {"MAX_WRITES_PER_SECOND", "NaN"},
		"endless writes":                          {"MAX_WRITES_PER_SECOND", "Inf"},
		"a time-out of an hour":                   {"TOKEN_TIMEOUT", "1h"},
		"a threshold without a unit":              {"LATENCY_THRESHOLD", "1000"},
		"yes for true":                            {"METRICS_BY_PROVIDER", "yes"},
		"an unknown level":                        {"LOG_LEVEL", "LOUD"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(environ(c.variable, c.value))
			if err == nil || !strings.HasPrefix(err.Error(), c.variable+" ") {
				t.Errorf("error %v, want one that begins with %s", err, c.variable)
			}
			if err != nil && strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("one fault is told as several: %v", err)
			}
		})
	}
}

func TestTheLongestAndShortestNamesAreAccepted(t *testing.T) {
	for variable, values := range map[string][]string{
		"STATE_TABLE": {"abc", strings.Repeat("t", 255)},
		"KMS_KEY_ID":  {"k", strings.Repeat("k", 256)},
	} {
		for _, value := range values {
			if _, err := Read(environ(variable, value)); err != nil {
				t.Errorf("%s of %d characters: %v", variable, len(value), err)
			}
		}
	}
}

func TestAllFaultsAreListedTogether(t *testing.T) {
	_, err := Read(environ("SECRET_PREFIX", "-", "STACK_NAME", "-", "TOKEN_TIMEOUT", "soon"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Fatalf("want three lines, got: %v", err)
	}
	for _, name := range []string{"SECRET_PREFIX", "STACK_NAME", "TOKEN_TIMEOUT"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}
