package torture

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrUnreachable is in the chain of every error that says that the service or its issuer can't be reached.
var ErrUnreachable = errors.New("can't be reached")

// ErrUnusable is in the chain of every error that says that what was given can't be used.
var ErrUnusable = errors.New("unusable")

// ErrListen is in the chain of every error that reports another process at an address of ours.
var ErrListen = errors.New("can't listen")

// maxAnswer bounds what is read of an issuer's answer.
const maxAnswer = 1 << 20

// metadata is what is needed of an issuer's own description (RFC 8414, OpenID Connect Discovery).
type metadata struct {
	Issuer        string `json:"issuer"`
	JWKSURI       string `json:"jwks_uri"`
	TokenEndpoint string `json:"token_endpoint"`
}

// remote is the real issuer.
type remote struct {
	client *http.Client
	issuer string
}

func newRemote(issuer string) remote {
	return remote{issuer: issuer, client: &http.Client{
		Timeout:       15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// describe reads the metadata at either of its two places.
func (r remote) describe(ctx context.Context) (metadata, error) {
	base, err := url.Parse(r.issuer)
	if err != nil || base.Host == "" {
		return metadata{}, fmt.Errorf("the issuer %q is not a URL", r.issuer)
	}
	path := strings.TrimSuffix(base.EscapedPath(), "/")
	origin := base.Scheme + "://" + base.Host
	var problem error
	for _, address := range []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + path + "/.well-known/openid-configuration",
	} {
		var found metadata
		switch err := r.get(ctx, address, &found); {
		case err != nil:
			problem = err
		case found.Issuer != r.issuer:
			return metadata{}, fmt.Errorf("%s says that its issuer is %q, not %q; name that one", address, found.Issuer, r.issuer)
		default:
			return found, found.checkScheme()
		}
	}
	return metadata{}, problem
}

// checkScheme keeps an https issuer from sending keys and secrets over http.
func (m metadata) checkScheme() error {
	for _, address := range []string{m.JWKSURI, m.TokenEndpoint} {
		if strings.HasPrefix(m.Issuer, "https:") && strings.HasPrefix(address, "http:") {
			return fmt.Errorf("the issuer %s names %s, which is plain http: the command neither reads from it nor sends it a secret", m.Issuer, address)
		}
	}
	return nil
}

// publicKey is the key that the issuer publishes under a kid, or its only one.
func (r remote) publicKey(ctx context.Context, kid string) (crypto.PublicKey, error) {
	described, err := r.describe(ctx)
	if err != nil {
		return nil, err
	}
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := r.get(ctx, described.JWKSURI, &published); err != nil {
		return nil, err
	}
	for _, one := range published.Keys {
		var key jwk
		if json.Unmarshal(one, &key) != nil || (key.KID != kid && (kid != "" || len(published.Keys) != 1)) {
			continue
		}
		return key.public()
	}
	return nil, fmt.Errorf("%s publishes no key with the kid of the good token; did this issuer issue the token?", described.JWKSURI)
}

func (r remote) get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	return r.do(request, into)
}

func (r remote) do(request *http.Request, into any) error {
	response, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("the issuer %w: %w", ErrUnreachable, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("the issuer %w: %s: %w", ErrUnreachable, request.URL, err)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %s%s", request.URL, response.Status, oauthError(body))
	case json.Unmarshal(body, into) != nil:
		return fmt.Errorf("%s answers no usable JSON", request.URL)
	}
	return nil
}

// oauthError is the error code of an answer (RFC 6749 §5.2).
func oauthError(body []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error == "" || len(said.Error) > 64 {
		return ""
	}
	return ", " + said.Error
}

// jwk is a public key as a JWKS has it (RFC 7517).
type jwk struct {
	KTY string `json:"kty"`
	KID string `json:"kid"`
	N   string `json:"n"`
	E   string `json:"e"`
	CRV string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func (j jwk) public() (crypto.PublicKey, error) {
	number := func(text string) *big.Int {
		decoded, _ := base64.RawURLEncoding.DecodeString(text)
		return new(big.Int).SetBytes(decoded)
	}
	switch j.KTY {
	case "RSA":
		n, e := number(j.N), number(j.E)
		if n.BitLen() < 512 || n.BitLen() > 16384 || e.BitLen() > 31 || e.Sign() == 0 {
			return nil, errors.New("the issuer's RSA key is malformed")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case "EC":
		for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
			if curve.Params().Name == j.CRV {
				x, _ := base64.RawURLEncoding.DecodeString(j.X)
				y, _ := base64.RawURLEncoding.DecodeString(j.Y)
				return ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
			}
		}
	}
	return nil, fmt.Errorf("the issuer's key is of type %q %q; only RSA and EC keys are supported", j.KTY, j.CRV)
}

// Client gets good tokens by the client credentials grant (RFC 6749 §4.4).
type Client struct {
	ID     string
	Secret string
}

// token asks the issuer for a token for an audience, which authorities call by either of two names.
func (c Client) token(ctx context.Context, r remote, audience, scope string) (string, error) {
	described, err := r.describe(ctx)
	if err != nil {
		return "", err
	}
	if described.TokenEndpoint == "" {
		return "", fmt.Errorf("the issuer %s has no token endpoint", r.issuer)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "audience": {audience}}
	if u, err := url.Parse(audience); err == nil && u.IsAbs() {
		form.Set("resource", audience) // RFC 8707
	}
	if scope != "" {
		form.Set("scope", scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, described.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	var granted struct {
		AccessToken string `json:"access_token"`
	}
	if err := r.do(request, &granted); err != nil {
		return "", fmt.Errorf("get a good token: %w", err)
	}
	if granted.AccessToken == "" {
		return "", fmt.Errorf("get a good token: %s granted no token", described.TokenEndpoint)
	}
	return granted.AccessToken, nil
}
