package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/awstest"
	"github.com/chaveiro/chaveiro/internal/probe"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// healthTime is the Timeout of the healthcheck's function.
const healthTime = 2 * time.Minute

// Health invokes the healthcheck with an event, wired as its function is, over the same network as the refresher. The events are in the order
// in which they were observed. What came out is part of Emitted.
func (w *World) Health(ctx context.Context, event string) (probe.Report, []probe.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	var mu sync.Mutex
	var events []probe.Event
	observe := func(ev probe.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, ev)
	}
	found, err := w.health(ctx, event, observe)
	mu.Lock()
	defer mu.Unlock()
	w.emitHealth(found, events, err)
	return found, slices.Clone(events), err
}

func (w *World) health(ctx context.Context, event string, observe func(probe.Event)) (probe.Report, error) {
	call, err := probe.ParseCall([]byte(event))
	if err != nil {
		return probe.Report{}, err
	}
	s := w.Settings
	client, err := oauth.New(oauth.Config{Timeout: s.TokenTimeout, AllowLoopback: s.AllowLoopback, Transport: listener{w}})
	if err != nil {
		return probe.Report{}, err
	}
	checker, err := probe.New(probe.Config{
		Secrets: w.secrets, States: w.states, Prober: client, Catalogue: w.catalogue,
		SecretPrefix: SecretPrefix, Region: awstest.Region, AllowLoopback: s.AllowLoopback,
		Period: s.Period, ReaderCache: s.ReaderCache, TokenTimeout: s.TokenTimeout,
	})
	if err != nil {
		return probe.Report{}, err
	}
	return checker.Run(ctx, call, probe.Invocation{Observe: observe})
}

// emitHealth writes down what the healthcheck let out.
func (w *World) emitHealth(found probe.Report, events []probe.Event, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, wrong := json.Marshal(found)
	if wrong != nil {
		text = []byte(wrong.Error())
	}
	fmt.Fprintf(&w.out, "%s\n%+v\n%+v\n", text, found, events)
	if err != nil {
		fmt.Fprintf(&w.out, "%v\n%+v\n%#v\n", err, err, err)
	}
}
