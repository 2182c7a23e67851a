// Package publish writes what readers read: the token, the account id and the failure notice of one connection, at the pace of the installation.
package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Parameters writes to Parameter Store. *ssmstore.Store implements it.
type Parameters interface {
	// Put writes once, without retries, and returns the version that SSM gave the parameter.
	Put(ctx context.Context, w store.Write) (version int64, err error)
	// Delete removes parameters, 10 a call. One that does not exist is no error.
	Delete(ctx context.Context, names []store.Name) error
}

// Publisher writes the parameters of connections. It is safe for concurrent use.
type Publisher struct {
	parameters Parameters
	pacer      *Pacer
}

// New returns a Publisher that writes at the pace of pacer.
func New(parameters Parameters, pacer *Pacer) *Publisher {
	return &Publisher{parameters: parameters, pacer: pacer}
}

// Token writes an access token and returns the version of its parameter. A write that SSM throttles or does not answer is repeated with the same
// value until ctx ends, which must be soon: the caller holds the lease, so nobody else writes. The error wraps store.ErrUnwritable,
// store.ErrTypeConflict or store.ErrInvalidWrite; with any other the token may be lost.
func (p *Publisher) Token(ctx context.Context, id string, token oauth.Secret, expiresAt time.Time) (int64, error) {
	return p.put(ctx, store.Write{
		Name: store.Name{Connection: id, Kind: store.KindToken}, Value: token,
		Description: fmt.Sprintf("Access token of %s, renewed by chaveiro. Valid until %s.", id, expiresAt.UTC().Format(time.RFC3339)),
	})
}

// Account writes the account id that API calls send beside the token. Its errors are those of Token.
func (p *Publisher) Account(ctx context.Context, id, account, providerName string) error {
	_, err := p.put(ctx, store.Write{
		Name: store.Name{Connection: id, Kind: store.KindAccount}, Value: oauth.NewSecret(account),
		Description: "Account at " + providerName + " that API calls send beside the token",
	})
	return err
}

const (
	// unansweredPause is the first wait before a write without an answer is repeated; it doubles up to longestPause.
	unansweredPause = 500 * time.Millisecond
	longestPause    = 8 * time.Second
)

// put repeats a write until SSM takes it, refuses it, or ctx ends.
func (p *Publisher) put(ctx context.Context, w store.Write) (version int64, err error) {
	var last error
	for pause := unansweredPause; ; {
		err := p.pacer.Do(ctx, func(ctx context.Context) (err error) {
			version, err = p.parameters.Put(ctx, w)
			return err
		})
		switch {
		case err == nil:
			return version, nil
		case ctx.Err() != nil:
			if last == nil {
				last = fmt.Errorf("no turn before the end of the run: %w", store.ErrThrottled)
			}
			return 0, fmt.Errorf("write %s of %s: %w", w.Kind, w.Connection, last)
		case errors.Is(err, store.ErrThrottled): // the pacer has slowed down
			last = err
		case errors.Is(err, store.ErrUnavailable):
			last = err
			_ = sleep(ctx, pause) // the end of ctx is found by the next attempt
			pause = min(2*pause, longestPause)
		default:
			return 0, err
		}
	}
}

// Failure writes the sentence of a failing connection, once. The description repeats it: the event that starts the mail carries the description and
// not the value. A parameter of another type under that name was made by hand: it is deleted, and the
// next run writes the sentence, since AWS wants a pause between deletion and creation.
func (p *Publisher) Failure(ctx context.Context, id, sentence string) error {
	name := store.Name{Connection: id, Kind: store.KindFailure}
	err := p.pacer.Do(ctx, func(ctx context.Context) error {
		_, err := p.parameters.Put(ctx, store.Write{Name: name, Value: oauth.NewSecret(sentence), Description: cut(sentence, maxDescription)})
		return err
	})
	if errors.Is(err, store.ErrTypeConflict) {
		return errors.Join(err, p.parameters.Delete(ctx, []store.Name{name}))
	}
	return err
}

// maxDescription is how many characters the description of a parameter holds.
const maxDescription = 1024

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// ClearFailures deletes the sentences of connections that do not fail any more.
func (p *Publisher) ClearFailures(ctx context.Context, ids []string) error {
	names := make([]store.Name, len(ids))
	for i, id := range ids {
		names[i] = store.Name{Connection: id, Kind: store.KindFailure}
	}
	return p.parameters.Delete(ctx, names)
}

// Remove deletes everything that is published for a connection.
func (p *Publisher) Remove(ctx context.Context, id string) error {
	return p.parameters.Delete(ctx, []store.Name{
		{Connection: id, Kind: store.KindToken}, {Connection: id, Kind: store.KindAccount}, {Connection: id, Kind: store.KindFailure},
	})
}
