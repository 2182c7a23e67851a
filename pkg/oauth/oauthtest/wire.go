package oauthtest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// maxRequest bounds what is read of a request. A token request is a few hundred bytes.
const maxRequest = 1 << 20

// wire is a request as it arrived, read once, the same in process and from a port.
type wire struct {
	method, host, path string
	header             http.Header
	media              string // of the body, "" when there is none
	hasBody            bool
	query, form, json  url.Values
}

func readWire(r *http.Request) (*wire, error) {
	in := &wire{method: r.Method, host: r.URL.Host, path: r.URL.Path, header: r.Header}
	if in.host == "" {
		in.host = r.Host
	}
	if h, _, err := net.SplitHostPort(in.host); err == nil {
		in.host = h
	}
	if in.method == "" {
		in.method = http.MethodGet
	}
	in.query, _ = url.ParseQuery(r.URL.RawQuery) // what could be parsed, as servers do
	if r.Body == nil || r.Body == http.NoBody {
		return in, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return nil, err
	}
	in.media, _, _ = mime.ParseMediaType(r.Header.Get("Content-Type"))
	in.hasBody = len(body) > 0
	switch in.media {
	case "application/x-www-form-urlencoded":
		in.form, _ = url.ParseQuery(string(body))
	case jsonType:
		in.json = jsonParams(body)
	}
	return in, nil
}

// jsonParams reads the strings of a JSON object.
func jsonParams(body []byte) url.Values {
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	v := make(url.Values, len(m))
	for k, x := range m {
		if s, ok := x.(string); ok {
			v.Set(k, s)
		}
	}
	return v
}

// present collects credentials from wherever they are. formDecode undoes the encoding of RFC 6749 section 2.3.1 on Basic.
func (in *wire) present(formDecode bool) credentials {
	var c credentials
	var styles []string
	if rest, ok := authorization(in.header, "basic"); ok {
		styles = append(styles, "basic")
		c.hasBasic = true
		c.basicID, c.basicSecret, c.basicOK = decodeBasic(rest, formDecode)
	}
	for _, from := range []struct {
		style  string
		values url.Values
		mark   *bool
	}{{"query", in.query, &c.inQuery}, {"form", in.form, &c.inForm}, {"json", in.json, &c.json}} {
		if !from.values.Has("client_id") {
			continue
		}
		styles = append(styles, from.style)
		*from.mark = true
		if !c.hasParam {
			c.hasParam = true
			c.paramID, c.paramSecret = from.values.Get("client_id"), from.values.Get("client_secret")
		}
	}
	c.style = "none"
	if len(styles) > 0 {
		c.style = strings.Join(styles, "+")
	}
	return c
}

// authorization returns what follows the scheme in the Authorization header.
func authorization(h http.Header, scheme string) (string, bool) {
	word, rest, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(word, scheme) {
		return "", false
	}
	return strings.TrimSpace(rest), true
}

func decodeBasic(value string, formDecode bool) (id, secret string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", "", false
	}
	id, secret, ok = strings.Cut(string(raw), ":")
	if !ok || !formDecode {
		return id, secret, ok
	}
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	return id, secret, err1 == nil && err2 == nil
}

// param returns a parameter of the query or the form, as the servers that merge the two do.
func (in *wire) param(name string) string {
	if v := in.query.Get(name); v != "" {
		return v
	}
	return in.form.Get(name)
}
