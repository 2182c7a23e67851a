package rotate

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/acquire"
	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	// readBackTime is how long createSecret waits for a version that it has put to be readable.
	readBackTime = 10 * time.Second
	readBackWait = 500 * time.Millisecond
	// maxSecret is the size limit of a version, in bytes.
	maxSecret = 65536
	// allowPrevious is the field of CANDIDATE by which a person confirms that the client credentials of AWSPREVIOUS are intended.
	allowPrevious = "x_allow_previous"
)

// create gives the version of the rotation its value: AWSCURRENT's document with the client credentials of CANDIDATE.
//
//	the version is AWSCURRENT             nothing to do: the rotation has happened
//	it has a value of this function       kept: a retry, also when other client credentials were staged since
//	it has another value                  ERR_PENDING_CONFLICT
//	the connection is paused              ERR_PAUSED
//	no version is CANDIDATE               ERR_NO_CANDIDATE
//	CANDIDATE is on AWSCURRENT            ERR_CANDIDATE_SAME
//	CANDIDATE is on a REJECTED version    ERR_CANDIDATE_REJECTED
//	AWSCURRENT's configuration has never  ERR_CONFIGURATION_CHANGED
//	got a published token
//	it holds other fields than            ERR_CANDIDATE_INVALID, and no request is made
//	credentials
//	they are those of AWSCURRENT          ERR_CANDIDATE_SAME
//	they are those of AWSPREVIOUS         ERR_CANDIDATE_REUSED, unless it says "x_allow_previous": true
//	else                                  merged, put, and read back until the value is there
func (s *step) create(ctx context.Context, live bool) error {
	if live {
		return nil
	}
	current, err := s.readCurrent(ctx)
	if err != nil {
		return err
	}
	doc, empty, err := s.readPending(ctx)
	if err != nil {
		return err
	}
	if !empty {
		_, err := s.accept(doc, current)
		return err
	}
	if s.secret.Paused {
		return s.paused()
	}
	value, err := s.candidate(ctx, current)
	if err != nil {
		return err
	}
	return s.put(ctx, value)
}

func (s *step) paused() error {
	return permanent(CodePaused, "the connection is paused (tag chaveiro:paused)", "Remove the tag, then "+s.commands().rotate())
}

// candidate finds the staged client credentials, checks them, and merges them into the AWSCURRENT document.
func (s *step) candidate(ctx context.Context, current acquire.Source) (oauth.Secret, error) {
	id := s.secret.Holder(store.StageCandidate)
	switch {
	case id == "":
		return oauth.Secret{}, s.noCandidate()
	case id == s.current:
		return oauth.Secret{}, permanent(CodeCandidateSame, "CANDIDATE is on the AWSCURRENT version itself, which is live already",
			"If a person made it live there is nothing to rotate, and the refresher uses it; remove the stage: "+
				s.commands().move(store.StageCandidate, id, "")+". Otherwise stage the new client credentials: "+s.commands().stage())
	case s.secret.Has(id, store.StageRejected):
		return oauth.Secret{}, permanent(CodeCandidateRejected, "the CANDIDATE version is also REJECTED: the provider rejected it before",
			"Stage client credentials again, the same ones if you want them tested again: "+s.commands().stage())
	}
	doc, err := s.read(ctx, id, store.StageCandidate)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return oauth.Secret{}, s.noCandidate()
	case err != nil:
		return oauth.Secret{}, s.secretError(ctx, "read CANDIDATE", err)
	}
	if err := s.checkConfiguration(ctx, current); err != nil {
		return oauth.Secret{}, err
	}
	merged, err := s.merge(current, doc)
	if err != nil {
		return oauth.Secret{}, err
	}
	if err := s.checkNew(ctx, merged, current, doc); err != nil {
		return oauth.Secret{}, err
	}
	return merged.Document.Value, nil
}

func (s *step) noCandidate() error {
	return permanent(CodeNoCandidate, "no version has the stage CANDIDATE, so there are no new client credentials; AWSCURRENT is unchanged",
		"Stage them: "+s.commands().stage()+" (pair.json: client_id and client_secret, nothing else), then "+s.commands().rotate()+
			". A whole document that was stored with put-secret-value needs no rotation")
}

// checkConfiguration protects the staged client credentials: whoever may only write versions of the secret could otherwise make an AWSCURRENT
// with a token endpoint of their own, and have the credentials sent there.
func (s *step) checkConfiguration(ctx context.Context, current acquire.Source) error {
	if err := s.readState(ctx); err != nil {
		return err
	}
	if current.Configuration == s.state.Configuration {
		return nil
	}
	text := "configuration_changed: AWSCURRENT has another configuration than the document that got the published token"
	if s.state.Configuration == "" {
		text = "configuration_changed: no token was published for this connection yet"
	}
	return permanent(CodeConfigurationChanged, text+"; first let AWSCURRENT get a token, with its own client credentials",
		"The refresher requests it in its next sweep. If you did not change the document, find out who did. Once the token is published: "+
			s.commands().rotate())
}

