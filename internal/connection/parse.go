package connection

import (
	"strings"

	"github.com/chaveiro/chaveiro/internal/provider"
	"github.com/chaveiro/chaveiro/pkg/oauth"
)

// Options of Parse. The zero value is what production uses.
type Options struct {
	AllowLoopback bool // accept http and loopback token endpoints: local runs and tests only
}

// Parse reads the connection document in value. The error is an *Error about the first fault, in a fixed order: the name, the shape of
// the value, names of fields, the provider, the credentials, a credential in another field, then the configuration in the order of contract.md
// section 1.
func Parse(id string, value oauth.Secret, cat provider.Catalogue, opts Options) (Connection, error) {
	if err := ValidID(id); err != nil {
		return Connection{}, err
	}
	doc, err := readDocument(value)
	if err != nil {
		return Connection{}, &Error{Connection: id, Code: CodeInvalidDocument, Message: err.Error()}
	}
	p := &parser{doc: doc, opts: opts, cat: cat, conn: Connection{ID: id}}
	for _, step := range []func(){
		p.names, p.provider, p.credentials, p.misplaced, p.account, p.environment, p.scopes, p.endpoint, p.authMethod, p.grantType, p.targets,
		p.lifetime, p.switches,
	} {
		if step(); p.fault != nil {
			p.fault.Connection = id
			return Connection{}, p.fault
		}
	}
	return p.conn, nil
}

// parser carries one Parse. Each step reads a few fields into conn or records a fault; the first fault stays.
type parser struct {
	doc   document
	opts  Options
	cat   provider.Catalogue
	conn  Connection
	fault *Error
}

// fail records a fault of a field.
func (p *parser) fail(field, message string) { p.failCode(CodeInvalidDocument, field, message) }

func (p *parser) failCode(code, field, message string) {
	if p.fault == nil {
		p.fault = &Error{Code: code, Field: field, Message: message}
	}
}

// names rejects fields that nothing reads.
func (p *parser) names() {
	name, found := p.doc.unknown()
	if !found {
		return
	}
	msg := "unknown field " + quoteName(name, p.doc)
	if near := nearestField(name); near != "" {
		msg += `; did you mean "` + near + `"?`
	} else {
		msg += "; remove it, or begin its name with x_ to keep a note"
	}
	p.fail(clip(quoteName(name, p.doc)), msg)
}

// clip is a quoted name without its quotes, for Error.Field.
func clip(quoted string) string { return strings.Trim(quoted, `"`) }

// provider reads provider.
func (p *parser) provider() {
	id := p.text(fieldProvider)
	if p.fault != nil {
		return
	}
	if id == "" {
		p.fail(fieldProvider, `"provider" is missing; the value must be the whole document, for example {"provider":"hotmart","client_id":"…","client_secret":"…"}`)
		return
	}
	found, ok := p.cat.Get(id)
	if ok {
		p.conn.Provider = found
		return
	}
	msg := "unknown provider " + quote(id, p.doc)
	if near := p.cat.Nearest(id); near != "" {
		msg += `; did you mean "` + near + `"?`
	} else {
		msg += `; use "generic" with token_endpoint for any other OAuth 2.0 server.`
	}
	p.failCode(CodeUnknownProvider, fieldProvider, msg+" Known: "+strings.Join(p.cat.IDs(), ", "))
}

// account reads account_id.
func (p *parser) account() {
	id := p.plainText(fieldAccountID)
	if id == "" || p.fault != nil {
		return
	}
	switch {
	case !p.conn.Provider.HasAccount():
		p.fail(fieldAccountID, "account_id: "+p.conn.Provider.ID+" has none; remove it")
	case len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }):
		p.fail(fieldAccountID, "account_id: 1 to 128 letters, digits or signs, without spaces")
	}
	p.conn.AccountID = id
}

// targets reads audience and resource.
func (p *parser) targets() {
	p.conn.Audience, p.conn.Resource = p.plainText(fieldAudience), p.plainText(fieldResource)
	if p.conn.Provider.AudienceRequired && p.conn.Audience == "" {
		p.fail(fieldAudience, "audience is missing; "+p.conn.Provider.ID+" gives no token without")
	}
	if p.conn.Provider.ResourceRequired && p.conn.Resource == "" {
		p.fail(fieldResource, "resource is missing; "+p.conn.Provider.ID+" gives no token without")
	}
}

// switches reads verify_call and fallback.
func (p *parser) switches() {
	p.conn.VerifyCall = p.boolean(fieldVerifyCall, false)
	p.conn.Fallback = p.boolean(fieldFallback, true)
	if p.conn.VerifyCall && len(p.conn.Provider.VerifyCalls) == 0 {
		p.fail(fieldVerifyCall, "verify_call: no call is known for "+p.conn.Provider.ID+"; remove it")
	}
}
