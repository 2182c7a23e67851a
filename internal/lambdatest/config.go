package lambdatest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Defaults of a [Config].
const (
	DefaultName        = "function"
	DefaultTimeout     = 30 * time.Second
	DefaultInitTimeout = 10 * time.Second // Lambda's own limit for the start of a function
)

// Config says what to run. Only Bootstrap is required.
type Config struct {
	// Bootstrap is the path of the function's binary, as [Build] returns it.
	Bootstrap string

	// Env is the function's environment beside the variables that Lambda itself sets. Nothing of the caller's environment is inherited.
	// AWS_REGION is us-east-1 if Env does not say otherwise.
	Env map[string]string

	// Name is the function's name; DefaultName if empty.
	Name string

	// Timeout is the function's Timeout: the deadline of each invocation, after which the process is killed. DefaultTimeout if zero.
	Timeout time.Duration

	// InitTimeout bounds the time from the start of the process to its first call for work. DefaultInitTimeout if zero.
	InitTimeout time.Duration

	// Now is the clock that deadlines are counted from; time.Now if nil.
	Now func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.InitTimeout == 0 {
		c.InitTimeout = DefaultInitTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, c.validate()
}

func (c *Config) validate() error {
	var faults []error
	if c.Bootstrap == "" {
		faults = append(faults, errors.New("no Bootstrap to run"))
	} else if path, err := filepath.Abs(c.Bootstrap); err != nil {
		faults = append(faults, err)
	} else if info, err := os.Stat(path); err != nil {
		faults = append(faults, err)
	} else if info.IsDir() {
		faults = append(faults, fmt.Errorf("%s is a folder, not a binary", path))
	} else {
		c.Bootstrap = path
	}
	if c.Timeout < 0 || c.InitTimeout < 0 {
		faults = append(faults, errors.New("negative Timeout or InitTimeout"))
	}
	for name := range c.Env {
		if reserved(name) {
			faults = append(faults, fmt.Errorf("environment variable %s is set by Lambda itself", name))
		}
	}
	return errors.Join(faults...)
}

// reserved names cannot be set by a function's configuration. AWS_REGION and the credentials cannot be set on Lambda either, but here
// nobody else would set them.
func reserved(name string) bool {
	return name == "_HANDLER" || name == "LAMBDA_TASK_ROOT" || strings.HasPrefix(name, "AWS_LAMBDA_")
}

// environ is the whole environment of the function's process, but for the address of the Runtime API.
func (c *Config) environ() []string {
	env := map[string]string{
		"AWS_DEFAULT_REGION":              "us-east-1",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
		"AWS_REGION":                      "us-east-1",
		"LAMBDA_TASK_ROOT":                filepath.Dir(c.Bootstrap),
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
		"TZ":                              ":UTC",
		"_HANDLER":                        "bootstrap",
	}
	if region, ok := c.Env["AWS_REGION"]; ok {
		env["AWS_DEFAULT_REGION"] = region
	}
	for name, value := range c.Env {
		env[name] = value
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// arn is the function's ARN, of an account that does not exist.
func (c *Config) arn() string {
	region := c.Env["AWS_REGION"]
	if region == "" {
		region = "us-east-1"
	}
	return "arn:aws:lambda:" + region + ":000000000000:function:" + c.Name
}
