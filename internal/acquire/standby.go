package acquire

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
)

// standbys tries BACKUP, then AWSPREVIOUS. What they meet goes to o.Standby only: the connection's cause is that of AWSCURRENT.
func (a *Acquirer) standbys(ctx context.Context, o Order, r *Result) {
	if !o.Current.Connection.Fallback {
		return
	}
	secret, err := a.Secrets.Describe(ctx, o.State.ID)
	if err != nil {
		o.Standby(store.StageBackup, "", nil, CauseOf(err))
		return
	}
	for _, stage := range []string{store.StageBackup, store.StagePrevious} {
		id := secret.Holder(stage)
		if !usable(secret, id, o) {
			continue
		}
		src, err := a.standby(ctx, o, stage, id)
		if err != nil {
			o.Standby(stage, id, nil, &lifecycle.Cause{Class: lifecycle.Configuration, Code: CodeStandbyUnusable, Text: err.Error()})
			continue
		}
		if src == nil {
			continue
		}
		var second Result
		a.try(ctx, o, *src, o.Attempts, &second)
		r.Canceled = r.Canceled || second.Canceled
		if second.Issued != nil || second.Canceled {
			r.Issued = second.Issued
			return
		}
		o.Standby(stage, id, src, second.Cause)
		r.Wait = max(r.Wait, second.Cause.RetryAfter)
		if second.Cause.Class == lifecycle.Credentials {
			r.Standbys = append(r.Standbys, id)
		}
	}
}

// usable reports whether a version may stand in for AWSCURRENT: it exists, is another version, and was not refused before.
func usable(secret store.Secret, id string, o Order) bool {
	if id == "" || id == o.Current.Document.VersionID || secret.Has(id, store.StageRejected) {
		return false
	}
	f := o.State.Failure
	return f == nil || f.Current != o.Current.Document.VersionID || !slices.Contains(f.RejectedStandbys, id)
}

// errConfigurationChanged protects the standby's client credentials: whoever may only write secret versions could otherwise send them to a token
// endpoint of their own.
var errConfigurationChanged = errors.New("AWSCURRENT has another configuration than the document that got the published token; " +
	"first let AWSCURRENT get a token, with its own client credentials")

// standby reads the version of a stage and merges its client credentials into the AWSCURRENT document. It returns nil when AWSPREVIOUS has another
// configuration, which is no fault.
func (a *Acquirer) standby(ctx context.Context, o Order, stage, id string) (*Source, error) {
	if o.Current.Configuration != o.State.Configuration {
		return nil, fmt.Errorf("configuration_changed: %w", errConfigurationChanged)
	}
	doc, err := a.Secrets.ReadVersion(ctx, o.State.ID, id)
	if err != nil {
		return nil, err
	}
	value := doc.Value
	if stage == store.StageBackup {
		value, err = connection.MergeCredentials(o.Current.Document.Value, doc.Value)
	} else if same, cmpErr := connection.SameConfiguration(o.Current.Document.Value, doc.Value); cmpErr != nil || !same {
		return nil, cmpErr
	}
	if err != nil {
		return nil, err
	}
	conn, err := connection.Parse(o.State.ID, value, a.Catalogue, connection.Options{AllowLoopback: a.AllowLoopback})
	if err != nil {
		return nil, err
	}
	return &Source{Connection: conn, Document: doc, Stage: stage}, nil
}
