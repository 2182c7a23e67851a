package connection

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

const (
	// minHeld is the least length of a credential that is looked for within a longer value: a shorter one may be there by chance.
	minHeld = 8
	// minEqual is the same for a value that equals the credential.
	minEqual = 4
)

// secretText is a text, in lower case, that must be in no other field than the credential fields.
type secretText struct{ name, text string }

// misplaced rejects a credential in a configuration field: such values are printed and published. The value is not repeated.
func (p *parser) misplaced() {
	if p.fault != nil {
		return
	}
	secrets := p.secretTexts()
	for _, field := range fieldNames {
		if credential(field) {
			continue
		}
		for _, value := range texts(p.raw(field)) {
			if name := heldBy(strings.ToLower(value), secrets); name != "" {
				p.fail(field, field+" holds the "+name+"; remove it there: this field is printed and published")
			}
		}
	}
	if id := p.conn.ClientID; len(id) >= minHeld && id == p.conn.ClientSecret.Reveal() {
		p.fail(fieldClientID, "client_id and client_secret are the same text; copy each again from the provider's panel")
	}
}

// secretTexts are the client secret and the Basic value, also in the encoding of a URL.
func (p *parser) secretTexts() []secretText {
	id, secret := p.conn.ClientID, p.conn.ClientSecret.Reveal()
	basic := func(id, secret string) string {
		return strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(id+":"+secret)), "=")
	}
	all := []secretText{
		{fieldClientSecret, secret},
		{"Basic value of the client credentials", basic(id, secret)},
		{"Basic value of the client credentials", basic(url.QueryEscape(id), url.QueryEscape(secret))}, // RFC 6749 section 2.3.1
	}
	if stored := strings.TrimRight(withoutBasicWord(p.text(fieldBasicToken)), "="); stored != "" {
		all = append(all, secretText{fieldBasicToken, stored})
	}
	held := make([]secretText, 0, 3*len(all))
	for _, s := range all {
		for _, text := range []string{s.text, url.QueryEscape(s.text), url.PathEscape(s.text)} {
			one := secretText{s.name, strings.ToLower(text)}
			if !slices.ContainsFunc(held, func(h secretText) bool { return h.text == one.text }) {
				held = append(held, one)
			}
		}
	}
	return held
}

// heldBy names the secret that a value in lower case holds, "" for none. Case does not count: a host name is shown in lower case.
func heldBy(value string, secrets []secretText) string {
	for _, s := range secrets {
		if len(s.text) >= minHeld && strings.Contains(value, s.text) || len(s.text) >= minEqual && strings.TrimSpace(value) == s.text {
			return s.name
		}
	}
	return ""
}

// texts are all texts in a field: the string itself, what a list holds, and what a string holds that is a list.
func texts(raw []byte) []string {
	if len(raw) == 0 {
		return nil
	}
	if s, ok := unquote(raw); ok {
		return append(texts(listIn(s)), s)
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) == nil {
		var all []string
		for _, item := range items {
			all = append(all, texts(item)...)
		}
		return all
	}
	return []string{string(raw)} // a number, a boolean, an object
}

// listIn returns s when it is a JSON list, as the console's editor stores one, else nil.
func listIn(s string) []byte {
	if s = strings.TrimSpace(s); !strings.HasPrefix(s, "[") {
		return nil
	}
	return []byte(s)
}
