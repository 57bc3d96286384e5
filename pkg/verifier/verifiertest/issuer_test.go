package verifiertest_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mintmark-auth/mintmark/pkg/verifier"
	"github.com/mintmark-auth/mintmark/pkg/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newVerifier(t *testing.T, issuer *verifiertest.Issuer, opts ...verifier.Option) *verifier.Verifier {
	t.Helper()
	return issuer.Verifier(append([]verifier.Option{verifier.WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
}

func TestATokenIsValidAndHasTheClaimsItWasGiven(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t, verifiertest.WithAudience("https://orders.example.com"))
	v := newVerifier(t, issuer)
	token, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"sub": "ada", "scope": "orders:read", "roles": []string{"x"}}))
	if err != nil {
		t.Fatal(err)
	}
	var mine struct{ Roles []string }
	if err := token.Claims(&mine); err != nil {
		t.Fatal(err)
	}
	if token.Subject != "ada" || !token.Has("orders:read") || !slices.Equal(mine.Roles, []string{"x"}) || token.SessionID == "" {
		t.Errorf("got %+v and %v", token, mine)
	}
	if again, err := v.Verify(t.Context(), issuer.Token()); err != nil || again.SessionID == token.SessionID || again.ID == token.ID {
		t.Errorf("another token: %+v, %v; want a session and jti of its own", again, err)
	}
}

func TestEveryDoubtfulTokenIsRefusedByOurVerifier(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	v := newVerifier(t, issuer)
	count := 0
	for name, token := range issuer.DoubtfulTokens() {
		count++
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("%s: %v, want ErrInvalidToken", name, err)
		}
		for hostile := range issuer.HostileTokens() {
			if hostile == name {
				t.Errorf("%s breaks no rule that leaves no choice", name)
			}
		}
	}
	if count < 3 {
		t.Errorf("%d tokens", count)
	}
}

func TestEveryHostileTokenIsRefusedAsInvalid(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	v := newVerifier(t, issuer)
	if _, err := v.Verify(t.Context(), issuer.Token()); err != nil {
		t.Fatal(err)
	}
	count := 0
	for name, token := range issuer.HostileTokens() {
		count++
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("%s: %v, want ErrInvalidToken", name, err)
		}
	}
	if count < 45 {
		t.Errorf("only %d tokens", count)
	}
}

// TestANaiveServiceFailsTheKit holds the kit itself to account: to a reader that checks no signature, and to one that
// checks nothing else, many tokens of it look good.
func TestANaiveServiceFailsTheKit(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	accepted := map[string]bool{}
	for name, token := range issuer.HostileTokens() {
		parts := strings.Split(token, ".")
		if len(parts) != 3 {
			continue
		}
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		var claims struct {
			Iss, Aud string
			Exp      int64
		}
		if err != nil || json.Unmarshal(payload, &claims) != nil {
			continue
		}
		accepted[name] = claims.Iss == issuer.URL() && claims.Aud == issuer.Audience() && claims.Exp > time.Now().Unix()
	}
	for _, name := range []string{"alg none", "signed by a key that nobody publishes", "brings its own key (jwk)", "an ID token",
		"HS256 keyed with the public key as PEM", "crit with an unknown member", "no signature", "not valid yet"} {
		if !accepted[name] {
			t.Errorf("a reader that only decodes refuses %q: it proves nothing", name)
		}
	}
}

func TestRotationIsSeamlessAndOldTokensStayGood(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	v := newVerifier(t, issuer)
	before, kid := issuer.Token(), issuer.KID()
	if _, err := v.Verify(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	issuer.Rotate()
	if issuer.KID() == kid {
		t.Fatal("the same key signs")
	}
	issuer.Down() // so no fetch can help
	for name, token := range map[string]string{"before": before, "after": issuer.Token()} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("token from %s the rotation: %v", name, err)
		}
	}
}

func TestDownAndStalledIssuersAreUnavailableUntilUp(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*verifiertest.Issuer){"down": (*verifiertest.Issuer).Down, "stalled": (*verifiertest.Issuer).Stall} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := verifiertest.NewIssuer(t)
			breakIt(issuer)
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: impatient.Timeout}
			ctx, cancel := context.WithCancel(t.Context())
			answered := make(chan error, 1)
			go func() {
				_, err := get(ctx, client, issuer.URL()+"/.well-known/jwks.json", "")
				answered <- err
			}()
			if name == "down" {
				if err := <-answered; err == nil {
					t.Error("a down issuer answered")
				}
				answered <- nil
			} else {
				issuer.Up() // a request that is stalled goes on
			}
			if err := <-answered; err != nil {
				t.Errorf("stalled, then up: %v", err)
			}
			cancel()
			issuer.Up()
			if _, err := newVerifier(t, issuer).Verify(t.Context(), issuer.Token()); err != nil {
				t.Errorf("up again: %v", err)
			}
		})
	}
}

