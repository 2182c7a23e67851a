package main

import (
	"context"
	"fmt"
	"os"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/heap"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// parts are what all invocations share.
type parts struct {
	refresh  refresh.Config
	rotate   rotate.Config
	samLocal bool
}

// rotator makes the rotator of one invocation, with the refresher whose gate and pace it publishes through.
func (p parts) rotator(run *report.Run, functionARN string) (*rotate.Rotator, error) {
	p.refresh.Observe, p.rotate.Observe = run.Observe, run.ObserveRotation
	refresher, err := refresh.New(p.refresh)
	if err != nil {
		return nil, err
	}
	p.rotate.Publisher = refresher
	if !p.samLocal {
		p.rotate.FunctionARN = functionARN
	}
	return rotate.New(p.rotate)
}

// wire makes the function of its environment.
func wire(ctx context.Context, getenv func(string) string) (*function, error) {
	env, err := environment.Read(getenv)
	if err != nil {
		return nil, err
	}
	heap.Tune(env.MemorySize)
	aws, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	sm := secretsmanager.NewFromConfig(aws)
	versions, err := smsecret.NewVersions(smsecret.VersionsConfig{Client: sm})
	if err != nil {
		return nil, err
	}
	secrets, err := smsecret.New(smsecret.Config{Client: sm, Prefix: env.SecretPrefix})
	if err != nil {
		return nil, err
	}
	parameters, err := ssmstore.New(ssmstore.Config{Client: ssm.NewFromConfig(aws), Prefix: env.ParameterPrefix, KMSKeyID: env.KMSKeyID})
	if err != nil {
		return nil, err
	}
	catalogue, err := provider.Load()
	if err != nil {
		return nil, err
	}
	client, err := oauth.New(oauth.Config{Timeout: env.TokenTimeout, AllowLoopback: env.SAMLocal, UserAgent: "chaveiro (+oauth2 token client)"})
	if err != nil {
		return nil, err
	}
	f := &function{
		parts: parts{
			refresh: refresh.Config{
				Secrets: secrets, Parameters: parameters, Exchanger: client, Catalogue: catalogue,
				SecretPrefix: env.SecretPrefix, Region: env.Region, AllowLoopback: env.SAMLocal,
				Period: env.SchedulePeriod, ReaderCache: env.ReaderCacheTTL, TokenTimeout: env.TokenTimeout, MaxWritesPerSecond: env.MaxWritesPerSecond,
			},
			rotate: rotate.Config{
				Secrets: versions, Exchanger: client, Catalogue: catalogue,
				SecretPrefix: env.SecretPrefix, Region: env.Region, AllowLoopback: env.SAMLocal,
			},
			samLocal: env.SAMLocal,
		},
		reporter: report.New(report.Config{Out: os.Stdout, Stack: env.StackName, Level: env.LogLevel}),
	}
	if _, err := f.parts.rotator(f.reporter.Run(""), ""); err != nil { // every fault at the start, not at the first event
		return nil, err
	}
	return f, nil
}
