package wire

import (
	"context"
	"strings"
	"testing"

	"github.com/chaveiro/chaveiro/internal/environment"
)

func TestEveryFunctionIsBuiltFromItsEnvironment(t *testing.T) {
	setAWS(t, "")
	complete := map[string]string{
		"SECRET_PREFIX": "oauth/", "PARAMETER_PREFIX": "/oauth", "STATE_TABLE": "chaveiro-state", "STACK_NAME": "chaveiro", "AWS_REGION": "sa-east-1",
	}
	for name, build := range map[string]func(context.Context, func(string) string) (built bool, env environment.Config, err error){
		"refresher": func(ctx context.Context, getenv func(string) string) (bool, environment.Config, error) {
			r, env, err := Refresher(ctx, getenv)
			return r != nil, env, err
		},
		"rotator": func(ctx context.Context, getenv func(string) string) (bool, environment.Config, error) {
			r, env, err := Rotator(ctx, getenv)
			return r != nil, env, err
		},
		"healthcheck": func(ctx context.Context, getenv func(string) string) (bool, environment.Config, error) {
			c, env, err := Healthcheck(ctx, getenv)
			return c != nil, env, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			built, env, err := build(t.Context(), func(name string) string { return complete[name] })
			if err != nil || !built || env.StackName != "chaveiro" {
				t.Errorf("built %v, %+v, %v", built, env, err)
			}
			built, _, err = build(t.Context(), func(name string) string { return map[string]string{"MAX_CONCURRENCY": "0"}[name] })
			if err == nil || built {
				t.Fatalf("built %v of an empty environment, %v", built, err)
			}
			for _, variable := range []string{"SECRET_PREFIX", "PARAMETER_PREFIX", "STATE_TABLE", "STACK_NAME", "AWS_REGION", "MAX_CONCURRENCY"} {
				if !strings.Contains(err.Error(), variable) {
					t.Errorf("%s is not among\n%v", variable, err)
				}
			}
		})
	}
}
