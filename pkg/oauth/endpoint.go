package oauth

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CheckEndpoint checks the text of a token endpoint: an absolute https URL without user information and fragment (RFC 6749 section 3.2), whose
// host is not a forbidden address. The addresses of a host name are checked when they are dialled. The error is an *Error of class
// configuration with code endpoint_refused or invalid_endpoint, and never repeats the URL, which may hold a password.
func CheckEndpoint(raw string, allowLoopback bool) error {
	if _, err := checkEndpoint(raw, allowLoopback); err != nil {
		return err // a typed nil must not become an error
	}
	return nil
}

// checkEndpoint is CheckEndpoint, and returns the host of a valid endpoint.
func checkEndpoint(raw string, allowLoopback bool) (string, *Error) {
	u, why := parseEndpoint(raw)
	if why != "" {
		return "", configError(CodeInvalidEndpoint, "", why)
	}
	host := endpointHost(u)
	if allowLoopback {
		return host, nil
	}
	if u.Scheme != "https" {
		return "", configError(CodeEndpointRefused, host, "the token endpoint must be https")
	}
	if why := blockedHost(u.Hostname()); why != "" {
		return "", configError(CodeEndpointRefused, host, why)
	}
	return host, nil
}

// parseEndpoint checks the form of an endpoint and returns its fault, "" for none.
func parseEndpoint(raw string) (*url.URL, string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, "the token endpoint is not a URL" // err would repeat the text
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "the token endpoint must be an absolute https URL"
	case u.Opaque != "" || u.Hostname() == "":
		return nil, "the token endpoint names no host"
	case u.User != nil:
		return nil, "the token endpoint must not hold a user or a password"
	case strings.Contains(raw, "#"):
		return nil, "the token endpoint must not have a fragment (RFC 6749 section 3.2)"
	case !isHostText(u.Hostname()):
		return nil, "the token endpoint's host has characters that no host name has (write it in its ASCII form)"
	case !isPort(u):
		return nil, "the token endpoint's port is not a number from 1 to 65535"
	}
	return u, ""
}

func isPort(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if u.Port() == "" {
		return true
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n >= 1 && n <= 65535
}

// isHostText accepts ASCII only: net/http maps digits of other scripts to ASCII, and then "１２７.0.0.1" is an address.
func isHostText(host string) bool {
	for i := range len(host) {
		if c := host[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"'<>\^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return true
}

// blockedHost returns why the text of a host is forbidden, "" when it is not.
func blockedHost(host string) string {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		return blockedAddr(addr)
	}
	switch {
	case strings.HasSuffix("."+name, ".localhost"), slices.Contains([]string{"localhost.localdomain", "ip6-localhost", "ip6-loopback"}, name):
		return "the token endpoint is this machine itself"
	case endsInNumber(name):
		// Some resolvers and many proxies read 127.1, 0x7f.0.0.1 and 2130706433 as addresses.
		return "the token endpoint's host is an address in an unusual form"
	}
	return ""
}

// endsInNumber follows the URL standard (url.spec.whatwg.org, host parsing): a host whose last label is a number is an IPv4 address or invalid.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if last == "" {
		return false
	}
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	_, err := strconv.ParseUint(strings.TrimPrefix(last, "0x"), 16, 64)
	return strings.HasPrefix(last, "0x") && (err == nil || last == "0x")
}

// blockedAddr returns why an address is forbidden, "" when it is not. Services at these addresses trust every local program, such as the
// metadata service of a cloud.
func blockedAddr(addr netip.Addr) string {
	addr = embeddedIPv4(addr.WithZone("").Unmap())
	switch {
	case addr.IsLoopback():
		return "the token endpoint is a loopback address"
	case addr.IsUnspecified():
		return "the token endpoint is the unspecified address"
	case addr.IsLinkLocalUnicast():
		return "the token endpoint is a link-local address"
	case addr.IsMulticast():
		return "the token endpoint is a multicast address"
	case cloudServices().Contains(addr):
		return "the token endpoint is an address of the machine's own services"
	}
	return ""
}

// cloudServices are the metadata, DNS and time services of a cloud machine in IPv6.
func cloudServices() netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2}), 32)
}

// embeddedIPv4 returns the IPv4 address that a NAT64 gateway would reach (RFC 6052: 64:ff9b::/96), else the address itself.
func embeddedIPv4(addr netip.Addr) netip.Addr {
	nat64 := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x00, 0x64, 0xff, 0x9b}), 96)
	if !nat64.Contains(addr) {
		return addr
	}
	b := addr.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// EndpointHost is the host of a token endpoint, with the port if it is not 443: a name for the endpoint in logs and
// reports. It is "" for an invalid endpoint.
func EndpointHost(raw string) string {
	u, why := parseEndpoint(raw)
	if why != "" {
		return ""
	}
	return endpointHost(u)
}

func endpointHost(u *url.URL) string {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	port := u.Port()
	if port == "" && u.Scheme == "http" {
		port = "80"
	}
	if port != "" && port != "443" {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func configError(code, host, description string) *Error {
	return &Error{Class: Configuration, Code: code, Host: host, Description: description}
}
