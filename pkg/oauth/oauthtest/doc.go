// Package oauthtest is an OAuth 2.0 provider to test against: it registers clients, issues tokens, remembers them, and misbehaves on
// request. Three profiles answer in the words of the real thing: [Hotmart] (a Spring Security OAuth 2 server), [Kiwify] (node
// oauth2-server behind a wrapper) and [Generic] (RFC 6749 to the letter).
//
//	p := oauthtest.Hotmart(oauthtest.Options{Clients: []oauthtest.Client{{
//		ID: "shop", Secret: oauth.NewSecret("s3cret"),
//	}}})
//	client := &http.Client{Transport: p.Transport()} // in process: no socket, any host
//	// ... POST to p.TokenURL() ...
//	p.Inject(oauthtest.TooMany(30*time.Second), oauthtest.Reset().Times(2)) // the next three calls
//	p.InjectFor("shop", oauthtest.Latency(time.Second).Always())            // until p.ClearFaults()
//	p.Remove("shop")                                                        // a person deletes the pair in the panel
//	p.Validate(token)                                                       // would the provider's API take it now?
//
// # In process, or on a port
//
// [Provider.Transport] needs no network and starts no goroutine: every wait is a timer or the request's context, so that inside
// testing/synctest virtual time drives it. [Network] puts several providers behind one RoundTripper, by host; any other host does not
// resolve. [Provider.Listen] serves the same provider on a loopback port, and a Provider is itself an http.Handler.
//
// # What is observed
//
// [Provider.Calls] is a log of the latest calls and [Provider.Stats] counts per client. Neither ever holds a secret or a token: a
// client id is named only if it was registered (somebody may have pasted the secret in its place), a token by its fingerprint.
//
// # Time
//
// [Options.Now] decides when tokens expire, windows end and changes propagate. It does not move the waits of [Latency] and [Hang]:
// those are real timers (or virtual ones, inside synctest).
package oauthtest
