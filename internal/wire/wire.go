package wire

import (
	"context"

	"github.com/chaveiro/chaveiro/internal/environment"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/internal/publish"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/internal/rotate"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// parts are what every use case needs.
type parts struct {
	env       environment.Config
	stores    Stores
	catalogue provider.Catalogue
	client    *oauth.Client
}

// userAgent is how token endpoints see this program.
const userAgent = "chaveiro (+oauth2 token client)"

func open(ctx context.Context, getenv func(string) string) (parts, error) {
	env, err := environment.Read(getenv)
	if err != nil {
		return parts{}, err
	}
	stores, err := OpenStores(ctx, env)
	if err != nil {
		return parts{}, err
	}
	catalogue, err := provider.Load()
	if err != nil {
		return parts{}, err
	}
	client, err := oauth.New(oauth.Config{
		Timeout: env.TokenTimeout, AllowLoopback: env.SAMLocal, UserAgent: userAgent, MaxIdlePerHost: env.MaxConcurrency,
	})
	return parts{env: env, stores: stores, catalogue: catalogue, client: client}, err
}

// Refresher builds the use case of functions/refresher from its environment. The error lists every fault.
func Refresher(ctx context.Context, getenv func(string) string) (*refresh.Refresher, environment.Config, error) {
	p, err := open(ctx, getenv)
	if err != nil {
		return nil, environment.Config{}, err
	}
	r, err := refresh.New(refresh.Config{
		Leases: p.stores.States, States: p.stores.States, Secrets: p.stores.Secrets, Parameters: p.stores.Parameters,
		Requester: p.client, Catalogue: p.catalogue,
		SecretPrefix: p.env.SecretPrefix, Region: p.env.Region, AllowLoopback: p.env.SAMLocal,
		Period: p.env.SchedulePeriod, ReaderCache: p.env.ReaderCacheTTL, TokenTimeout: p.env.TokenTimeout,
		MaxConcurrency: p.env.MaxConcurrency, MaxWritesPerSecond: p.env.MaxWritesPerSecond,
	})
	return r, p.env, err
}

// Rotator builds the use case of functions/rotator from its environment. The error lists every fault.
func Rotator(ctx context.Context, getenv func(string) string) (*rotate.Rotator, environment.Config, error) {
	p, err := open(ctx, getenv)
	if err != nil {
		return nil, environment.Config{}, err
	}
	pacer := publish.NewPacer(p.env.MaxWritesPerSecond, nil)
	r, err := rotate.New(rotate.Config{
		Secrets: p.stores.Versions, Leases: p.stores.States, States: p.stores.States, Publisher: publish.New(p.stores.Parameters, pacer),
		Requester: p.client, Catalogue: p.catalogue,
		SecretPrefix: p.env.SecretPrefix, Region: p.env.Region, AllowLoopback: p.env.SAMLocal,
		Period: p.env.SchedulePeriod, ReaderCache: p.env.ReaderCacheTTL,
	})
	return r, p.env, err
}

// Healthcheck builds the use case of functions/healthcheck from its environment. The error lists every fault.
func Healthcheck(ctx context.Context, getenv func(string) string) (*probe.Checker, environment.Config, error) {
	p, err := open(ctx, getenv)
	if err != nil {
		return nil, environment.Config{}, err
	}
	c, err := probe.New(probe.Config{
		Secrets: p.stores.Secrets, States: p.stores.States, Prober: p.client, Catalogue: p.catalogue,
		SecretPrefix: p.env.SecretPrefix, Region: p.env.Region, AllowLoopback: p.env.SAMLocal,
		Period: p.env.SchedulePeriod, ReaderCache: p.env.ReaderCacheTTL, TokenTimeout: p.env.TokenTimeout, Threshold: p.env.LatencyThreshold,
	})
	return c, p.env, err
}
