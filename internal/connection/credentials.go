package connection

import (
	"encoding/base64"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// credentials reads client_id, client_secret and basic_token.
func (p *parser) credentials() {
	id, secret := p.text(fieldClientID), p.text(fieldClientSecret)
	if token := p.text(fieldBasicToken); token != "" && p.fault == nil {
		id, secret = p.basicToken(token, id, secret)
	}
	p.credential(fieldClientID, id)
	p.credential(fieldClientSecret, secret)
	p.conn.ClientID, p.conn.ClientSecret = id, oauth.NewSecret(secret)
}

// credential checks a client id or secret.
func (p *parser) credential(field, value string) {
	_, there := p.doc.fields[field]
	switch {
	case value == "" && there && p.raw(field) != nil:
		p.fail(field, field+" is empty")
	case value == "" && p.conn.Provider.BasicToken:
		p.fail(field, field+" is missing; store client_id and client_secret, or basic_token")
	case value == "":
		p.fail(field, field+" is missing")
	}
	if why := credentialFault(value); why != "" {
		p.fail(field, field+" "+why)
	}
}

// basicWord is what the panel shows before its value, and the header name that people copy with it.
var basicWord = regexp.MustCompile(`(?i)^(authorization:\s*)?basic\s+`)

func withoutBasicWord(token string) string {
	if at := basicWord.FindStringIndex(token); at != nil {
		return token[at[1]:]
	}
	return token
}

// basicToken returns the client id and secret of a Basic value (RFC 7617), and compares them with the fields that are present.
func (p *parser) basicToken(token, id, secret string) (string, string) {
	if !p.conn.Provider.BasicToken {
		p.fail(fieldBasicToken, "basic_token: "+p.conn.Provider.ID+" has none; store client_id and client_secret")
		return id, secret
	}
	if why := textFault(token); why != "" {
		p.fail(fieldBasicToken, "basic_token "+why)
		return id, secret
	}
	if placeholder(token) {
		p.fail(fieldBasicToken, "basic_token is a placeholder; store the value that the provider's panel shows")
		return id, secret
	}
	ownID, ownSecret, why := splitBasic(withoutBasicWord(token))
	if why != "" {
		p.fail(fieldBasicToken, "basic_token "+why)
		return id, secret
	}
	if id != "" && id != ownID {
		p.fail(fieldBasicToken, "basic_token belongs to another client_id than the field; remove one of them")
	}
	if secret != "" && secret != ownSecret {
		p.fail(fieldBasicToken, "basic_token holds another client_secret than the field; remove one of them")
	}
	return ownID, ownSecret
}

// splitBasic decodes id:secret from base64 of either alphabet, with or without its padding.
func splitBasic(encoded string) (id, secret, why string) {
	encoded = strings.TrimRight(strings.TrimSpace(encoded), "=")
	encoded = strings.NewReplacer("-", "+", "_", "/").Replace(encoded)
	raw, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil || len(raw) == 0 {
		return "", "", "is not base64; copy it again from the panel, whole"
	}
	if !utf8.Valid(raw) {
		return "", "", "does not decode to text; copy it again from the panel, whole"
	}
	id, secret, found := strings.Cut(string(raw), ":")
	if !found {
		return "", "", "does not decode to client_id:client_secret; copy it again from the panel, whole"
	}
	for _, half := range []struct{ name, value string }{{fieldClientID, id}, {fieldClientSecret, secret}} {
		if half.value == "" {
			return "", "", "decodes to an empty " + half.name
		}
		if fault := credentialFault(half.value); fault != "" {
			return "", "", "decodes to a " + half.name + " that " + fault
		}
	}
	return id, secret, ""
}
