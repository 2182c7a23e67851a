package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
)

// readers are two programs that use one connection's token while it is rotated: one reads the parameter before each call of the provider's
// API, the other keeps the token that it read first, as programs do for some minutes.
type readers struct {
	world      *world
	connection string
	client     *http.Client

	mu      sync.Mutex
	kept    string // the token that the second one keeps
	calls   int    // of the API
	refused []string
}

// apiTime is how long one call of the API may take.
const apiTime = 5 * time.Second

func newReaders(w *world, connection string) *readers {
	return &readers{world: w, connection: connection, client: &http.Client{Timeout: apiTime, Transport: &http.Transport{}}} // no proxy: it is this machine
}

// look has both programs call the API.
func (r *readers) look(ctx context.Context, when string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	token := r.world.value(r.connection, store.KindToken)
	if r.kept == "" {
		r.kept = token
	}
	for who, token := range map[string]string{"the program that reads anew": token, "the program that keeps its token": r.kept} {
		r.calls++
		if err := r.call(ctx, token); err != nil {
			r.refused = append(r.refused, fmt.Sprintf("%s, %s: %v", who, when, err))
		}
	}
}

// call makes one call of the provider's API. Its errors do not hold what was sent.
func (r *readers) call(ctx context.Context, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.world.apiURL(r.connection), http.NoBody)
	if err != nil {
		return errors.New("the address of the API cannot be used")
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if account := r.world.value(r.connection, store.KindAccount); account != "" {
		request.Header.Set("X-Kiwify-Account-Id", account)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return errors.New("the API does not answer")
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxCall)); err != nil {
		return errors.New("the API's answer breaks off")
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", answer.StatusCode)
	}
	return nil
}

// count is how many calls were made so far, and how many of them were refused.
func (r *readers) count() (calls, refused int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls, len(r.refused)
}

// served reports whether the readers made at least so many calls and none was refused. What was refused is printed.
func (r *readers) served(least int, say func(format string, args ...any)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, what := range r.refused {
		say("  refused: %s", what)
	}
	return r.calls >= least && len(r.refused) == 0
}

func (r *readers) close() { r.client.CloseIdleConnections() }

// apiURL is where programs use the token of a connection.
func (w *world) apiURL(connection string) string {
	if strings.HasPrefix(connection, "hotmart/") {
		return strings.TrimSuffix(w.hotmartURL, w.hotmart.TokenPath()) + w.hotmart.APIPath()
	}
	return strings.TrimSuffix(w.kiwifyURL, w.kiwify.TokenPath()) + w.kiwify.APIPath()
}
