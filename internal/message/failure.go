// Package message holds every sentence and command for people. No control flow depends on it.
package message

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chaveiro/chaveiro/internal/connection"
	"github.com/chaveiro/chaveiro/internal/lifecycle"
	"github.com/chaveiro/chaveiro/internal/store"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Failing is what a sentence about a failing connection is made of.
type Failing struct {
	ID           string
	Now          time.Time
	State        lifecycle.State // with its Failure and the published token
	Cause        *lifecycle.Cause
	ProviderName string // "" when the document could not be read
	Secret       string // full name of the secret
	Previous     string // version id of AWSPREVIOUS, "" when there is none
	Current      string // version id of AWSCURRENT
}

// Failure is the sentence about a failed attempt: what happened, to which connection, how long the published token is valid, what to do.
func Failure(f Failing) string {
	text := f.Cause.Text
	if f.Cause.Class == lifecycle.Credentials {
		text = fmt.Sprintf("%s rejects these client credentials (%s)", orProvider(f.ProviderName), response(f.Cause))
		if failure := f.State.Failure; failure != nil && failure.Attempts > 0 && failure.Attempts <= lifecycle.FailureThreshold {
			text += fmt.Sprintf(", attempt %d of %d", failure.Attempts, lifecycle.FailureThreshold)
		}
	}
	return Sentence(Named(f.ID, text)) + " " + validity(f.State, f.Now) + then(advice(f.Cause)+undo(f))
}

// StillFailing repeats an earlier failure, for a connection without an attempt in this run.
func StillFailing(s lifecycle.State, d lifecycle.Decision, now time.Time) string {
	f := s.Failure
	text := Sentence(Named(s.ID, f.Code+" since "+Instant(f.FirstAt)+"; "+d.Text)) + " " + validity(s, now)
	if f.Class == lifecycle.Transient {
		return text
	}
	return text + then(advice(&lifecycle.Cause{Class: f.Class, Code: f.Code}))
}

// Early is the sentence about a name for which there is no state: an invalid or unknown one.
func Early(name string, c *lifecycle.Cause) string {
	text := Sentence(Named(name, c.Text))
	if c.Code == CodeUnknown {
		return text // it says what to do
	}
	return text + then(advice(c))
}

// Cause is a cause with its advice, for a rotation.
func Cause(id string, c *lifecycle.Cause) string {
	return Sentence(Named(id, c.Text)) + then(advice(c))
}

// CodeUnknown is the code of a connection that does not exist (contract.md section 3).
const CodeUnknown = "unknown_connection"

// TypeConflict is the cause of a parameter of another type under the token's name.
func TypeConflict(kind string) *lifecycle.Cause {
	return &lifecycle.Cause{Class: lifecycle.Configuration, Code: string(lifecycle.TypeConflict),
		Text: fmt.Sprintf("its access_token parameter is a %s, not a SecureString", kind)}
}

// advice says what to do about a cause, without a full stop; "" when its text says it.
func advice(c *lifecycle.Cause) string {
	if text, ok := adviceByCode(c.Code); ok {
		return text
	}
	switch c.Class {
	case lifecycle.Credentials:
		return "Copy both values again from the provider's panel and save the secret; it is retried immediately"
	case lifecycle.Configuration:
		return "Fix it and save the secret again; it is retried immediately"
	case lifecycle.Transient, lifecycle.Malformed:
		return "Nothing to do for now: it is retried automatically"
	case lifecycle.Canceled:
	}
	return ""
}

func adviceByCode(code string) (string, bool) {
	switch code {
	case lifecycle.CodeTokenTooLarge:
		return "Request fewer scopes, which makes the token shorter", true
	case lifecycle.CodeMissingScope:
		return "Grant it in the provider's panel, or remove it from required_scope", true
	case lifecycle.CodeAccountChanged:
		return "If the account is meant to change, invoke the refresher with force; if not, store the client credentials of the right account", true
	case string(lifecycle.TypeConflict):
		return "Delete that parameter; the next run writes it again", true
	case "parameter_rejected":
		return "Look at the parameter's history: a label on its oldest version must be moved. Then invoke the refresher with force", true
	case "secret_access_denied":
		return "Allow the refresher's role to read this secret, or remove the policy that denies it", true
	case "secret_undecryptable":
		return "Allow kms:Decrypt on the secret's key (template parameter KmsKeyArn), or store the secret under the default key", true
	case "aws_unavailable":
		return "If access is denied, add the permission to the function's role; otherwise it is retried automatically", true
	case oauth.CodeDNS:
		return "If the name is mistyped, correct token_endpoint; otherwise it is retried automatically", true
	case oauth.CodeWAFBlocked:
		return "It is retried automatically; if it continues, ask the provider to allow your address through its firewall", true
	case connection.CodeInvalidConnectionID:
		return "", true
	}
	return "", false
}

// undo is the command that takes back the last put-secret-value, where an invalid document replaced another.
func undo(f Failing) string {
	if f.Previous == "" || f.Cause.Code != connection.CodeInvalidDocument && f.Cause.Code != connection.CodeUnknownProvider {
		return ""
	}
	return fmt.Sprintf(". Undo: aws secretsmanager update-secret-version-stage --secret-id %s --version-stage %s --move-to-version-id %s --remove-from-version-id %s",
		f.Secret, store.StageCurrent, f.Previous, f.Current)
}

// response is the provider's response in short: "HTTP 401: Bad credentials".
func response(c *lifecycle.Cause) string {
	if c.ProviderMessage == "" {
		return fmt.Sprintf("HTTP %d", c.HTTPStatus)
	}
	return fmt.Sprintf("HTTP %d: %s", c.HTTPStatus, c.ProviderMessage)
}

// validity says how long readers are still served.
func validity(s lifecycle.State, now time.Time) string {
	if s.Remaining(now) <= 0 {
		return "There is no valid token."
	}
	return "Token valid until " + Instant(s.Token.ExpiresAt) + "."
}

func orProvider(name string) string {
	if name == "" {
		return "The provider"
	}
	return name
}

// Named puts the connection in front of a text that does not begin with it.
func Named(id, text string) string {
	if strings.HasPrefix(text, id+": ") || strings.HasPrefix(text, strconv.Quote(id)) {
		return text
	}
	return id + ": " + text
}

// Sentence adds a full stop where a text has no end.
func Sentence(text string) string {
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "!") {
		return text
	}
	return text + "."
}

func then(advice string) string {
	if advice == "" {
		return ""
	}
	return " " + Sentence(advice)
}

// Instant is RFC 3339 in UTC.
func Instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }
