// Package oauth makes one request to an OAuth 2.0 token endpoint and classifies what came of it.
//
// It is for programs that fetch tokens unattended, and must decide by themselves whether a failure will pass or needs a person.
//
//   - A [TokenRequest] states everything that is sent: the [Endpoint], the [ClientAuth] and the [Grant]. The last two are interfaces; other
//     packages can add to those that are here.
//   - [Client.Token] makes one attempt and returns a [Token] or an [*Error]. [Client.TokenWithRetry] repeats what may pass. [Client.Probe]
//     tests an endpoint without credentials.
//   - An [Error] has a [Class], which decides what to do next, and a code, which says why. errors.Is matches a class: [ErrTransient],
//     [ErrCredentials], [ErrConfiguration], [ErrMalformed], [ErrCanceled].
//   - A [Dialect] describes, as data, how one server differs from the RFC.
//   - A [Secret] is never printed by accident.
//
// # What is never done
//
// Redirects are not followed: a redirected token request would hand the credentials to another host. Lifetimes are checked for plausibility: an
// expires_in of 0 does not mean "never expires". The Content-Type of a response is ignored; its content decides. No error text holds a body, a
// URL, a request or a secret.
//
// # Forbidden addresses
//
// Without [Config.AllowLoopback] a token endpoint must be https. Neither its host nor an address to which the host resolves may be loopback,
// unspecified, link-local, multicast or in fd00:ec2::/32, also as an IPv4-mapped IPv6 address. The check is made on the address that is about
// to be dialled. Private networks (RFC 1918) are allowed, for authorization servers of one's own. [Config.WrapTransport] keeps this guard,
// [Config.Transport] replaces it.
//
// A proxy is taken from the environment (HTTPS_PROXY, NO_PROXY) only. The proxy then resolves the host name, so only the text of the URL is
// checked, and the proxy's own address is exempt.
//
// # Time
//
// A Client reads the clock only through [Config.Now], and waits with timers that testing/synctest can drive.
package oauth
