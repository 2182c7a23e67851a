package refresh

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/renew"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Codes of our own (contract.md section 3), beside those of pkg/oauth and internal/connection.
const (
	codeMissingScope   = "missing_required_scope"
	codeStoreChanged   = "store_changed"
	codeTooLarge       = "token_too_large"
	codeTypeConflict   = "parameter_type_conflict"
	codeRefusedValue   = "parameter_refused"
	codeSecretDenied   = "secret_access_denied"
	codeUndecryptable  = "secret_undecryptable"
	codeAWSUnavailable = "aws_unavailable"
	codeUnknown        = "unknown_connection"
	codeWorseToken     = "shorter_than_published"
	codeInternal       = "internal_error"
)

// fault is why one connection failed.
type fault struct {
	class      oauth.Class
	code       string
	status     int           // HTTP status of the token endpoint, 0 when there was no answer
	retryAfter time.Duration // what the provider asked for
	text       string        // what happened, without the connection's name
	words      string        // the provider's own, cleaned; "" when it said nothing
	advice     string        // what to do about it, "" when text says it
	answer     bool          // it is the provider's, or its silence; else the stores' or the document's
	unrecorded bool          // says nothing about the connection: no failure record
}

// again reports whether another try may help without a person.
func (f *fault) again() bool { return f.class == oauth.Transient || f.class == oauth.Malformed }

// faultOf classifies an error of the stores, of the document or of the provider.
func faultOf(err error) *fault {
	var refused *oauth.Error
	var document *connection.Error
	switch {
	case errors.As(err, &document):
		return &fault{class: document.Class(), code: document.Code, text: document.Error()}
	case errors.As(err, &refused):
		return &fault{class: refused.Class, code: refused.Code, status: refused.Status, retryAfter: refused.RetryAfter, text: refused.Error(), words: refused.Description, answer: true}
	case errors.Is(err, ErrAccessDenied):
		return &fault{class: oauth.Configuration, code: codeSecretDenied, text: err.Error(),
			advice: "Let the refresher's role read this secret, or remove the policy that denies it"}
	case errors.Is(err, ErrUndecryptable):
		return &fault{class: oauth.Configuration, code: codeUndecryptable, text: err.Error(),
			advice: "Allow kms:Decrypt on the secret's key (template parameter KmsKeyArn), or store the secret under the default key"}
	case errors.Is(err, ErrTypeConflict):
		return &fault{class: oauth.Configuration, code: codeTypeConflict, text: err.Error(),
			advice: "Delete the parameter, the next run writes it anew"}
	case errors.Is(err, ErrRefusesValue):
		return &fault{class: oauth.Configuration, code: codeRefusedValue, text: err.Error(),
			advice: "Look at the parameter's history: a label on its oldest version has to be moved. Then invoke with force"}
	default:
		return awsFault(err)
	}
}

// awsFault is trouble with AWS that is no one connection's, such as an outage or a permission that the refresher's role lacks.
func awsFault(err error) *fault {
	return &fault{class: oauth.Transient, code: codeAWSUnavailable, text: err.Error(), unrecorded: true,
		advice: "If access is denied, add the permission to the refresher's role; else there is nothing to do, it is tried again by itself"}
}

// sentence is what a person reads about the fault: which connection, what happened, how long the published token lives, what to do.
func (r *run) sentence(it *item, f *fault, record renew.Failure) string {
	text := f.text
	if f.class == oauth.Credentials {
		text = fmt.Sprintf("%s refuses this pair (%s)", providerName(it), f.refusal())
		if record.Attempts > 0 && record.Attempts <= renew.LatchAfter {
			text += fmt.Sprintf(", attempt %d of %d", record.Attempts, renew.LatchAfter)
		}
	}
	advice := f.advice
	if advice == "" {
		advice = adviceFor(f) + r.undo(it, f)
	}
	return ended(named(it.id, text)) + " " + r.tokenLife(it) + sentenceEnd(advice)
}

// undo is the command that takes back the last put-secret-value, where a document that cannot be read replaced another.
func (r *run) undo(it *item, f *fault) string {
	previous, current := it.secret.Stages[StagePrevious], it.secret.Stages[StageCurrent]
	if previous == "" || f.code != connection.CodeInvalidDocument && f.code != connection.CodeUnknownProvider {
		return ""
	}
	return fmt.Sprintf(". Undo: aws secretsmanager update-secret-version-stage --secret-id %s --version-stage %s --move-to-version-id %s --remove-from-version-id %s",
		r.cfg.SecretPrefix+it.id, StageCurrent, previous, current)
}

// ended ends a sentence that does not end by itself.
func ended(s string) string {
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "!") {
		return s
	}
	return s + "."
}

