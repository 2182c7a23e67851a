package rotate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/store"
)

const (
	// looks is how often DescribeSecret is called for a version that it does not show yet: Secrets Manager is eventually consistent.
	looks = 3
	// lookAgain is the wait in between; all looks together take less than 5 s.
	lookAgain = 2 * time.Second
)

// preflight decides whether there is anything to do, and touches nothing:
//
//	G1 the event is well formed (Event.check, before any call)
//	G2 the secret lies under the prefix, in our account and region, by its exact ARN
//	G3 it exists, is not scheduled for deletion, managed by another service or a replica
//	G4 rotation is configured and on
//	G5 and by this function
//	G6 the version of the event has a stage; DescribeSecret is repeated for one that is not shown yet
//	G7 it is AWSCURRENT: live, the step has happened already
//	G8 else it has AWSPENDING, with any other stages
//	G9 exactly one version is AWSCURRENT
func (s *step) preflight(ctx context.Context) (live bool, err error) {
	if err := s.allowedID(); err != nil {
		return false, err
	}
	for look := 1; ; look++ {
		if err := s.describe(ctx); err != nil {
			return false, err
		}
		if len(s.secret.Versions[s.ev.Token]) > 0 {
			break
		}
		if look == looks {
			return false, s.notStaged()
		}
		if !sleep(ctx, lookAgain) {
			return false, deadlineError("waiting for the version to be shown")
		}
	}
	currents := s.secret.Holders(store.StageCurrent)
	switch {
	case s.secret.Has(s.ev.Token, store.StageCurrent) && len(currents) == 1:
		s.current = s.ev.Token
		return true, nil
	case !s.secret.Has(s.ev.Token, store.StagePending):
		return false, s.notPending()
	case len(currents) != 1:
		return false, &Error{Code: CodeNoCurrent, Text: fmt.Sprintf("%d versions are AWSCURRENT, it must be exactly one", len(currents)),
			Advice: "Store the connection's whole document, which also ends this rotation: " + s.commands().store()}
	}
	s.current = currents[0]
	return false, nil
}

// describe reads the secret anew and checks G2 to G5.
func (s *step) describe(ctx context.Context) error {
	secret, err := s.cfg.Secrets.Describe(ctx, s.ev.SecretID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &Error{Code: CodeSecretNotFound, Text: "the secret does not exist: " + err.Error(),
			Advice: "Look for its name: aws secretsmanager list-secrets", cause: err}
	case err != nil:
		e := s.secretError(ctx, "describe the secret", err)
		e.endsRotation = false
		return e
	}
	s.secret = secret
	if err := s.allowedSecret(); err != nil {
		return err
	}
	return s.rotatable(secret)
}

// rotatable checks G3 to G5 of a secret that exists.
func (s *step) rotatable(secret store.Secret) error {
	switch {
	case secret.Deleted:
		return &Error{Code: CodeSecretDeleted, Text: "the secret is scheduled for deletion",
			Advice: "If it is still needed: aws secretsmanager restore-secret --secret-id " + secret.Name}
	case secret.OwningService != "":
		return &Error{Code: CodeSecretManaged, Text: "the secret is managed by " + secret.OwningService,
			Advice: "Store the connection in a secret of your own"}
	case secret.PrimaryRegion != "" && secret.PrimaryRegion != s.cfg.Region:
		return &Error{Code: CodeSecretReplica, Text: "the secret is a replica of " + secret.PrimaryRegion, Advice: "Rotate it there; the replicas follow"}
	case !secret.RotationOn:
		return &Error{Code: CodeRotationDisabled, Text: "rotation was never configured for this secret, or was cancelled",
			Advice: "Start one: " + s.commands().rotate()}
	case !sameFunction(secret.RotationLambda, s.in.FunctionARN):
		return &Error{Code: CodeWrongFunction, Text: "the secret names another function for its rotation",
			Advice: "Set this function: " + s.commands().rotate()}
	}
	return nil
}

// arnPrefix begins the ARN of every secret.
const arnPrefix = "arn:"

// allowedID rejects a name or ARN that cannot be allowed, before any call (G2).
func (s *step) allowedID() error {
	if !strings.HasPrefix(s.ev.SecretID, arnPrefix) {
		if !strings.HasPrefix(s.ev.SecretID, s.cfg.SecretPrefix) {
			return s.notAllowed()
		}
		return nil
	}
	parts := strings.SplitN(s.ev.SecretID, ":", 7) // arn:aws:secretsmanager:region:account:secret:name-suffix
	own := strings.SplitN(s.in.FunctionARN, ":", 6)
	switch {
	case len(parts) != 7, parts[2] != "secretsmanager", parts[5] != "secret",
		parts[3] != s.cfg.Region,
		len(own) == 6 && parts[4] != own[4],
		!strings.HasPrefix(parts[6], s.cfg.SecretPrefix):
		return s.notAllowed()
	}
	return nil
}

// allowedSecret compares the secret that was found with the prefix and the event (G2). An ARN must be exactly the secret's, because AWS also finds
// secrets by a part of the ARN.
func (s *step) allowedSecret() error {
	id, under := strings.CutPrefix(s.secret.Name, s.cfg.SecretPrefix)
	byARN := s.ev.SecretID == s.secret.ARN
	byName := s.ev.SecretID == s.secret.Name
	if !under || !byARN && !byName || connection.ValidID(id) != nil {
		s.secret = store.Secret{} // nothing of it may be touched or logged
		return s.notAllowed()
	}
	s.id = id
	return nil
}

func (s *step) notAllowed() error {
	return &Error{Code: CodeSecretNotAllowed, Text: "this function may not rotate the secret of the event",
		Advice: fmt.Sprintf("It rotates secrets of its own account and region (%s) whose names are %q and the name of a connection",
			s.cfg.Region, s.cfg.SecretPrefix)}
}

// sameFunction compares the ARN of a secret's rotation function with that of this one, without a version or alias.
func sameFunction(lambda, own string) bool {
	return own == "" || lambda == "" || unqualified(lambda) == unqualified(own)
}

// unqualified is arn:aws:lambda:region:account:function:name without a version or alias behind it.
func unqualified(arn string) string {
	parts := strings.SplitN(arn, ":", 8)
	return strings.Join(parts[:min(len(parts), 7)], ":")
}

func (s *step) notStaged() error {
	return &Error{Code: CodeVersionNotStaged, Text: "version " + s.ev.Token + " has no stage (any more): this rotation is over. " +
		"It failed before, or a person stored a version, which ended it",
		Advice: "Nothing to fix here. For the next rotation: " + s.commands().stage() + ", then " + s.commands().rotate()}
}

func (s *step) notPending() error {
	e := &Error{Code: CodeVersionNotPending, Text: "version " + s.ev.Token + " does not have AWSPENDING (any more), but " +
		strings.Join(s.secret.Versions[s.ev.Token], ", ") + ": this rotation is over",
		Advice: "Nothing to fix here. For the next rotation: " + s.commands().stage() + ", then " + s.commands().rotate()}
	if s.secret.Has(s.ev.Token, store.StageRejected) {
		e.Text += ". The provider rejected the client credentials of this version"
	}
	return e
}