// merge merges staged client credentials into the AWSCURRENT document. No other fields are allowed, so no rotation changes where a secret is sent.
func (s *step) merge(current acquire.Source, staged store.Document) (acquire.Source, error) {
	value, err := staged.Value, error(nil)
	if staged.Binary {
		err = connection.BinaryError(s.id)
	}
	if err == nil {
		err = connection.ValidateCredentials(value)
	}
	if err == nil {
		value, err = connection.MergeCredentials(current.Document.Value, staged.Value)
	}
	if err == nil && len(value.Reveal()) > maxSecret {
		err = errors.New("the document with the new client credentials is larger than 64 KiB, the limit of a secret")
	}
	merged := acquire.Source{}
	if err == nil {
		doc := store.Document{Connection: s.id, VersionID: staged.VersionID, Created: staged.Created, Value: value}
		merged, err = s.understand(doc, store.StageCandidate)
	}
	if err != nil {
		return acquire.Source{}, permanent(CodeCandidateInvalid, "the CANDIDATE version cannot be used: "+err.Error(),
			"Stage client_id and client_secret (or basic_token) again, and nothing else: "+s.commands().stage())
	}
	return merged, nil
}

// checkNew rejects client credentials that are in use already, or were before.
func (s *step) checkNew(ctx context.Context, merged, current acquire.Source, staged store.Document) error {
	if sameCredentials(merged, current) {
		return s.nothingNew()
	}
	previous := s.secret.Holder(store.StagePrevious)
	if previous == "" || previous == staged.VersionID || connection.BoolField(staged.Value, allowPrevious) {
		return nil
	}
	doc, err := s.read(ctx, previous, store.StagePrevious)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return s.secretError(ctx, "read AWSPREVIOUS", err)
	}
	before, err := s.understand(doc, store.StagePrevious)
	if err != nil || !sameCredentials(before, merged) {
		return nil //nolint:nilerr // a document that cannot be read has no client credentials to reuse
	}
	return permanent(CodeCandidateReused, "the CANDIDATE version holds the client credentials of AWSPREVIOUS, which were replaced before",
		`If that is intended, stage them with "`+allowPrevious+`": true. Otherwise stage the new client credentials: `+s.commands().stage())
}

func (s *step) nothingNew() error {
	return permanent(CodeCandidateSame, "the CANDIDATE version holds the client credentials of AWSCURRENT: nothing would change",
		"Stage the new client credentials: "+s.commands().stage()+". If a person made them live, there is nothing to rotate; remove the stage: "+
			s.commands().move(store.StageCandidate, s.secret.Holder(store.StageCandidate), ""))
}

// put writes the value with the event's own token, and reads it back.
func (s *step) put(ctx context.Context, value oauth.Secret) error {
	err := s.cfg.Secrets.Put(ctx, store.VersionWrite{SecretID: s.secret.ARN, VersionID: s.ev.Token, Value: value,
		Stages: []string{store.StagePending}, RotationToken: s.ev.RotationToken})
	if err != nil && !errors.Is(err, store.ErrVersionExists) {
		return s.secretError(ctx, "put AWSPENDING", err)
	}
	limit, cancel := context.WithTimeout(ctx, readBackTime)
	defer cancel()
	for {
		doc, empty, err := s.readPending(limit)
		switch {
		case err == nil && !empty && doc.Value.Equal(value):
			s.observe(Audit{Kind: EventPending, Credential: s.ev.Token, From: s.secret.Holder(store.StageCandidate), To: s.ev.Token})
			return nil
		case err == nil && !empty:
			return permanent(CodePendingConflict, "the AWSPENDING version has another value than this function put: two rotations run, or a person changed it",
				"Rotate again: "+s.commands().rotate())
		case err != nil && limit.Err() == nil && !isConflict(err):
			return err
		}
		if !sleep(limit, readBackWait) {
			break
		}
	}
	if ctx.Err() != nil {
		return deadlineError("waiting for AWSPENDING to be readable")
	}
	return &Error{Code: CodeAWSUnavailable, Text: "AWSPENDING was put and cannot be read after " + readBackTime.String(), Transient: true,
		Advice: "Nothing to do for now: " + retriedByAWS}
}

// isConflict reports whether a read met a stage that is not (yet) where it should be.
func isConflict(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeStateConflict
}
