package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// outgoing is a token request that is ready to be sent, with what is needed to understand the response.
type outgoing struct {
	endpoint Endpoint
	host     string
	call     Call
	secrets  []Secret // of the client authentication and the grant
	scope    string   // that was requested, "" for none
}

// prepare applies the grant and the client authentication, and checks what they produced. A probe is sent without the client
// authentication, and without the parameters in which the grant has its secrets. An error of the grant or the client authentication may
// hold secrets; notBuilt removes them.
func (r TokenRequest) prepare(ctx context.Context, host string, now time.Time, probe bool) (outgoing, error) {
	out := outgoing{endpoint: r.Endpoint, host: host, call: Call{URL: r.Endpoint.URL, Now: now, Form: url.Values{}, Header: http.Header{}}}
	if r.Grant == nil {
		return out, invalidRequest("the grant is missing")
	}
	if r.Auth == nil && !probe {
		return out, invalidRequest("the client authentication is missing")
	}
	for name, values := range r.Endpoint.Params {
		out.call.Form[name] = slices.Clone(values)
	}
	err := r.Grant.Apply(out.call.Form)
	out.secrets = r.Grant.Secrets()
	out.scope = out.call.Form.Get("scope")
	if err == nil && !probe {
		err = r.Auth.Apply(ctx, &out.call)
		out.secrets = append(slices.Clone(out.secrets), r.Auth.Secrets()...)
	}
	if err != nil {
		return out, err
	}
	if probe {
		out.dropSecrets()
	}
	if r.Endpoint.OmitGrantType {
		out.call.Form.Del("grant_type")
	}
	if why := out.fault(); why != "" {
		return out, invalidRequest(why)
	}
	return out, nil
}

// invalidRequest is the error of a request that cannot be sent as it is. The host is added later.
func invalidRequest(why string) *Error { return configError(CodeInvalidRequestConfig, "", why) }

// notBuilt is the outcome when prepare returned an error. caller is the caller's context, which an attempt's own deadline does not end.
func (o outgoing) notBuilt(caller context.Context, err error) *Error {
	if cerr := caller.Err(); cerr != nil {
		return canceledError(o.host, cerr)
	}
	var own *Error
	switch {
	case errors.As(err, &own):
	case errors.Is(err, context.DeadlineExceeded):
		own = &Error{Class: Transient, Code: CodeNetwork, Description: "the client authentication took too long", cause: context.DeadlineExceeded}
	default:
		own = invalidRequest(err.Error())
	}
	e := *own
	e.Host, e.Description = o.host, o.redactor().text(own.Description)
	return &e
}

// dropSecrets removes the parameters that hold a secret of the grant.
func (o outgoing) dropSecrets() {
	private := o.redactor()
	for name, values := range o.call.Form {
		if slices.ContainsFunc(values, private.finds) {
			o.call.Form.Del(name)
		}
	}
}

// redactor knows every secret of the request.
func (o outgoing) redactor() *scrubber {
	s := new(scrubber)
	for _, secret := range o.secrets {
		s.add(secret.Reveal())
	}
	// A client assertion (RFC 7523 section 2.2) is made by Apply, so Secrets need not know it.
	s.add(o.call.Form.Get("client_assertion"))
	if _, credentials, ok := strings.Cut(o.call.Header.Get("Authorization"), " "); ok {
		s.add(credentials)
	}
	return s
}

// httpRequest builds the request.
func (o outgoing) httpRequest(ctx context.Context, userAgent string) (*http.Request, error) {
	params := make(url.Values, len(o.call.Form))
	for name, values := range o.call.Form {
		params[o.endpoint.paramName(name)] = values
	}
	endpoint, body, contentType := o.endpoint.URL, []byte(nil), typeForm
	switch o.endpoint.Body {
	case QueryBody:
		// Not a form type: some servers would then look for the parameters in the body.
		endpoint, contentType = withQuery(endpoint, params), typeJSON
	case JSONBody:
		var err error
		if body, err = jsonBody(params); err != nil {
			return nil, err
		}
		contentType = typeJSON
	case FormBody:
		body = []byte(params.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = http.Header{"Accept": {typeJSON}, "Accept-Encoding": {"gzip"}, "Content-Type": {contentType}, "User-Agent": {userAgent}}
	for _, headers := range []http.Header{o.endpoint.Header, o.call.Header} {
		for name, values := range headers {
			req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	return req, nil
}

func (e Endpoint) paramName(standard string) string {
	if name := e.ParamNames[standard]; name != "" {
		return name
	}
	return standard
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
	enc.SetEscapeHTML(false) // "&" in a secret equals "\u0026", but not every server decodes it
	if err := enc.Encode(object); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
