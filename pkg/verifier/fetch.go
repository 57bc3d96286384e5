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

// answer is what the issuer said, whole.
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

// ownClient returns a copy of given that follows no redirect, as one could lead the verifier anywhere, to a foreign host or
// to http. It has connections of its own, unless its transport is not one of net/http: the verifier may then close those that
// lead to a replica which answers no more, and they are closed with it.
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

// newTransport is the transport of a verifier that was given none.
func newTransport() *http.Transport {
	// A peer that has silently gone must be noticed within the seconds in which a revocation has to arrive: nothing is
	// sent on a connection that waits for news.
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

// notice has transport notice a frozen peer by HTTP/2 too, where one connection carries all requests and outlives those that
// are given up, and keep the connections of all lists between two requests by HTTP/1.1.
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
	if transport.IdleConnTimeout == 0 { // for ever: after a verifier that was dropped, too
		transport.IdleConnTimeout = time.Minute
	}
}

// patiently copies client without its time limit: a long poll brings its own, by its context.
func patiently(client *http.Client) *http.Client {
	patient := *client
	patient.Timeout = 0
	return &patient
}
