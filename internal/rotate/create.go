package rotate

import (
	"context"
	"errors"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

const (
	// backTime is how long createSecret waits for what it has put to be readable.
	backTime = 10 * time.Second
	backWait = 500 * time.Millisecond
	// maxSecret is what a version of a secret holds, in bytes.
	maxSecret = 65536
	// allowPrevious is the field of a staged pair by which a person says that AWSPREVIOUS's pair is meant.
	allowPrevious = "x_allow_previous"
)

// create gives the version of the rotation its value: AWSCURRENT's document with the pair of CANDIDATE.
//
//	the version is AWSCURRENT            nothing to do: the rotation has happened
//	it has a value, and a good one       kept: a retry, also when another pair was staged since
//	it has a value that is none of ours  ERR_PENDING_CONFLICT
//	the connection is paused             ERR_PAUSED
//	no version is CANDIDATE              ERR_NO_CANDIDATE
//	CANDIDATE is on AWSCURRENT           ERR_CANDIDATE_SAME
//	CANDIDATE is on a REJECTED version   ERR_CANDIDATE_REJECTED
//	it holds more than a pair            ERR_CANDIDATE_INVALID, and nobody is asked
//	its pair is AWSCURRENT's             ERR_CANDIDATE_SAME
//	its pair is AWSPREVIOUS's            ERR_CANDIDATE_REUSED, unless it says "x_allow_previous": true
//	else                                 merged, put, and read back until it is there
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
	return permanent(CodePaused, "the connection is paused (tag chaveiro:paused)", "Remove the tag, then "+s.rotateCommand())
}

// candidate finds the staged pair, checks it, and lays it over the AWSCURRENT document.
func (s *step) candidate(ctx context.Context, current version) (oauth.Secret, error) {
	id := s.secret.holder(refresh.StageCandidate)
	switch {
	case id == "":
		return oauth.Secret{}, s.noCandidate()
	case id == s.current:
		return oauth.Secret{}, permanent(CodeCandidateSame, "CANDIDATE is on the AWSCURRENT version itself: it is live already",
			"If it was put live by hand there is nothing to rotate, the refresher takes it; take the label off: "+s.moveCommand(refresh.StageCandidate, id, "")+
				". Else stage the new pair: "+s.stageCommand())
	case s.secret.has(id, refresh.StageRejected):
		return oauth.Secret{}, permanent(CodeCandidateRejected, "the CANDIDATE version is also REJECTED: the provider refused it before",
			"Stage a pair again, the same if you want it tried again: "+s.stageCommand())
	}
	doc, err := s.read(ctx, id, refresh.StageCandidate)
	switch {
	case errors.Is(err, refresh.ErrNotFound):
		return oauth.Secret{}, s.noCandidate()
	case err != nil:
		return oauth.Secret{}, cutOff(ctx, s.storeFault("read CANDIDATE", err))
	}
	merged, err := s.merge(current, doc)
	if err != nil {
		return oauth.Secret{}, err
	}
	if err := s.fresh(ctx, merged, current, doc); err != nil {
		return oauth.Secret{}, err
	}
	return merged.doc.Value, nil
}

func (s *step) noCandidate() error {
	return permanent(CodeNoCandidate, "no version is labelled CANDIDATE, so there is no new pair to rotate to; AWSCURRENT stays as it is",
		"Stage one: "+s.stageCommand()+" (pair.json: client_id and client_secret, nothing else), then "+s.rotateCommand()+
			". A pair that was put live with put-secret-value needs no rotation")
}

// merge lays a staged pair over the AWSCURRENT document. Only credential fields are allowed in it, so that no rotation changes where a secret is sent.
func (s *step) merge(current version, staged refresh.Document) (version, error) {
	value, err := staged.Value, error(nil)
	if staged.Binary {
		err = connection.BinaryError(s.id)
	}
	if err == nil {
		err = connection.ValidateCredentials(value)
	}
	if err == nil {
		value, err = connection.MergeCredentials(current.doc.Value, staged.Value)
	}
	if err == nil && len(value.Reveal()) > maxSecret {
		err = errors.New("the document with the new pair is larger than the 64 KiB that a secret holds")
	}
	merged := version{}
	if err == nil {
		merged, err = s.understand(refresh.Document{Connection: s.id, VersionID: staged.VersionID, Created: staged.Created, Value: value})
	}
	if err != nil {
		return version{}, permanent(CodeCandidateInvalid, "the CANDIDATE version cannot be used: "+err.Error(),
			"Stage the pair again, client_id and client_secret (or basic_token) and nothing else: "+s.stageCommand())
	}
	return merged, nil
}

// fresh refuses a pair that is in use already, or was before.
func (s *step) fresh(ctx context.Context, merged, current version, staged refresh.Document) error {
	if merged.samePair(current) {
		return s.samePair()
	}
	previous := s.secret.holder(refresh.StagePrevious)
	if previous == "" || previous == staged.VersionID || connection.BoolField(staged.Value, allowPrevious) {
		return nil
	}
	doc, err := s.read(ctx, previous, refresh.StagePrevious)
	if errors.Is(err, refresh.ErrNotFound) {
		return nil
	}
	if err != nil {
		return cutOff(ctx, s.storeFault("read AWSPREVIOUS", err))
	}
	before, err := s.understand(doc)
	if err != nil || !before.samePair(merged) {
		return nil // a document that cannot be read is no pair that could be reused
	}
	return permanent(CodeCandidateReused, "the CANDIDATE version holds the pair of AWSPREVIOUS, which was replaced before",
		`If that is meant, stage it with "`+allowPrevious+`": true; else stage the new pair: `+s.stageCommand())
}

func (s *step) samePair() error {
	return permanent(CodeCandidateSame, "the CANDIDATE version holds the pair of AWSCURRENT: nothing would change",
		"Stage the new pair: "+s.stageCommand()+". If it was put live by hand, there is nothing to rotate; take the label off: "+
			s.moveCommand(refresh.StageCandidate, s.secret.holder(refresh.StageCandidate), ""))
}

// put writes the value with the event's own token, and reads it back.
func (s *step) put(ctx context.Context, value oauth.Secret) error {
	err := s.cfg.Secrets.Put(ctx, Put{SecretID: s.secret.ARN, VersionID: s.ev.Token, Value: value, Stages: []string{stagePending}, RotationToken: s.ev.RotationToken})
	if err != nil && !errors.Is(err, ErrVersionExists) {
		return cutOff(ctx, s.storeFault("put AWSPENDING", err))
	}
	limit, cancel := context.WithTimeout(ctx, backTime)
	defer cancel()
	for {
		doc, empty, err := s.readPending(limit)
		switch {
		case err == nil && !empty && doc.Value.Equal(value):
			s.observe(Audit{Kind: EventPending, Credential: s.ev.Token, From: s.secret.holder(refresh.StageCandidate), To: s.ev.Token})
			return nil
		case err == nil && !empty:
			return permanent(CodePendingConflict, "the AWSPENDING version holds another value than this function put: two rotations are at work, or somebody's hand",
				"Rotate again: "+s.rotateCommand())
		case err != nil && !conflict(err):
			return err
		}
		if !sleep(limit, backWait) {
			break
		}
	}
	if ctx.Err() != nil {
		return deadlineError("waiting for AWSPENDING to be readable")
	}
	return &Error{Code: CodeAWSUnavailable, Text: "what was put as AWSPENDING cannot be read after " + backTime.String(), Transient: true,
		Advice: "Nothing to do for now, Secrets Manager tries the rotation again by itself"}
}

// conflict reports whether a read met a label that is not (yet) where it should be.
func conflict(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeStateConflict
}
