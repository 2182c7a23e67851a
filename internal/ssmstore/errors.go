package ssmstore

import (
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/chaveiro/chaveiro/internal/awserr"
	"github.com/chaveiro/chaveiro/internal/store"
)

// Codes are those of the SDK's types where it has one. The others are common to all services: ThrottlingException, AccessDeniedException,
// ValidationException, ….

// readTable says what a response to GetParameters means.
func readTable(r awserr.Response) error {
	if common := commonKind(r); common != nil {
		return common
	}
	switch r.Code {
	case (&types.ParameterNotFound{}).ErrorCode(), (&types.ParameterVersionNotFound{}).ErrorCode():
		return store.ErrNotFound
	case (&types.AccessDeniedException{}).ErrorCode(), "AccessDenied":
		return store.ErrAccessDenied
	}
	return store.ErrUnavailable
}

// writeTable says what a response to PutParameter or DeleteParameters means.
func writeTable(r awserr.Response) error {
	if common := commonKind(r); common != nil {
		return common
	}
	switch r.Code {
	case (&types.HierarchyTypeMismatchException{}).ErrorCode():
		return store.ErrTypeConflict
	case (&types.InvalidKeyId{}).ErrorCode(), (&types.ParameterLimitExceeded{}).ErrorCode():
		return store.ErrUnwritable
	}
	// A caller that is refused by name, by signature or by the key is refused for every parameter. KMS's own codes come through unchanged.
	if aboutCaller(r.Code) || r.Status == http.StatusForbidden || strings.HasPrefix(r.Code, "KMS") {
		return store.ErrUnwritable
	}
	if r.Code == "" {
		return store.ErrUnavailable // without a code the response comes from a proxy and not from SSM
	}
	return store.ErrInvalidWrite
}

// commonKind is the part of both tables that passes by itself, nil for any other response.
func commonKind(r awserr.Response) error {
	switch {
	case r.Throttled(), r.Code == (&types.TooManyUpdates{}).ErrorCode():
		return store.ErrThrottled
	case r.Status >= http.StatusInternalServerError, r.Code == (&types.InternalServerError{}).ErrorCode():
		return store.ErrUnavailable
	}
	return nil
}

// aboutCaller reports whether a code is about the caller and not about the request.
func aboutCaller(code string) bool {
	switch code {
	case (&types.AccessDeniedException{}).ErrorCode(), "AccessDenied", "NotAuthorized", "OptInRequired",
		"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return true
	}
	return false
}
