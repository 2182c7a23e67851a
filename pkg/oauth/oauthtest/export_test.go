package oauthtest

// SigningKey lets tests verify a JWT.
func SigningKey(p *Provider) []byte { return p.key[:] }