// TestManyRotationsInARowAreFollowed: with the clock standing still, a verifier asks for no key again.
func TestManyRotationsInARowAreFollowed(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	start := time.Now()
	v := newVerifier(t, issuer, verifier.WithClock(func() time.Time { return start }), verifier.WithStatus(verifier.StatusOff))
	kids := map[string]bool{}
	for range 20 {
		kids[issuer.KID()] = true
		if err := verify(v, issuer.Token()); err != nil {
			t.Fatalf("after %d keys: %v", len(kids), err)
		}
		issuer.Rotate()
	}
	if len(kids) != 8 {
		t.Errorf("%d keys signed, want 8", len(kids))
	}
}

func TestAWithdrawnKeyIsRemovedAndTheNextSigns(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	withdrawn := issuer.KID()
	token := issuer.Token()
	issuer.Withdraw(withdrawn)
	late := issuer.Token() // whoever stole it goes on
	issuer.Rotate()
	v := newVerifier(t, issuer)
	for _, bad := range []string{token, late} {
		if err := verify(v, bad); err == nil {
			t.Error("a token of the withdrawn key was accepted")
		}
	}
	if err := verify(v, issuer.Token()); err != nil {
		t.Errorf("a token of the next: %v", err)
	}
	for range 8 {
		issuer.Rotate()
		if issuer.KID() == withdrawn {
			t.Error("the withdrawn key signs again")
		}
	}
}

func TestDownCutsRequestsThatWaitForANewList(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	list := issuer.URL() + "/oauth/status-lists/0"
	before, err := get(t.Context(), impatient, list, "")
	if err != nil {
		t.Fatal(err)
	}
	asked, cut := make(chan struct{}), make(chan error, 1)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(asked) }})
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: impatient.Timeout}
		_, err := get(ctx, client, list+"?wait=25", before.Header.Get("ETag"))
		cut <- err
	}()
	<-asked
	issuer.Down()
	if err := <-cut; err == nil {
		t.Error("who waits was answered by an issuer that is down")
	}
}

func TestARevokedSessionsBitIsSetInTheStatusList(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	kept := statusOf(t, issuer.Token(verifiertest.Claims{"sid": "kept"}))
	ended := statusOf(t, issuer.Token(verifiertest.Claims{"sid": "ended"}))
	if kept.URI != issuer.URL()+"/oauth/status-lists/0" || ended.URI != kept.URI || kept.Index == ended.Index {
		t.Fatalf("got %+v and %+v", kept, ended)
	}
	if again := statusOf(t, issuer.Token(verifiertest.Claims{"sid": "kept"})); again != kept {
		t.Errorf("the same session is at %+v, then at %+v", kept, again)
	}
	issuer.Revoke("ended")
	bits := bitsOf(t, issuer, kept.URI)
	if bits[kept.Index/8]>>(kept.Index%8)&1 != 0 || bits[ended.Index/8]>>(ended.Index%8)&1 != 1 {
		t.Errorf("bits %x; want that at %d set, at %d not", bits[:8], ended.Index, kept.Index)
	}
	if token := issuer.Token(verifiertest.Claims{"status": nil}); strings.Contains(payloadOf(t, token), "status_list") {
		t.Error("a token without status has one")
	}
}

func TestAVerifierThatFollowsTheListRefusesARevokedSession(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	v := newVerifier(t, issuer)
	kept, ended := issuer.Token(verifiertest.Claims{"sid": "kept"}), issuer.Token(verifiertest.Claims{"sid": "ended"})
	for _, token := range []string{kept, ended} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	issuer.Revoke("ended")
	patience, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !errors.Is(verify(v, ended), verifier.ErrInvalidToken) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-patience.Done():
			t.Fatal("the session's token is still accepted")
		}
	}
	if err := verify(v, kept); err != nil {
		t.Errorf("the token of another session: %v", err)
	}
}

func verify(v *verifier.Verifier, token string) error {
	_, err := v.Verify(context.Background(), token)
	return err
}

func TestTheStatusListGrowsWithItsSessions(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	var last status
	for range 1025 {
		last = statusOf(t, issuer.Token())
	}
	if bits := bitsOf(t, issuer, last.URI); last.Index >= 8*len(bits) {
		t.Errorf("index %d in a list of %d bits", last.Index, 8*len(bits))
	}
}

// TestASessionThatMakesTheListGrowIsFollowedAtOnce: its verifier has the previous list, dated
// the same second.
func TestASessionThatMakesTheListGrowIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	v := newVerifier(t, issuer)
	if err := verify(v, issuer.Token()); err != nil {
		t.Fatal(err)
	}
	list := issuer.URL() + "/oauth/status-lists/0"
	before, err := get(t.Context(), impatient, list, "")
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan *http.Response, 1)
	go func() {
		for { // until there is another list: to sign a thousand tokens may take longer than one request may wait
			response, err := get(t.Context(), impatient, list+"?wait=25", before.Header.Get("ETag"))
			if err != nil {
				t.Error(err)
			}
			if err != nil || response.StatusCode != http.StatusNotModified {
				waited <- response
				return
			}
		}
	}()
	for range 1024 {
		if err := verify(v, issuer.Token()); err != nil {
			t.Fatal(err)
		}
	}
	if response := <-waited; response == nil || response.StatusCode != http.StatusOK {
		t.Errorf("who waits for another list gets %v", response)
	}
}

