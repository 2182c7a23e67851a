package oauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// httpRequest builds the request. It must have been checked.
func (r *Request) httpRequest(ctx context.Context, userAgent string) (*http.Request, error) {
	params := r.parameters()
	endpoint, body, contentType := r.TokenEndpoint, []byte(nil), typeForm
	switch {
	case r.AuthMethod == ClientSecretQuery:
		// An empty body of type JSON is what Hotmart documents; a form type would make some servers look for the parameters there.
		endpoint, contentType = withQuery(endpoint, params), typeJSON
	case r.AuthMethod == ClientSecretJSON || r.JSONBody:
		var err error
		if body, err = jsonBody(params); err != nil {
			return nil, err
		}
		contentType = typeJSON
	default:
		body = []byte(params.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	values := []string{typeJSON, "gzip", contentType, userAgent} // of this request alone: a RoundTripper of others may do what it must not
	for i, name := range [...]string{"Accept", "Accept-Encoding", "Content-Type", "User-Agent"} {
		req.Header[name] = values[i : i+1 : i+1]
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if r.AuthMethod == ClientSecretBasic && !r.anonymous {
		req.Header.Set("Authorization", "Basic "+r.basicValue())
	}
	return req, nil
}

// parameters are what goes into the query or the body, under the names that this server wants.
func (r *Request) parameters() url.Values {
	v := url.Values{}
	for name, values := range r.Params {
		v[r.paramName(name)] = values
	}
	set := func(name, value string) {
		if value != "" {
			v.Set(r.paramName(name), value)
		}
	}
	if r.OmitGrantType {
		v.Del(r.paramName("grant_type"))
	} else {
		set("grant_type", r.grantType())
	}
	set("scope", r.Scope)
	set("audience", r.Audience)
	set("resource", r.Resource)
	if r.AuthMethod != ClientSecretBasic {
		set("client_id", r.ClientID)
		set("client_secret", r.ClientSecret.Reveal())
	}
	return v
}

func (r *Request) grantType() string {
	if r.GrantType == "" {
		return GrantClientCredentials
	}
	return r.GrantType
}

func (r *Request) paramName(standard string) string {
	if name := r.ParamNames[standard]; name != "" {
		return name
	}
	return standard
}

// basicValue is what follows "Basic ".
func (r *Request) basicValue() string {
	return basicOf(r.ClientID, r.ClientSecret.Reveal(), r.RawBasic)
}

// basicOf is the Basic value of a pair. raw leaves out the form-encoding of RFC 6749 section 2.3.1 and appendix B.
func basicOf(id, secret string, raw bool) string {
	if !raw {
		id, secret = url.QueryEscape(id), url.QueryEscape(secret)
	}
	return base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
}

// withQuery adds parameters to an endpoint's own query, which RFC 6749 section 3.2 says must be kept.
func withQuery(endpoint string, params url.Values) string {
	switch {
	case !strings.Contains(endpoint, "?"):
		return endpoint + "?" + params.Encode()
	case strings.HasSuffix(endpoint, "?") || strings.HasSuffix(endpoint, "&"):
		return endpoint + params.Encode()
	default:
		return endpoint + "&" + params.Encode()
	}
}

// jsonBody writes a parameter with one value as a string, and one with several as a list.
func jsonBody(params url.Values) ([]byte, error) {
	object := make(map[string]any, len(params))
	for name, values := range params {
		if len(values) == 1 {
			object[name] = values[0]
		} else {
			object[name] = values
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // "&" in a secret is as good as "\u0026", but not every server knows
	if err := enc.Encode(object); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// scrubber knows every secret of the request.
func (r *Request) scrubber() *scrubber {
	s := new(scrubber)
	s.add(r.ClientSecret.Reveal())
	for _, raw := range []bool{false, true} {
		s.add(basicOf(r.ClientID, r.ClientSecret.Reveal(), raw)) // one that is the same is taken once
	}
	return s
}
