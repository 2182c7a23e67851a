package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/store"
)

// read reads one version; its binary form counts as a value.
func (s *step) read(ctx context.Context, id, stage string) (store.Document, error) {
	return s.cfg.Secrets.Read(ctx, s.secret.ARN, id, stage)
}

// understand makes a source of tokens of a document.
func (s *step) understand(doc store.Document, stage string) (acquire.Source, error) {
	src, cause := s.acquirer.Understand(s.id, doc, stage)
	if cause != nil {
		return acquire.Source{}, cause
	}
	return src, nil
}

// readCurrent reads AWSCURRENT by its id.
func (s *step) readCurrent(ctx context.Context) (acquire.Source, error) {
	doc, err := s.read(ctx, s.current, store.StageCurrent)
	if errors.Is(err, store.ErrNotFound) {
		return acquire.Source{}, s.currentInvalid("it has no value")
	}
	if err != nil {
		return acquire.Source{}, s.secretError(ctx, "read AWSCURRENT", err)
	}
	src, err := s.understand(doc, store.StageCurrent)
	if err != nil {
		return acquire.Source{}, s.currentInvalid(err.Error())
	}
	return src, nil
}

func (s *step) currentInvalid(why string) error {
	return permanent(CodeCurrentInvalid, "the AWSCURRENT document cannot be used: "+why,
		"Store the whole document with the new client credentials: "+s.commands().store())
}

// readPending reads the version of the rotation by its id and stage. empty means that it has no value yet.
func (s *step) readPending(ctx context.Context) (doc store.Document, empty bool, err error) {
	doc, err = s.read(ctx, s.ev.Token, store.StagePending)
	if errors.Is(err, store.ErrNotFound) {
		return store.Document{}, true, nil
	}
	if err != nil {
		return store.Document{}, false, s.secretError(ctx, "read AWSPENDING", err)
	}
	return doc, doc.Value.IsZero() && !doc.Binary, nil
}

// readBoth reads both versions that a test is about. The pending one must have the configuration of AWSCURRENT: otherwise the client credentials
// would be sent to another token endpoint.
func (s *step) readBoth(ctx context.Context) (pending, current acquire.Source, err error) {
	doc, empty, err := s.readPending(ctx)
	if err != nil {
		return acquire.Source{}, acquire.Source{}, err
	}
	if empty {
		return acquire.Source{}, acquire.Source{}, s.pendingEmpty()
	}
	if current, err = s.readCurrent(ctx); err != nil {
		return acquire.Source{}, acquire.Source{}, err
	}
	pending, err = s.accept(doc, current)
	return pending, current, err
}

// accept makes a source of the pending version, which must differ from AWSCURRENT in nothing but the client credentials.
func (s *step) accept(doc store.Document, current acquire.Source) (acquire.Source, error) {
	pending, err := s.understand(doc, store.StagePending)
	if err != nil {
		return acquire.Source{}, permanent(CodePendingConflict, "the AWSPENDING version cannot be used: "+err.Error(),
			"This function did not make it. Rotate again: "+s.commands().rotate())
	}
	same, err := connection.SameConfiguration(pending.Document.Value, current.Document.Value)
	if err != nil || !same {
		return acquire.Source{}, permanent(CodePendingConflict,
			"the AWSPENDING version has another configuration than AWSCURRENT (a field that is no credential differs)",
			"AWSCURRENT was changed meanwhile, or this function did not make the version. Rotate again: "+s.commands().rotate())
	}
	return pending, nil
}

func (s *step) pendingEmpty() error {
	return &Error{Code: CodePendingEmpty, Text: "the AWSPENDING version has no value: createSecret was not run, or failed", Transient: true,
		Advice: fmt.Sprintf("%s, beginning with createSecret. If nothing happens any more, end the rotation: %s; then %s",
			retriedByAWS, s.commands().move(store.StagePending, s.ev.Token, ""), s.commands().rotate())}
}

// sameCredentials reports whether two versions hold the same client credentials.
func sameCredentials(a, b acquire.Source) bool {
	return a.Connection.ClientID == b.Connection.ClientID && a.Connection.ClientSecret.Equal(b.Connection.ClientSecret)
}
