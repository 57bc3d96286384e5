package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// agreeingClocks names the clock that is wrong.
func agreeingClocks(ctx context.Context, c *connected) (_ Finding, ok bool) {
	const name = "clocks"
	if c.postgres == nil || c.redis == nil {
		return Finding{}, false
	}
	said, err := compareClocks(ctx, c.postgres.Now, c.redis.Now)
	switch {
	case err != nil:
		return warning(name, "they were not compared: "+err.Error()+"; try again when the machine or the network is less busy")
	case !said.Agree():
		return warning(name, said.Disagreement()+"; set it right")
	default:
		return good(name, "those of this machine, the database and Redis agree")
	}
}

func freePublicPort(ctx context.Context, c *connected) (_ Finding, ok bool) {
	return freePort(ctx, "public address", "MINTMARK_HTTP_ADDR", c.cfg.HTTPAddr)
}

func freeOperationsPort(ctx context.Context, c *connected) (_ Finding, ok bool) {
	return freePort(ctx, "operations address", "MINTMARK_OPS_ADDR", c.cfg.OpsAddr)
}

// freePort only warns of a port that is taken: serve may be what took it.
func freePort(ctx context.Context, name, variable, addr string) (_ Finding, ok bool) {
	listener, err := listen(ctx, variable, addr)
	if err != nil {
		return warning(name, err.Error()+" (unless it is mintmark that runs there)")
	}
	_ = listener.Close() // nobody was let in
	return good(name, addr+" is free")
}

// maxMetadata bounds the metadata that are read, in bytes.
const maxMetadata = 1 << 20

// reachIssuer looks at the way that clients and services take: name, network, TLS and proxy. Nothing answers there before
// the first replica serves, so it only warns.
func reachIssuer(ctx context.Context, c *connected) (_ Finding, ok bool) {
	const name = "issuer"
	if c.embedded() {
		return Finding{}, false
	}
	if err := fetchMetadata(ctx, c.cfg.Issuer); err != nil {
		return warning(name, err.Error()+"; before the first replica serves that is so; later, look at DNS, TLS and the proxy")
	}
	return good(name, c.cfg.Issuer+" answers with its metadata")
}

func fetchMetadata(ctx context.Context, issuer string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, issuer+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s is not reachable from here: %w", issuer, plain(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", request.URL, response.Status)
	}
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxMetadata)).Decode(&metadata); err != nil {
		return fmt.Errorf("%s answers with what is no metadata", request.URL)
	}
	if metadata.Issuer != issuer {
		return fmt.Errorf("%s answers with the metadata of another issuer, %q", request.URL, metadata.Issuer)
	}
	return nil
}

// plain strips what an error of a request repeats of it.
func plain(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return lookup
	}
	return err
}
