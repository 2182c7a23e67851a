package oauth

import (
	"strings"
	"testing"
)

func TestCheckEndpoint(t *testing.T) {
	t.Parallel()
	const fine = ""
	for raw, want := range map[string]struct{ strict, loopback string }{
		"https://auth.example.com/token":          {fine, fine},
		"https://auth.example.com:8443/token?v=1": {fine, fine},
		"https://10.0.0.7/token":                  {fine, fine}, // an authorization server of one's own
		"https://8.8.8.8/token":                   {fine, fine},
		"https://[2001:db8::1]/token":             {fine, fine},
		"https://localhost.example.com/":          {fine, fine},
		"https://1.example.com/":                  {fine, fine},
		"http://auth.example.com/token":           {CodeEndpointRefused, fine},
		"https://localhost/token":                 {CodeEndpointRefused, fine},
		"https://LOCALHOST./token":                {CodeEndpointRefused, fine},
		"https://a.localhost/token":               {CodeEndpointRefused, fine},
		"https://127.0.0.1/token":                 {CodeEndpointRefused, fine},
		"https://127.9.9.9/token":                 {CodeEndpointRefused, fine},
		"https://[::1]/token":                     {CodeEndpointRefused, fine},
		"https://[::ffff:127.0.0.1]/token":        {CodeEndpointRefused, fine},
		"https://[::ffff:169.254.169.254]/":       {CodeEndpointRefused, fine},
		"https://[64:ff9b::7f00:1]/":              {CodeEndpointRefused, fine},
		"https://[64:ff9b::808:808]/":             {fine, fine},
		"https://0.0.0.0/":                        {CodeEndpointRefused, fine},
		"https://[::]/":                           {CodeEndpointRefused, fine},
		"https://169.254.169.254/latest":          {CodeEndpointRefused, fine},
		"https://[fe80::1%25eth0]/":               {CodeEndpointRefused, fine},
		"https://224.0.0.1/":                      {CodeEndpointRefused, fine},
		"https://[ff02::1]/":                      {CodeEndpointRefused, fine},
		"https://[fd00:ec2::254]/":                {CodeEndpointRefused, fine},
		"https://[fd00:ec3::254]/":                {fine, fine},
		"https://127.1/":                          {CodeEndpointRefused, fine},
		"https://2130706433/":                     {CodeEndpointRefused, fine},
		"https://0x7f.0.0.0x1/":                   {CodeEndpointRefused, fine},
		"https://0x/":                             {CodeEndpointRefused, fine},
		"":                                        {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"auth.example.com/token":                  {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"/token":                                  {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"ftp://auth.example.com/":                 {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https:auth.example.com":                  {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https:///token":                          {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https://me:hunter22@auth.example.com/":   {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https://auth.example.com/#hunter22":      {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https://auth.example.com/\x7fhunter22":   {CodeInvalidEndpoint, CodeInvalidEndpoint},
		" https://auth.example.com/":              {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https://１２７.0.0.1/":                      {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https://auth.example.com:0/":             {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https://auth.example.com:65536/":         {CodeInvalidEndpoint, CodeInvalidEndpoint},
		"https://auth.example.com:/":              {CodeInvalidEndpoint, CodeInvalidEndpoint},
	} {
		for _, mode := range []struct {
			loopback bool
			code     string
		}{{false, want.strict}, {true, want.loopback}} {
			err := CheckEndpoint(raw, mode.loopback)
			if mode.code == "" {
				if err != nil {
					t.Errorf("%q (loopback %v): %v", raw, mode.loopback, err)
				}
				continue
			}
			wantError(t, asError(t, err), Configuration, mode.code)
			if strings.Contains(err.Error(), "hunter22") {
				t.Errorf("%q: the error repeats it: %v", raw, err)
			}
		}
	}
}

func TestEndpointHost(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://Auth.Example.com/token":     "auth.example.com",
		"https://auth.example.com.:443/":     "auth.example.com",
		"https://auth.example.com:8443/":     "auth.example.com:8443",
		"https://[2001:DB8::1]/":             "[2001:db8::1]",
		"https://[2001:db8::1]:444/":         "[2001:db8::1]:444",
		"http://127.0.0.1:8080/":             "127.0.0.1:8080",
		"http://auth.example.com/":           "auth.example.com:80",
		"https://me:secret@auth.example.com": "",
		"no url":                             "",
	} {
		if got := EndpointHost(raw); got != want {
			t.Errorf("EndpointHost(%q) = %q, want %q", raw, got, want)
		}
	}
}