// refusal is the provider's answer in short: "HTTP 401: Bad credentials".
func (f *fault) refusal() string {
	if f.words == "" {
		return fmt.Sprintf("HTTP %d", f.status)
	}
	return fmt.Sprintf("HTTP %d: %s", f.status, f.words)
}

// named puts the connection in front unless the text has it there already.
func named(id, text string) string {
	if strings.HasPrefix(text, id+": ") || strings.HasPrefix(text, strconv.Quote(id)) {
		return text
	}
	return id + ": " + text
}

func sentenceEnd(s string) string {
	if s == "" {
		return ""
	}
	return " " + s + "."
}

func providerName(it *item) string {
	if it.conn.Provider.Name != "" {
		return it.conn.Provider.Name
	}
	return "The provider"
}

// tokenLife tells how long readers are still served.
func (r *run) tokenLife(it *item) string {
	if it.facts.Record == nil || it.facts.Left(r.start) <= 0 {
		return "There is no valid token."
	}
	return "Token valid until " + stamp(it.facts.Record.ExpiresAt) + "."
}

func adviceFor(f *fault) string {
	switch f.class {
	case oauth.Credentials:
		return "Copy both values again from the provider's panel; a changed secret is tried at once"
	case oauth.Configuration:
		return "Mend it and store the secret again; a changed secret is tried at once"
	case oauth.Transient, oauth.Malformed:
		switch f.code {
		case oauth.CodeDNS:
			return "If the name is mistyped, mend token_endpoint; else it is tried again by itself"
		case oauth.CodeWAFBlocked:
			return "It is tried again by itself; if it goes on, ask the provider to let your address through its firewall"
		}
		return "Nothing to do for now, it is tried again by itself"
	case oauth.Canceled:
		return ""
	}
	return ""
}

// conflictFault is the fault of a parameter of another type where the token belongs.
func conflictFault(kind string) *fault {
	return &fault{class: oauth.Configuration, code: codeTypeConflict,
		text:   fmt.Sprintf("its access_token parameter is a %s, not a SecureString", kind),
		advice: "Delete that parameter, the next run writes it anew"}
}

// nextRecord works out the failure record that follows from f, and whether it has to be written.
func (r *run) nextRecord(it *item, f *fault, now time.Time) (renew.Failure, bool) {
	policy := r.cfg.policy(it.conn.RefreshAt)
	start := r.start.Truncate(time.Second) // what is counted in periods begins with a sweep, or it would miss one by a second
	rec := renew.Failure{Class: string(f.class), Code: f.code, Provider: it.conn.Provider.ID, Endpoint: it.conn.Host, HTTPStatus: f.status,
		Attempts: 1, FirstAt: start, LastAt: now.Truncate(time.Second), Current: it.facts.Current}
	was := it.facts.Failure
	if was != nil && (was.Current != rec.Current || was.FirstAt.After(now.Add(renew.ClockSkew))) {
		was = nil // about another credential, or from a time that has not come
	}
	wasLatched := was != nil && renew.LatchedBy(was)
	if wasLatched && f.again() { // a canary that met a bad line says nothing about the credential: the latch stays
		rec = *was
	} else if was != nil && was.Class == rec.Class {
		rec.FirstAt, rec.Attempts = was.FirstAt, was.Attempts+1
		if wasLatched {
			rec.Attempts = was.Attempts
		}
	}
	if renew.LatchedBy(&rec) {
		rec.NextAt = policy.NextCanary(now, rec.FirstAt, policy.Canary(it.lifetime()))
	} else {
		rec.NextAt = start.Add(policy.Backoff(rec.Attempts, it.facts.Left(now)))
	}
	rec.RetryAt = time.Time{}
	if f.retryAfter > 0 {
		rec.RetryAt = endOf(f.retryAfter, now)
		if rec.RetryAt.After(rec.NextAt) {
			rec.NextAt = rec.RetryAt
		}
	}
	rec.NextAt = rec.NextAt.Truncate(time.Second)
	write := !wasLatched || f.retryAfter > 0 || rec.Class != was.Class || rec.Code != was.Code
	return rec, write && !f.unrecorded
}

// endOf a wait, in whole seconds, never too early.
func endOf(wait time.Duration, now time.Time) time.Time {
	return now.Add(wait + time.Second - 1).UTC().Truncate(time.Second)
}

// lifetime of the connection's tokens as far as it is known; 0 when not.
func (it *item) lifetime() time.Duration {
	if it.facts.Record != nil {
		return it.facts.Record.Lifetime()
	}
	return it.conn.Provider.DefaultLifetime
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
