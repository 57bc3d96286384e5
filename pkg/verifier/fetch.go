package verifier

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxBody bounds an answer after decompression.
const maxBody = 1 << 20

// answer is a whole answer of the issuer.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends request and reads the answer, of any status, up to a bound.
func ask(client *http.Client, request *http.Request) (answer, error) {
	request.Header.Set("User-Agent", "mintmark-verifier")
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return answer{}, err
	}
	if len(body) > maxBody {
		return answer{}, errors.New("the answer is larger than 1 MiB")
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}, nil
}

func (a answer) wantOK() error {
	if a.status != http.StatusOK {
		return fmt.Errorf("the answer is %d, want 200 (redirects are not followed)", a.status)
	}
	return nil
}

// ownClient returns a copy of given that follows no redirect, because a redirect could lead the verifier to a foreign
// host or to http. The copy has its own connections, unless its transport is not one of net/http. The verifier may then
// close connections to a replica that no longer answers, and closes them all when it is closed.
func ownClient(given *http.Client) (_ *http.Client, owned bool) {
	var client http.Client
	var transport *http.Transport
	if given == nil {
		transport = newTransport()
	} else {
		client = *given
		base := client.Transport
		if base == nil {
			base = http.DefaultTransport
		}
		if theirs, ok := base.(*http.Transport); ok {
			transport = theirs.Clone()
		}
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if transport == nil {
		return &client, false
	}
	notice(transport)
	client.Transport = transport
	return &client, true
}

// newTransport is the transport of a verifier without [WithHTTPClient].
func newTransport() *http.Transport {
	// The transport must notice a dead peer within the seconds in which a revocation has to arrive: nothing is sent on
	// a connection while it waits for changes.
	dialer := &net.Dialer{
		Timeout:         fetchTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 2},
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    fetchTimeout,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// notice makes transport detect a frozen peer over HTTP/2, where one connection carries all requests and outlives those
// that are given up, and keep the connections of all lists between requests over HTTP/1.1.
func notice(transport *http.Transport) {
	if transport.HTTP2 == nil {
		transport.HTTP2 = &http.HTTP2Config{}
	}
	if transport.HTTP2.SendPingTimeout == 0 {
		transport.HTTP2.SendPingTimeout, transport.HTTP2.PingTimeout = 2*time.Second, time.Second
	}
	if transport.MaxIdleConnsPerHost == 0 {
		transport.MaxIdleConnsPerHost = maxLists
	}
	if transport.IdleConnTimeout == 0 { // forever, even after the verifier is dropped
		transport.IdleConnTimeout = time.Minute
	}
}

// patiently returns a copy of client without its timeout: a long poll has its own, in its context.
func patiently(client *http.Client) *http.Client {
	patient := *client
	patient.Timeout = 0
	return &patient
}
