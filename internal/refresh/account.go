package refresh

import (
	"context"
	"errors"
	"slices"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// accountBatch is how many account ids one call reads (GetParameters).
const accountBatch = 10

// accounts are connections of one endpoint whose published account ids are read together, as soon as the first of them has a token: a call for
// each token would be one more beside the two that a renewal needs.
type accounts struct {
	ids   []string
	turn  chan struct{} // held by the one that asks; the others wait for what it hears
	asked bool
	found map[string]Account // nil when the call failed
}

// groupAccounts gives the items of each queue that publish an account to their accounts, in the order in which they will mostly be taken.
func (r *run) groupAccounts() {
	for _, e := range r.endpoints {
		publishing := slices.DeleteFunc(slices.Clone(e.queue), func(it *item) bool { return !it.conn.Provider.PublishAccount })
		for chunk := range slices.Chunk(publishing, accountBatch) {
			group := &accounts{turn: make(chan struct{}, 1)}
			for _, it := range chunk {
				it.accounts = group
				group.ids = append(group.ids, it.id)
			}
		}
	}
}

// read asks once for all and returns what was found, nil when that is not known.
func (a *accounts) read(ctx context.Context, store Parameters) map[string]Account {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	defer func() { <-a.turn }()
	if !a.asked {
		a.asked = true
		if found, err := store.Accounts(ctx, a.ids); err == nil {
			a.found = found
		}
	}
	return a.found
}

// account returns the published account id of an item, "" when there is none. When its group could not be read, or the run comes back to it,
// it is asked for alone: one parameter that may not be read must not stop the other nine.
func (r *run) account(ctx context.Context, it *item) (string, error) {
	if it.accounts != nil && it.repeats == 0 {
		if found := it.accounts.read(ctx, r.cfg.Parameters); found != nil {
			return found[it.id].ID, found[it.id].Err
		}
	}
	found, err := r.cfg.Parameters.Accounts(ctx, []string{it.id})
	if err != nil {
		return "", err
	}
	return found[it.id].ID, found[it.id].Err
}

// publishAccount writes what API calls send beside the token, when it is not there yet or another. ctx is of forWrites.
func (r *run) publishAccount(ctx context.Context, it *item, m minted) error {
	if !m.conn.Provider.PublishAccount {
		return nil
	}
	account := m.conn.AccountID
	if account == "" {
		account = m.token.Claims.Text(m.conn.Provider.AccountClaim)
	}
	if account == "" {
		return nil
	}
	was, err := r.account(ctx, it)
	if err != nil || was == account {
		return err
	}
	for {
		place, err := r.pacer.wait(ctx)
		if err != nil {
			return err
		}
		_, err = r.cfg.Parameters.Put(ctx, Write{Connection: it.id, Kind: KindAccount, Value: oauth.NewSecret(account),
			Description: "Account at " + m.conn.Provider.Name + " that API calls name beside the token"})
		if !errors.Is(err, ErrThrottled) {
			return err
		}
		r.pacer.throttled(place)
	}
}
