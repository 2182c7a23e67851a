package rotate

import (
	"context"
	"errors"
	"fmt"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/refresh"
)

// readCurrent reads AWSCURRENT by its id and makes a connection of it.
func (s *step) readCurrent(ctx context.Context) (version, error) {
	doc, err := s.read(ctx, s.current, refresh.StageCurrent)
	if errors.Is(err, refresh.ErrNotFound) {
		return version{}, s.currentInvalid("it has no value")
	}
	if err != nil {
		return version{}, cutOff(ctx, s.storeFault("read AWSCURRENT", err))
	}
	v, err := s.understand(doc)
	if err != nil {
		return version{}, s.currentInvalid(err.Error())
	}
	return v, nil
}

func (s *step) currentInvalid(why string) error {
	return permanent(CodeCurrentInvalid, "the AWSCURRENT document cannot be used: "+why,
		"Store the whole document with the new pair: aws secretsmanager put-secret-value --secret-id "+s.secret.Name+" --secret-string file://document.json")
}

// readPending reads the version of the rotation by its id and label. empty means that it has no value yet.
func (s *step) readPending(ctx context.Context) (doc refresh.Document, empty bool, err error) {
	doc, err = s.read(ctx, s.ev.Token, stagePending)
	if errors.Is(err, refresh.ErrNotFound) {
		return refresh.Document{}, true, nil
	}
	if err != nil {
		return refresh.Document{}, false, cutOff(ctx, s.storeFault("read AWSPENDING", err))
	}
	return doc, doc.Value.IsZero() && !doc.Binary, nil
}

// pair reads both versions that a test is about. The pending one must have the configuration of AWSCURRENT: another token endpoint would be
// asked with the pair.
func (s *step) pair(ctx context.Context) (pending, current version, err error) {
	doc, empty, err := s.readPending(ctx)
	if err != nil {
		return version{}, version{}, err
	}
	if empty {
		return version{}, version{}, s.pendingEmpty()
	}
	if current, err = s.readCurrent(ctx); err != nil {
		return version{}, version{}, err
	}
	pending, err = s.accept(doc, current)
	return pending, current, err
}

// accept makes a connection of the pending version, which must differ from AWSCURRENT in nothing but the pair.
func (s *step) accept(doc refresh.Document, current version) (version, error) {
	pending, err := s.understand(doc)
	if err != nil {
		return version{}, permanent(CodePendingConflict, "the AWSPENDING version cannot be used: "+err.Error(),
			"It was not made by this function. Rotate again: "+s.rotateCommand())
	}
	same, err := connection.SameConfiguration(pending.doc.Value, current.doc.Value)
	if err != nil || !same {
		return version{}, permanent(CodePendingConflict, "the AWSPENDING version has another configuration than AWSCURRENT (a field beside the pair differs)",
			"AWSCURRENT was changed meanwhile, or the version was not made by this function. Rotate again: "+s.rotateCommand())
	}
	return pending, nil
}

func (s *step) pendingEmpty() error {
	return &Error{Code: CodePendingEmpty, Text: "the AWSPENDING version has no value: createSecret has not happened, or failed", Transient: true,
		Advice: fmt.Sprintf("Secrets Manager begins again with createSecret by itself. If nothing happens any more, end the rotation: %s; then %s",
			s.moveCommand(stagePending, s.ev.Token, ""), s.rotateCommand())}
}

// read reads one version; its binary form counts as a value.
func (s *step) read(ctx context.Context, id, label string) (refresh.Document, error) {
	return s.cfg.Secrets.Read(ctx, s.secret.ARN, id, label)
}

// understand makes a connection of a document.
func (s *step) understand(doc refresh.Document) (version, error) {
	if doc.Binary {
		return version{}, connection.BinaryError(s.id)
	}
	conn, err := connection.Parse(s.id, doc.Value, s.cfg.Catalogue, connection.Options{AllowLoopback: s.cfg.AllowLoopback})
	return version{doc: doc, conn: conn}, err
}
