package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"time"
)

type certificateKey struct{}

// withCertificate carries the client certificate of a request to the transport.
func withCertificate(ctx context.Context, cert *tls.Certificate) context.Context {
	return context.WithValue(ctx, certificateKey{}, cert)
}

// certificateOf returns the client certificate of a request, nil for none.
func certificateOf(ctx context.Context) *tls.Certificate {
	cert, _ := ctx.Value(certificateKey{}).(*tls.Certificate)
	return cert
}

// fingerprint identifies a certificate by its content, since a ClientAuth may load it anew for each request.
func fingerprint(cert *tls.Certificate) [sha256.Size]byte {
	if cert == nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(cert.Certificate[0])
}

// checkCertificate refuses a client certificate that cannot be used. Servers answer to an expired one in many ways.
func checkCertificate(cert *tls.Certificate, host string, now time.Time) *Error {
	if len(cert.Certificate) == 0 {
		return configError(CodeInvalidRequestConfig, host, "the client certificate is empty")
	}
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return configError(CodeInvalidRequestConfig, host, "the client certificate cannot be read")
		}
	}
	if now.After(leaf.NotAfter) {
		return configError(CodeMTLSCertExpired, host, "the client certificate has expired")
	}
	return nil
}
