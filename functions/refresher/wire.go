package main

import (
	"context"
	"fmt"
	"os"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/heap"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/report"
	"github.com/chaveiro/chaveiro/internal/smsecret"
	"github.com/chaveiro/chaveiro/internal/ssmstore"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

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
	secrets, err := smsecret.New(smsecret.Config{Client: secretsmanager.NewFromConfig(aws), Prefix: env.SecretPrefix})
	if err != nil {
		return nil, err
	}
	parameters, err := ssmstore.New(ssmstore.Config{Client: ssmstore.NewClient(aws, env.MaxConcurrency), Prefix: env.ParameterPrefix, KMSKeyID: env.KMSKeyID})
	if err != nil {
		return nil, err
	}
	catalogue, err := provider.Load()
	if err != nil {
		return nil, err
	}
	client, err := oauth.New(oauth.Config{Timeout: env.TokenTimeout, AllowLoopback: env.SAMLocal, UserAgent: "chaveiro (+oauth2 token client)", MaxIdlePerHost: env.MaxConcurrency})
	if err != nil {
		return nil, err
	}
	f := &function{
		config: refresh.Config{
			Secrets: secrets, Parameters: parameters, Exchanger: client, Catalogue: catalogue,
			SecretPrefix: env.SecretPrefix, Region: env.Region, AllowLoopback: env.SAMLocal,
			Period: env.SchedulePeriod, ReaderCache: env.ReaderCacheTTL, TokenTimeout: env.TokenTimeout,
			MaxConcurrency: env.MaxConcurrency, MaxWritesPerSecond: env.MaxWritesPerSecond,
		},
		reporter: report.New(report.Config{Out: os.Stdout, Stack: env.StackName, ByProvider: env.MetricsByProvider, Level: env.LogLevel}),
	}
	if _, err := refresh.New(f.config); err != nil { // every fault at the start, not at the first event
		return nil, err
	}
	return f, nil
}
