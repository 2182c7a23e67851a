package smsecret

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
)

// table says what a response of Secrets Manager means. Anything that it does not name is ErrUnavailable and is tried again later. That
// includes a caller without valid credentials (ExpiredTokenException, …), which says nothing about the secret.
func table(r awserr.Response) error {
	switch {
	case r.Throttled(), r.Status >= http.StatusInternalServerError:
		return store.ErrUnavailable
	case r.Code == (&types.ResourceNotFoundException{}).ErrorCode():
		return store.ErrNotFound
	case r.Code == (&types.DecryptionFailure{}).ErrorCode(), isKMSRefusal(r.Code):
		return store.ErrUndecryptable
	case r.Code == "AccessDeniedException" || r.Code == "AccessDenied":
		if isAboutKMS(r.Message) {
			return store.ErrUndecryptable
		}
		return store.ErrAccessDenied
	case r.Code == (&types.InvalidRequestException{}).ErrorCode():
		return invalidRequest(r.Message)
	}
	return store.ErrUnavailable
}

// readVersionTable is table for a version that is read by id and stage.
func readVersionTable(r awserr.Response) error {
	if r.Code == (&types.InvalidRequestException{}).ErrorCode() && strings.Contains(r.Message, "not associated") {
		return store.ErrStageMismatch
	}
	return table(r)
}

// putTable is table for PutSecretValue.
func putTable(r awserr.Response) error {
	switch r.Code {
	case (&types.ResourceExistsException{}).ErrorCode():
		return store.ErrVersionExists
	case (&types.LimitExceededException{}).ErrorCode():
		return store.ErrLimitExceeded
	}
	return table(r)
}

// moveTable is table for UpdateSecretVersionStage.
func moveTable(r awserr.Response) error {
	switch r.Code {
	case (&types.InvalidParameterException{}).ErrorCode():
		return store.ErrStageMoved
	case (&types.LimitExceededException{}).ErrorCode():
		return store.ErrLimitExceeded
	}
	return table(r)
}

// isKMSRefusal reports whether a code is a refusal of KMS, which comes through under its own name. KMSInternalException is none.
func isKMSRefusal(code string) bool {
	switch code {
	case "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException", "KMSOptInRequired":
		return true
	}
	return false
}

// isAboutKMS distinguishes "Access to KMS is not allowed" and "… is not authorized to perform: kms:Decrypt …" from a refusal of Secrets
// Manager itself, which has the same code. The name of a secret or role cannot hold the second, because it cannot hold a colon.
func isAboutKMS(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "access to kms") || strings.Contains(m, "kms:") || strings.Contains(m, "kms key")
}

// invalidRequest reads the one code that Secrets Manager has for every state in which a secret cannot be read: scheduled for deletion,
// or its key out of use.
func invalidRequest(message string) error {
	switch {
	case isAboutKMS(message):
		return store.ErrUndecryptable
	case strings.Contains(strings.ToLower(message), "delet"):
		return store.ErrDeleted
	}
	return store.ErrUnavailable
}

// withoutValue reports whether the secret exists but no version has the stage, because it was created without a value. AWS has no code for
// that, only the message "can't find the specified secret value for staging label: AWSCURRENT". For a secret that does not exist the
// message is "can't find the specified secret".
func withoutValue(e *awserr.Error) bool {
	return e.Code == (&types.ResourceNotFoundException{}).ErrorCode() && strings.Contains(e.Message, "secret value for staging label")
}

// refusesRequest reports whether the API refused the whole request for its form.
func refusesRequest(e *awserr.Error) bool {
	return e.Code == (&types.InvalidParameterException{}).ErrorCode() || e.Code == "ValidationException"
}

// batchError is what a failure of the whole batch means for each of its secrets.
func batchError(prefix string, err error) *awserr.Error {
	fault := awserr.New("BatchGetSecretValue", prefix, err, table)
	if !errors.Is(fault, store.ErrAccessDenied) {
		return fault
	}
	// A secret that may not be read is an error of that secret in the response. So here the action itself is missing, which is a fault of
	// the installation and not of one secret.
	installation := func(awserr.Response) error { return store.ErrUnavailable }
	return awserr.New("BatchGetSecretValue", prefix, err, installation).
		Explain("the role lacks the IAM action secretsmanager:BatchGetSecretValue on *")
}
