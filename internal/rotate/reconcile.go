package rotate

import (
	"context"
	"errors"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/refresh"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// reconcile brings a rotation to its end whose version is AWSCURRENT already: a finishSecret that was cut off, or sent once more.
//
//	the published token came from it       the labels are cleaned up, nothing else
//	the connection is paused               the same
//	the provider gives a token for it      published
//	it does not answer, or SSM fails       transient, and no rollback: the pair was proven before
//	it refuses the pair                    rolled back to AWSPREVIOUS, if that works
//	it refuses both                        ERR_BOTH_REJECTED: nothing moves, a person is told
//	there is nothing to go back to         ERR_ROLLBACK_IMPOSSIBLE
func (s *step) reconcile(ctx context.Context) error {
	s.detach(ctx)
	published, err := s.cfg.Publisher.Published(ctx, s.id)
	if err != nil {
		return cutOff(ctx, s.parameterFault("read what is published", err))
	}
	live, err := s.readCurrent(ctx)
	if err != nil {
		return notOver(err)
	}
	if !published.MintedBy(s.ev.Token) && !s.secret.Paused {
		err := s.patiently(ctx, live, func() error {
			p, err := s.cfg.Publisher.RefreshVersion(ctx, s.id, s.ev.Token)
			if err != nil {
				return err
			}
			return s.published(p, s.ev.Token, refresh.StageCurrent)
		})
		if err != nil {
			return s.unpublished(ctx, live, published, err)
		}
	}
	if s.secret.has(s.ev.Token, refresh.StageRejected) { // refused once, and then taken after all
		s.move(ctx, Move{Label: refresh.StageRejected, From: s.ev.Token})
	}
	s.consume(ctx, live, live)
	s.succeeded(live, "an earlier finishSecret had promoted it")
	return nil
}

// notOver is for a version that is AWSCURRENT: there is no AWSPENDING to take off.
func notOver(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.detach = false
	}
	return err
}

// unpublished deals with a token that the live version did not get.
func (s *step) unpublished(ctx context.Context, live version, published refresh.Published, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var answer *oauth.Error
	if !errors.As(err, &answer) {
		return cutOff(ctx, s.notPublished(err))
	}
	if answer.Class == oauth.Credentials {
		return s.rollBack(ctx, live, published, providerFault(answer, providerName(live)+" and the new pair, which is AWSCURRENT"))
	}
	e := providerFault(answer, providerName(live)+" and the new pair, which is AWSCURRENT")
	e.detach = false
	e.Advice = "The new pair is AWSCURRENT and has passed its tests before. Secrets Manager tries again by itself, and so does the refresher in its next sweep; " +
		servedUntil(trial{published: published})
	return e
}

// rollBack puts the pair of before back. The order makes a crash at any point harmless: the old pair proves itself and serves readers first, as a
// standby does; AWSPENDING is off before AWSCURRENT moves, so that no retry promotes the bad pair again; and the bad version is REJECTED before
// Secrets Manager makes it AWSPREVIOUS, so that nothing ever falls back to it.
func (s *step) rollBack(ctx context.Context, live version, published refresh.Published, refused *Error) error {
	previous, why := s.previous(ctx, live)
	if why != nil {
		return why
	}
	if previous.doc.VersionID == "" {
		return s.impossible(refused, published)
	}
	token, err := s.mintOnce(ctx, previous, published.TokenID)
	if refusesPair(err) {
		e := *refused
		e.Code, e.Critical, e.CurrentOK, e.detach = CodeBothRejected, true, No, false
		e.Text += "; it refuses the pair of AWSPREVIOUS too"
		e.Advice = "CRITICAL: nothing was moved; " + servedUntil(trial{published: published}) +
			". Make a pair in the provider's panel and put it live: aws secretsmanager put-secret-value --secret-id " + s.secret.Name + " --secret-string file://document.json"
		return &e
	}
	if err != nil {
		return notOver(providerFault(err, providerName(previous)+" and the pair of AWSPREVIOUS"))
	}
	standIn := refresh.Mint{Connection: previous.conn, Document: previous.doc, Token: token, Stage: refresh.StagePrevious, Current: s.ev.Token}
	if err := s.publish(ctx, standIn); err != nil {
		return err
	}
	end, cancel := s.closing(ctx)
	defer cancel()
	if err := s.goBack(end, previous); err != nil {
		return err
	}
	standIn.Stage, standIn.Current = refresh.StageCurrent, previous.doc.VersionID
	republished := s.publish(end, standIn)
	s.consume(end, live, previous) // the dead pair is not to be tried by the next rotation
	s.observe(Audit{Kind: EventRolledBack, Message: refused.Text, HTTPStatus: refused.HTTPStatus, OAuthCode: refused.OAuthCode, CurrentOK: Yes}.of(previous))
	e := *refused
	e.Code, e.CurrentOK, e.detach = CodeRolledBack, Yes, false
	e.Text += " after it had passed its tests; AWSCURRENT is the pair of before again (version " + previous.doc.VersionID + ")"
	e.Advice = "Find out in the provider's panel why the new pair died, then stage one: " + s.stageCommand() + ", then " + s.rotateCommand()
	if republished != nil {
		e.Advice += ". The refresher fetches its token in the next sweep (" + republished.Error() + ")"
	}
	return &e
}

