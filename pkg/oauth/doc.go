// Package oauth makes one request to one OAuth 2.0 token endpoint and says precisely what came of it.
//
// It does what a program needs that fetches tokens without a person at hand (RFC 6749 section 4.4, client credentials) and that has to
// decide by itself whether a failure will pass, or needs somebody:
//
//   - A [Request] states everything that goes out, above all how the client authenticates. Nothing is probed: a second try in another
//     style would show the secret once more.
//   - [Client.Exchange] makes one attempt and returns a [Token] or an [*Error]. [Client.ExchangeRetry] repeats what may pass.
//   - An [Error] has a [Class], which decides what happens next, and a code, which says why. Both come from one classifier.
//   - A [Dialect] describes, as data, how one server differs from the RFC.
//   - A [Secret] cannot be printed by accident.
//
// # What is never done
//
// Redirects are not followed: a redirected token request hands the secret to another host. Lifetimes are not believed beyond reason: an
// expires_in of 0 is not "never expires", and neither is one of three million years. A content type is not believed at all; the body is looked at.
// No error text holds a body, a URL, a request or a secret.
//
// # What the transport refuses
//
// Without [Config.AllowLoopback] a token endpoint must be https, and neither its host nor an address to which the host resolves may be
// loopback, unspecified, link-local, multicast or in fd00:ec2::/32, also when it is written as an IPv4-mapped IPv6 address. The check is made on the
// address that is about to be dialled, so that no name can lead there. Private networks (RFC 1918) are allowed: an
// authorization server of one's own may live in one.
//
// A proxy is taken from the environment (HTTPS_PROXY, NO_PROXY) and from nowhere else. What a name resolves to is then the proxy's
// knowledge; only what the URL itself says is checked, and the proxy's own address is exempt.
//
// # Time
//
// A Client reads the clock only through [Config.Now], and waits with timers that testing/synctest can drive.
package oauth
