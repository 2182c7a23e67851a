package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// TLS alerts that decide a class (RFC 8446 section 6).
const (
	alertHandshakeFailure       = tls.AlertError(40)
	alertBadCertificate         = tls.AlertError(42)
	alertUnsupportedCertificate = tls.AlertError(43)
	alertCertificateRevoked     = tls.AlertError(44)
	alertCertificateExpired     = tls.AlertError(45)
	alertCertificateUnknown     = tls.AlertError(46)
	alertUnknownCA              = tls.AlertError(48)
	alertAccessDenied           = tls.AlertError(49)
	alertProtocolVersion        = tls.AlertError(70)
	alertInsufficientSecurity   = tls.AlertError(71)
	alertUnrecognizedName       = tls.AlertError(112)
	alertCertificateRequired    = tls.AlertError(116)
	alertNoApplicationProtocol  = tls.AlertError(120)
)

// transportError makes an Error of a failure below HTTP. caller is the caller's context, which an attempt's own deadline does not end.
func transportError(caller context.Context, host string, w *stopwatch, err error) *Error {
	if cerr := caller.Err(); cerr != nil {
		return canceledError(host, cerr)
	}
	var own *Error // of the dialer's guard or of the proxy's answer
	if errors.As(err, &own) {
		e := *own
		e.Host = host
		return &e
	}
	for _, f := range []func(error, *stopwatch) *Error{dnsFailure, trustFailure, alertFailure, handshakeFailure} {
		if e := f(err, w); e != nil {
			e.Host = host
			return e
		}
	}
	return networkFailure(host, w, err)
}

func canceledError(host string, cause error) *Error {
	return &Error{Class: Canceled, Code: CodeCancelled, Host: host, Description: "the caller gave up", cause: cause}
}

func dnsFailure(err error, _ *stopwatch) *Error {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return nil
	}
	why := "the host name cannot be looked up"
	if dns.IsNotFound {
		why = "no such host"
	}
	return &Error{Class: Transient, Code: CodeDNS, Description: why, cause: dns}
}

func trustFailure(err error, _ *stopwatch) *Error {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
		roots        x509.SystemRootsError
	)
	switch {
	case errors.As(err, &verification):
		err = verification.Err
	case errors.As(err, &authority):
		err = authority
	case errors.As(err, &hostname):
		err = hostname
	case errors.As(err, &invalid):
		err = invalid
	case errors.As(err, &roots):
		err = roots
	default:
		return nil
	}
	return &Error{Class: Configuration, Code: CodeTLSTrust, Description: shorten(clean(err.Error())), cause: err}
}

// alertFailure reads what the server said in TLS. crypto/tls sends its alerts up as a *net.OpError around a type of its own, which can
// be recognised only by its text; tls.AlertError has the same texts.
func alertFailure(err error, w *stopwatch) *Error {
	alert, ok := remoteAlert(err)
	if !ok {
		return nil
	}
	e := &Error{Class: Configuration, Description: "the server says " + alert.Error(), cause: alert}
	switch alert {
	case alertCertificateRequired, alertBadCertificate, alertUnsupportedCertificate, alertCertificateRevoked, alertCertificateUnknown, alertUnknownCA, alertAccessDenied:
		e.Code = CodeMTLSRequired
	case alertCertificateExpired:
		e.Code = CodeMTLSCertExpired
	case alertHandshakeFailure: // before TLS 1.3 also the answer to no certificate, or to a wrong one
		e.Code = CodeTLSHandshake
		if w.certificateWasAsked() {
			e.Code = CodeMTLSRequired
		}
	case alertProtocolVersion, alertInsufficientSecurity, alertUnrecognizedName, alertNoApplicationProtocol:
		e.Code = CodeTLSHandshake
	default: // internal_error and the like: the server's trouble, not ours
		return nil
	}
	return e
}

func remoteAlert(err error) (tls.AlertError, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	for _, a := range []tls.AlertError{
		alertHandshakeFailure, alertBadCertificate, alertUnsupportedCertificate, alertCertificateRevoked, alertCertificateExpired,
		alertCertificateUnknown, alertUnknownCA, alertAccessDenied, alertProtocolVersion, alertInsufficientSecurity, alertUnrecognizedName,
		alertCertificateRequired, alertNoApplicationProtocol,
	} {
		if op.Err.Error() == a.Error() {
			return a, true
		}
	}
	return 0, false
}

// handshakeFailure is what remains of a failed handshake that no waiting repairs: no TLS at the other end, a version that is refused here.
func handshakeFailure(err error, w *stopwatch) *Error {
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		return &Error{Class: Configuration, Code: CodeTLSHandshake, Description: "the server does not speak TLS on this port"}
	}
	if !w.handshakeFailed() || isConnectionLoss(err) {
		return nil
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return nil // an alert that alertFailure leaves to the network
	}
	return &Error{Class: Configuration, Code: CodeTLSHandshake, Description: shorten(clean(err.Error()))}
}

// isConnectionLoss reports whether the connection or the time ended, as opposed to something being wrong with what was said on it.
func isConnectionLoss(err error) bool {
	var (
		errno syscall.Errno
		timed net.Error
	)
	return errors.As(err, &errno) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || isTimeout(err) || (errors.As(err, &timed) && timed.Timeout())
}

func isTimeout(err error) bool {
	var timed net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &timed) && timed.Timeout())
}

// networkFailure tells whether the server may have acted on the request: harmless to repeat with client credentials, not with a
// refresh token that may be used once.
func networkFailure(host string, w *stopwatch, err error) *Error {
	e := &Error{Class: Transient, Code: CodeNetwork, Host: host, Description: "the request could not be sent"}
	if w.mayHaveArrived() && !isDial(err) {
		e.Code, e.Description = CodeNetworkAmbiguous, "no answer, or not a whole one"
	}
	var errno syscall.Errno
	switch {
	case isTimeout(err):
		e.Description, e.cause = e.Description+" in time", context.DeadlineExceeded
	case errors.As(err, &errno):
		e.Description, e.cause = e.Description+": "+errno.Error(), errno
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.cause = io.ErrUnexpectedEOF
	case errors.Is(err, io.EOF):
		e.cause = io.EOF
	}
	return e
}

// isDial reports a failure to connect, also from a transport that calls no trace hooks.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}
