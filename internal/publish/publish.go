// Package publish writes what readers read: the token, the account and the failure notice of a connection. There is one way to write a
// parameter, at one pace for all of them. A publisher knows no state: the caller holds the connection's lease, so that nobody else writes
// its parameters meanwhile, and records what was written.
package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Parameters is Parameter Store. Each call has a deadline of its own, and Put makes one request without retries.
type Parameters interface {
	// Put writes a parameter and returns its new version. The error wraps [store.ErrThrottled], [store.ErrUnwritable],
	// [store.ErrTypeConflict], [store.ErrInvalidWrite] or [store.ErrUnavailable]; after the last one the write may have happened.
	Put(ctx context.Context, w store.Write) (version int64, err error)
	// Delete removes parameters; one that does not exist is no error.
	Delete(ctx context.Context, names []store.Name) error
}

// Publisher writes parameters. It is safe for concurrent use.
type Publisher struct {
	parameters Parameters
	pacer      *Pacer
}

// New returns a publisher whose writes share one pace.
func New(parameters Parameters, pacer *Pacer) *Publisher {
	return &Publisher{parameters, pacer}
}

const (
	// firstPause is the time between a write without a response and its repetition. It doubles up to longestPause, so that one parameter
	// that cannot be written does not take the turns of the others.
	firstPause   = 500 * time.Millisecond
	longestPause = 8 * time.Second
	// accountTries is how often an account without a response is written: the token that follows matters more.
	accountTries = 3
	// namesPerDelete is the limit of DeleteParameters.
	namesPerDelete = 10
)

// Token writes an access token and returns the version of its parameter. A throttled write, and one without a response, is repeated with
// the same value until ctx ends, because the token may have ended the one before. So ctx needs a deadline.
//
// The error wraps [store.ErrUnwritable] when no parameter of the installation can be written, [store.ErrTypeConflict] or
// [store.ErrInvalidWrite] when this one cannot, and [store.ErrUnavailable] or [store.ErrThrottled] when ctx ended first: then the token
// may have been written or not.
func (p *Publisher) Token(ctx context.Context, id string, token oauth.Secret, expiresAt time.Time) (version int64, err error) {
	return p.put(ctx, 0, store.Write{
		Name:  store.Name{Connection: id, Kind: store.KindToken},
		Value: token,
		Description: fmt.Sprintf("Access token of %s, renewed by chaveiro. Valid until %s.",
			id, expiresAt.UTC().Format(time.RFC3339)),
	})
}

// Account writes the account id that API calls send beside the token. Throttled writes are repeated until ctx ends, writes without a response
// a few times. The errors are those of [Publisher.Token].
func (p *Publisher) Account(ctx context.Context, id, account, providerName string) error {
	_, err := p.put(ctx, accountTries, store.Write{
		Name:        store.Name{Connection: id, Kind: store.KindAccount},
		Value:       oauth.NewSecret(account),
		Description: "Account at " + providerName + ". Its API calls need it beside the access token.",
	})
	return err
}

// Failure writes the sentence that says why a connection fails. It tries once, since the next run can write it too. The errors are those of
// [Publisher.Token].
//
// A parameter of another type under that name is deleted and the error wraps [store.ErrTypeConflict]; the next run writes the sentence.
// AWS requires 30 s between a deletion and a new parameter of that name
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html, 2026-12-01).
func (p *Publisher) Failure(ctx context.Context, id, sentence string) error {
	w := store.Write{
		Name:        store.Name{Connection: id, Kind: store.KindFailure},
		Value:       oauth.NewSecret(sentence),
		Description: cut(sentence, maxDescription), // the event that starts the mail carries the description and not the value
	}
	_, err := p.putOnce(ctx, w)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrTypeConflict):
		if gone := p.parameters.Delete(ctx, []store.Name{w.Name}); gone != nil {
			return fmt.Errorf("delete refresh_failure of %s, which has another type: %w", id, gone)
		}
		return fmt.Errorf("refresh_failure of %s had another type and was deleted; the next run writes it: %w", id, err)
	case errors.Is(err, errNoTurn):
		return tooLate(w, fmt.Errorf("%w; %w", store.ErrUnavailable, err))
	}
	return fmt.Errorf("write refresh_failure of %s: %w", id, err)
}

// maxDescription is how many characters the description of a parameter holds
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html, 2026-12-01).
const maxDescription = 1024

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// ClearFailures deletes the failure notices of connections. When one call fails the others are made all the same, and the errors are
// joined. Deleting a notice that does not exist is no error, so that a later run can repeat all of it.
func (p *Publisher) ClearFailures(ctx context.Context, ids []string) error {
	var failed []error
	for part := range slices.Chunk(ids, namesPerDelete) {
		names := make([]store.Name, len(part))
		for i, id := range part {
			names[i] = store.Name{Connection: id, Kind: store.KindFailure}
		}
		if err := p.parameters.Delete(ctx, names); err != nil {
			failed = append(failed, fmt.Errorf("delete refresh_failure of %s and %d more, the next run repeats it: %w", part[0], len(part)-1, err))
		}
	}
	return errors.Join(failed...)
}

// Remove deletes all parameters of a connection.
func (p *Publisher) Remove(ctx context.Context, id string) error {
	err := p.parameters.Delete(ctx, []store.Name{
		{Connection: id, Kind: store.KindToken}, {Connection: id, Kind: store.KindAccount}, {Connection: id, Kind: store.KindFailure},
	})
	if err != nil {
		return fmt.Errorf("delete the parameters of %s, the next run repeats it: %w", id, err)
	}
	return nil
}

// put writes a parameter and repeats the write until it succeeds, fails for good, or ctx ends. A write without a response is made at most
// tries times; 0 means without limit.
func (p *Publisher) put(ctx context.Context, tries int, w store.Write) (version int64, err error) {
	last, pause := store.ErrUnavailable, firstPause
	for try := 1; ; {
		version, err = p.putOnce(ctx, w)
		switch {
		case err == nil:
			return version, nil
		case errors.Is(err, errNoTurn):
			return 0, tooLate(w, fmt.Errorf("%w; %w", last, err))
		case errors.Is(err, store.ErrThrottled): // the pacer has slowed down
		case errors.Is(err, store.ErrUnavailable) && try != tries:
			try++
			if sleep(ctx, pause) != nil {
				return 0, tooLate(w, err)
			}
			pause = min(2*pause, longestPause)
		default:
			return 0, fmt.Errorf("write %s of %s: %w", w.Kind, w.Connection, err)
		}
		last = err
	}
}

// tooLate is the error of a write that ctx ended.
func tooLate(w store.Write, err error) error {
	return fmt.Errorf("%s of %s was not written before the deadline, the next run tries again: %w", w.Kind, w.Connection, err)
}

// putOnce makes one request at the pace of all writes.
func (p *Publisher) putOnce(ctx context.Context, w store.Write) (version int64, err error) {
	err = p.pacer.Do(ctx, func(ctx context.Context) (err error) {
		version, err = p.parameters.Put(ctx, w)
		return err
	})
	return version, err
}
