package connection

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

func (c Connection) TokenRequest() oauth.TokenRequest { return c.Request("") }

func MergeCredentials(current, credentials oauth.Secret) (oauth.Secret, error) {
	return Overlay(current, credentials)
}

func Configuration(doc oauth.Secret) (string, error) {
	d, err := readDocument(doc)
	if err != nil {
		return "", &Error{Code: CodeInvalidDocument, Message: err.Error()}
	}
	h := sha256.New()
	for _, name := range slices.Sorted(slices.Values(d.names)) {
		if v := canonical(d, name); v != "" && !credential(name) && !strings.HasPrefix(name, freePrefix) {
			h.Write([]byte(name + "\x00" + v + "\x00"))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}
