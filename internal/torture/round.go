package torture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// maxTries is how often a request is sent to a service that asks to come again.
	maxTries = 3
	// maxPause bounds how long that is heeded.
	maxPause = 5 * time.Second
	// placeholder stands for the token in a header of the user's.
	placeholder = "{token}"
)

// Target is the endpoint under test, and how a good request to it looks.
type Target struct {
	URL    string
	Method string // GET if empty
	// Header is sent with every request. A value with {token} in it takes the place of Authorization.
	Header http.Header
	Body   string
}

// carriesToken reports whether the token travels in a header of the user's choice.
func (t Target) carriesToken() bool {
	for _, values := range t.Header {
		for _, value := range values {
			if strings.Contains(value, placeholder) {
				return true
			}
		}
	}
	return false
}

// round is one run against one service.
type round struct {
	cfg      Config
	kit      *kit
	own      *issuer // or nil
	client   *http.Client
	requests int
}

func newClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			// A request on a kept connection may be sent twice, and a crash would look like a closed one.
			DisableKeepAlives: true, DisableCompression: true, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: timeout, MaxResponseHeaderBytes: 1 << 20,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fire sends one shot and judges the answer.
func (r *round) fire(ctx context.Context, must Must, s shot) *Outcome {
	a, err := r.send(ctx, s)
	if err != nil {
		return &Outcome{Sent: s.sent, Got: "it could not be sent", Verdict: NotTried, trap: s.trap}
	}
	o := judge(must, s, a)
	if a.lost != nil && s.bulky() && must != Accept {
		r.findBlame(ctx, s, o)
	}
	return o
}

// findBlame tells a service that closes the connection on a large request, as it may, from one that fell over what is in
// it: it sends a good request of the same size.
func (r *round) findBlame(ctx context.Context, s shot, o *Outcome) {
	missing := len(s.token) - len(r.kit.good())
	padded := shot{token: r.kit.good(), place: s.place, pad: missing}
	if r.kit.key != nil {
		padded = shot{token: r.kit.mint(nil, set{"x": strings.Repeat("a", missing*3/4)}), place: s.place}
	}
	a, err := r.send(ctx, padded)
	switch {
	case err == nil && (a.lost != nil || a.tooLarge()): // who refuses to read may close before the refusal is read
		o.Verdict = Passed
		o.Got += ", as for a good token of this size"
	case r.kit.key == nil:
		o.Verdict = Unclear // a header beside the token may have another limit
		o.Got += ", maybe for its size"
	}
}

// send sends a shot, again where the service says that it is too busy.
func (r *round) send(ctx context.Context, s shot) (answer, error) {
	for try := 1; ; try++ {
		a, pause, err := r.attempt(ctx, s)
		busy := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
		if err != nil || !busy || try == maxTries {
			return a, err
		}
		if err := sleep(ctx, pause); err != nil {
			return answer{}, err
		}
	}
}

// attempt sends a shot once. Its error says that it could not be sent, not that the service did not like it.
func (r *round) attempt(ctx context.Context, s shot) (a answer, pause time.Duration, err error) {
	request, err := r.request(ctx, s)
	if err != nil {
		return answer{}, 0, err
	}
	r.requests++
	response, err := r.client.Do(request)
	if err != nil {
		timeout, ok := errors.AsType[net.Error](err)
		switch {
		case ctx.Err() != nil:
			return answer{}, 0, ctx.Err()
		case ok && timeout.Timeout():
			return answer{hung: true, within: r.cfg.Timeout}, 0, nil
		}
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // the URL may hold a token
		}
		return answer{lost: err}, 0, nil
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // the status has said what matters
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		seconds = 1
	}
	return answer{status: response.StatusCode, challenge: response.Header.Get("WWW-Authenticate")}, min(time.Duration(seconds)*time.Second, maxPause), nil
}

// request is a good request but for the token.
func (r *round) request(ctx context.Context, s shot) (*http.Request, error) {
	target := r.cfg.Target
	request, err := http.NewRequestWithContext(ctx, target.Method, target.URL, bytes.NewReader([]byte(target.Body)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "mintmark-torture")
	for name, values := range target.Header {
		request.Header[name] = nil
		for _, value := range values {
			if s.token != "" || !strings.Contains(value, placeholder) {
				request.Header.Add(name, strings.ReplaceAll(value, placeholder, s.token))
			}
		}
	}
	switch {
	case s.place != nil:
		s.place(request, s.token)
	case s.token != "" && !target.carriesToken():
		request.Header["Authorization"] = []string{"Bearer " + s.token}
	}
	if s.pad > 0 {
		request.Header.Set("X-Padding", strings.Repeat("a", s.pad))
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	return request, nil
}

// until repeats a shot until it is as it must be, but no longer than within.
func (r *round) until(ctx context.Context, within time.Duration, must Must, next func() shot) *Outcome {
	pause := min(max(within/60, 10*time.Millisecond), 500*time.Millisecond)
	for end := time.Now().Add(within); ; {
		o := r.fire(ctx, must, next())
		if !o.Verdict.Failed() {
			return o
		}
		if time.Now().After(end) {
			o.Got += ", " + within.String() + " later"
			return o
		}
		if err := sleep(ctx, pause); err != nil {
			return o
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