func TestAHandlerIsTestedWithATokenAlone(t *testing.T) {
	t.Parallel()
	token := verifiertest.Verified(t, verifiertest.Claims{"sub": "ada", "scope": "orders:read", "roles": []string{"x"}})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, verifier.FromContext(r.Context()).Subject)
	})
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
	handler.ServeHTTP(w, r.WithContext(verifier.WithToken(r.Context(), token)))
	var mine struct{ Roles []string }
	if err := token.Claims(&mine); err != nil || w.Body.String() != "ada" || !token.Has("orders:read") || !slices.Equal(mine.Roles, []string{"x"}) {
		t.Errorf("the handler saw %s; %v, %v", w.Body, mine, err)
	}
}

func TestTheStatusListIsFetchedOnlyWhenItChanged(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	list := issuer.URL() + "/oauth/status-lists/0"
	first, err := get(t.Context(), impatient, list, "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := get(t.Context(), impatient, list, first.Header.Get("ETag"))
	if err != nil || again.StatusCode != http.StatusNotModified {
		t.Errorf("again: %v, %v; want 304", again, err)
	}
	for _, sid := range []string{"a", "b", "c"} { // each poll is answered, whether or not it has begun to wait
		before, err := get(t.Context(), impatient, list, "")
		if err != nil {
			t.Fatal(err)
		}
		sent, waited := make(chan struct{}), make(chan *http.Response, 1)
		go func() {
			polling := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
			response, err := get(polling, impatient, list+"?wait=25", before.Header.Get("ETag"))
			if err != nil {
				t.Error(err)
			}
			waited <- response
		}()
		<-sent
		for range 10 { // meanwhile the poll arrives, too; if not, the test is none the worse
			if _, err := get(t.Context(), impatient, issuer.URL()+"/.well-known/jwks.json", ""); err != nil {
				t.Fatal(err)
			}
		}
		issuer.Revoke(sid)
		if response := <-waited; response == nil || response.StatusCode != http.StatusOK || response.Header.Get("ETag") == before.Header.Get("ETag") {
			t.Fatalf("after the change: %v; want a new list", response)
		}
	}
	if response, err := get(t.Context(), impatient, list+"?wait=x", ""); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("wait=x: %v, %v; want 400", response, err)
	}
}

func TestTheClockDatesTokens(t *testing.T) {
	t.Parallel()
	clock := func() time.Time { return time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC) }
	issuer := verifiertest.NewIssuer(t, verifiertest.WithClock(clock))
	token, err := newVerifier(t, issuer, verifier.WithClock(clock)).Verify(t.Context(), issuer.Token())
	if err != nil || !token.IssuedAt.Equal(clock()) {
		t.Errorf("got %+v, %v", token, err)
	}
}

type status struct {
	Index int    `json:"idx"`
	URI   string `json:"uri"`
}

func statusOf(t *testing.T, token string) status {
	t.Helper()
	var claims struct {
		Status struct {
			List status `json:"status_list"`
		}
	}
	if err := json.Unmarshal([]byte(payloadOf(t, token)), &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Status.List
}

func payloadOf(t *testing.T, token string) string {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(payload)
}

// bitsOf reads the list as the draft says a verifier should.
func bitsOf(t *testing.T, issuer *verifiertest.Issuer, uri string) []byte {
	t.Helper()
	response, err := get(t.Context(), impatient, uri, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := response.Header.Get("Content-Type"); got != "application/statuslist+jwt" {
		t.Errorf("content type %q", got)
	}
	token, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(string(token), ".")[0])
	if err != nil || !strings.Contains(string(header), `"typ":"statuslist+jwt"`) || !strings.Contains(string(header), issuer.KID()) {
		t.Errorf("header %s, %v", header, err)
	}
	var claims struct {
		Sub           string
		Iat, Exp, TTL int64
		StatusList    struct {
			Bits int
			Lst  string
		} `json:"status_list"`
	}
	if err := json.Unmarshal([]byte(payloadOf(t, string(token))), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Sub != uri || claims.StatusList.Bits != 1 || claims.Exp <= claims.Iat || claims.TTL < 1 {
		t.Errorf("claims %+v", claims)
	}
	zipped, err := base64.RawURLEncoding.DecodeString(claims.StatusList.Lst)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := zlib.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	bits, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return bits
}

// get reads an answer whole.
// impatient lets a test whose answer never comes fail within a minute.
var impatient = &http.Client{Timeout: 50 * time.Second}

func get(ctx context.Context, client *http.Client, address, etag string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, err
}
