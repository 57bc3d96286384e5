package zoo_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	keyfunc "github.com/MicahParks/keyfunc/v3"
	auth0jwks "github.com/auth0/go-jwt-middleware/v3/jwks"
	auth0 "github.com/auth0/go-jwt-middleware/v3/validator"
	gooidc "github.com/coreos/go-oidc/v3/oidc"
	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// verify checks one token. The context that made it ends its goroutines.
type verify func(ctx context.Context, t ticket) error

// Every library is set up as its documentation does it, with nothing but the client exchanged.

func ours(ctx context.Context, client *http.Client) (verify, error) {
	v, err := verifier.New(issuer, audience, verifier.WithHTTPClient(client), verifier.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, v.Close)
	return func(ctx context.Context, t ticket) error {
		_, err := v.Verify(ctx, t.raw)
		return err
	}, nil
}

func goOIDC(ctx context.Context, client *http.Client) (verify, error) {
	keys := gooidc.NewRemoteKeySet(gooidc.ClientContext(ctx, client), jwksURL)
	v := gooidc.NewVerifier(issuer, keys, &gooidc.Config{ClientID: audience})
	return func(ctx context.Context, t ticket) error {
		_, err := v.Verify(ctx, t.raw)
		return err
	}, nil
}

func jwxCache(ctx context.Context, client *http.Client) (verify, error) {
	cache := jwk.NewCache(ctx)
	if err := cache.Register(jwksURL, jwk.WithHTTPClient(client)); err != nil {
		return nil, err
	}
	keys := jwk.NewCachedSet(cache, jwksURL)
	return func(_ context.Context, t ticket) error {
		_, err := jwt.ParseString(t.raw, jwt.WithKeySet(keys), jwt.WithIssuer(issuer), jwt.WithAudience(audience))
		return err
	}, nil
}

func keyfuncs(ctx context.Context, client *http.Client) (verify, error) {
	k, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{jwksURL}, keyfunc.Override{Client: client})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, t ticket) error {
		_, err := golangjwt.Parse(t.raw, k.KeyfuncCtx(ctx), golangjwt.WithIssuer(issuer), golangjwt.WithAudience(audience),
			golangjwt.WithValidMethods([]string{"RS256"}), golangjwt.WithExpirationRequired())
		return err
	}, nil
}

func auth0Middleware(_ context.Context, client *http.Client) (verify, error) {
	at, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	keys, err := auth0jwks.NewCachingProvider(auth0jwks.WithIssuerURL(at), auth0jwks.WithCustomClient(client))
	if err != nil {
		return nil, err
	}
	v, err := auth0.New(auth0.WithKeyFunc(keys.KeyFunc), auth0.WithAlgorithm(auth0.RS256), auth0.WithIssuer(issuer), auth0.WithAudience(audience))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, t ticket) error {
		_, err := v.ValidateToken(ctx, t.raw)
		return err
	}, nil
}

func zitadelRP(_ context.Context, client *http.Client) (verify, error) {
	keys := rp.NewRemoteKeySet(client, jwksURL)
	return func(ctx context.Context, t ticket) error {
		var claims zitadel.AccessTokenClaims
		payload, err := zitadel.ParseToken(t.raw, &claims)
		if err != nil {
			return err
		}
		for _, check := range []func() error{
			func() error { return zitadel.CheckIssuerWithISSVerifier(&claims, issuer, nil) },
			func() error { return zitadel.CheckAudience(&claims, audience) },
			func() error { return zitadel.CheckExpiration(&claims, 0) },
			func() error { return zitadel.CheckSignature(ctx, t.raw, payload, &claims, []string{"RS256"}, keys) },
		} {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// simulated makes the verifier of a model.
func simulated(m model) func(context.Context, *http.Client) (verify, error) {
	return func(ctx context.Context, client *http.Client) (verify, error) {
		s := &simulator{model: m, client: client, keptKeys: make(map[string]bool)}
		if m.timer {
			go s.tick(ctx)
		}
		return func(ctx context.Context, t ticket) error {
			ok, err := s.knows(ctx, t.kid, time.Now())
			if err == nil && !ok {
				err = fmt.Errorf("%s: unknown kid %s", m.name, t.kid)
			}
			return err
		}, nil
	}
}
