package tokensource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// Errors hold no text that came from the authority, or from a proxy that answered in its place: it may repeat what it
// was sent, the refresh token and the secret included, and errors end up in logs. They hold texts of this file instead.

// codes are the errors that RFCs define for a token endpoint: RFC 6749 §4.1.2.1 and §5.2, 6750 §3.1, 7009 §2.2.1, 8628
// §3.5, 8707 §2, 9396 §5, 9449 §5 and §8, 9470 §3.
var codes = []string{ //nolint:gochecknoglobals // a constant
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
	"access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable", "invalid_token", "insufficient_scope",
	"unsupported_token_type", "authorization_pending", "slow_down", "expired_token", "invalid_target",
	"invalid_authorization_details", "invalid_dpop_proof", "use_dpop_nonce", "insufficient_user_authentication",
}

// answered is the error of an answer that brings no token.
func answered(status int, code string, problem error) error {
	switch {
	case problem != nil:
		return fmt.Errorf("the authority answered %d with %w", status, problem)
	case code == "":
		return fmt.Errorf("the authority answered %d", status)
	case slices.Contains(codes, code):
		return fmt.Errorf("the authority answered %d %s", status, code)
	}
	return fmt.Errorf("the authority answered %d with an error that no RFC defines", status)
}

// ofType is the error of access tokens that are no bearer tokens.
func ofType(tokenType string) error {
	for _, known := range []string{"DPoP", "PoP", "MAC", "N_A"} {
		if strings.EqualFold(tokenType, known) {
			return fmt.Errorf("%w, but of the type %s", ErrTokenType, known)
		}
	}
	return ErrTokenType
}

// cause is why a request got no answer. The texts of net/http hold what the server sent, where it could not be read.
func cause(err error) error {
	timeout, _ := errors.AsType[net.Error](err)
	errno, coded := errors.AsType[syscall.Errno](err)
	dns, unresolved := errors.AsType[*net.DNSError](err)
	op, dialled := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), timeout != nil && timeout.Timeout():
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case unresolved && dns.IsNotFound:
		return errors.New("its name can't be resolved: no such host")
	case unresolved:
		return errors.New("its name can't be resolved")
	case coded:
		return errno
	case dialled && op.Op == "dial":
		return errors.New("no connection")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the end of the answer")
	}
	return distrust(err)
}

// distrust is cause where TLS has failed.
func distrust(err error) error {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return errors.New("its certificate has expired or is not yet valid")
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return errors.New("its certificate is signed by an unknown authority")
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return errors.New("its certificate is for another host")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errors.New("its certificate is invalid")
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return errors.New("it does not speak TLS")
	}
	return errors.New("there was no answer that could be read")
}

// shown is how an error names an address that is refused: without user, query and path, which may hold secrets.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return fmt.Sprintf(" at %q", u.Scheme+"://"+u.Host)
}
