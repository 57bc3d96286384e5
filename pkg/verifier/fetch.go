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

// defaultClient is the client of a verifier that was given none. Its connections are closed with the verifier.
func defaultClient() *http.Client {
	// A peer that has silently gone must be noticed within the seconds in which a revocation has to arrive: nothing is
	// sent on a connection that waits for news.
	dialer := &net.Dialer{
		Timeout:         fetchTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 2},
	}
	return &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    fetchTimeout,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}}
}

// withoutRedirects copies client: a redirect could lead the verifier anywhere, to a foreign host or to http.
func withoutRedirects(client *http.Client) *http.Client {
	strict := *client
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &strict
}

// patiently copies client without its time limit: a long poll brings its own, by its context.
func patiently(client *http.Client) *http.Client {
	patient := *client
	patient.Timeout = 0
	return &patient
}