// previous reads the version that a rollback would go back to. The zero version means that there is none.
func (s *step) previous(ctx context.Context, live version) (version, error) {
	id := s.secret.holder(refresh.StagePrevious)
	if id == "" || s.secret.has(id, refresh.StageRejected) || !live.conn.Fallback {
		return version{}, nil
	}
	doc, err := s.read(ctx, id, refresh.StagePrevious)
	if errors.Is(err, refresh.ErrNotFound) {
		return version{}, nil
	}
	if err != nil {
		return version{}, notOver(cutOff(ctx, s.storeFault("read AWSPREVIOUS", err)))
	}
	same, err := connection.SameConfiguration(doc.Value, live.doc.Value)
	if err != nil || !same {
		return version{}, nil //nolint:nilerr // a document that cannot be read is none to go back to
	}
	v, err := s.understand(doc)
	if err != nil {
		return version{}, nil //nolint:nilerr // the same
	}
	return v, nil
}

func (s *step) impossible(refused *Error, published refresh.Published) error {
	e := *refused
	e.Code, e.Critical, e.CurrentOK, e.detach = CodeRollbackImpossible, true, No, false
	e.Text += `; there is no AWSPREVIOUS to go back to (none, REJECTED, with another configuration, or forbidden by "fallback": false)`
	e.Advice = "CRITICAL: nothing was moved; " + servedUntil(trial{published: published}) +
		". Make a pair in the provider's panel and put it live: aws secretsmanager put-secret-value --secret-id " + s.secret.Name + " --secret-string file://document.json"
	return &e
}

// goBack moves the labels of a rollback.
func (s *step) goBack(ctx context.Context, previous version) error {
	if !s.detach(ctx) {
		return &Error{Code: CodeAWSUnavailable, Text: "AWSPENDING could not be taken off, so AWSCURRENT was not put back", Transient: true,
			Advice: "Secrets Manager tries the rotation again by itself"}
	}
	if !s.secret.has(s.ev.Token, refresh.StageRejected) &&
		!s.move(ctx, Move{Label: refresh.StageRejected, From: s.secret.holder(refresh.StageRejected), To: s.ev.Token}) {
		return &Error{Code: CodeAWSUnavailable, Text: "the refused version could not be labelled REJECTED, so AWSCURRENT was not put back", Transient: true,
			Advice: "Secrets Manager tries the rotation again by itself"}
	}
	if err := s.moveCurrent(ctx, s.ev.Token, previous.doc.VersionID); err != nil {
		return notOver(err)
	}
	// Secrets Manager has put AWSPREVIOUS on the bad version. What held it before the rotation is not known any more: better none.
	s.move(ctx, Move{Label: refresh.StagePrevious, From: s.ev.Token})
	return nil
}
