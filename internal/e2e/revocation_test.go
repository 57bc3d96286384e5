package e2e_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/db"
	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/cli"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/testserver"
	"github.com/mintmark-auth/mintmark/pkg/verifier"
)

// place is where an access token says that its status is.
type place struct {
	Index int    `json:"idx"`
	URI   string `json:"uri"`
}

// placeOf reads the status of an access token.
func placeOf(t testing.TB, access string) place {
	t.Helper()
	var claims struct {
		Status *struct {
			StatusList place `json:"status_list"`
		}
	}
	decodePart(t, access, 1, &claims)
	if claims.Status == nil {
		t.Fatal("the access token has no status")
	}
	return claims.Status.StatusList
}

// decodePart decodes a part of a JWT without checking its signature.
func decodePart(t testing.TB, jwt string, part int, into any) {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("%q has %d parts", jwt, len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// statusList is a fetched list, read as draft-ietf-oauth-status-list says and by
// nothing of ours.
type statusList struct {
	Sub        string
	Exp        int64
	StatusList struct{ Lst string } `json:"status_list"`
	bits       []byte
}

func (l statusList) revoked(index int) bool { return l.bits[index/8]>>(index%8)&1 == 1 }

func readList(t testing.TB, jwt []byte) statusList {
	t.Helper()
	var list statusList
	decodePart(t, string(jwt), 1, &list)
	compressed, err := base64.RawURLEncoding.DecodeString(list.StatusList.Lst)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	if list.bits, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return list
}

// askList asks an authority for the list of a place; a zero etag means that the caller has no
// list.
func (a *authority) askList(t testing.TB, at place, etag string, wait int) answer {
	t.Helper()
	target := a.URL + strings.TrimPrefix(at.URI, a.Issuer)
	if wait > 0 {
		target += "?wait=" + strconv.Itoa(wait)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	return do(t, req)
}

// revoked returns what an authority's list says about a place now.
func (a *authority) revoked(t testing.TB, at place) bool {
	t.Helper()
	got := a.askList(t, at, "", 0)
	if got.Status != http.StatusOK {
		t.Fatalf("list %s: %d %s", at.URI, got.Status, got.Body)
	}
	list := readList(t, got.Body)
	if list.Sub != at.URI {
		t.Fatalf("the list at %s calls itself %s", at.URI, list.Sub)
	}
	return list.revoked(at.Index)
}

func (a *authority) logout(t testing.TB, p pair) {
	t.Helper()
	if got, _ := a.firstParty(t, "logout", map[string]string{"accessToken": p.Access, "refreshToken": p.Refresh}); got.Status != http.StatusOK {
		t.Fatalf("logout: %d %s", got.Status, got.Body)
	}
}

// TestR1ARevocationWakesEveryFollowerOfTheList asks three replicas to tell, before the
// session ends at one of them, and none of them may answer with anything else.
func TestR1ARevocationWakesEveryFollowerOfTheList(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	replicas := []*authority{c.startReplica(t), c.startReplica(t), c.startReplica(t)}
	replicas[0].register(t, testUser)
	p := replicas[0].login(t, testUser)
	at := placeOf(t, p.Access)
	if next, got := replicas[1].refresh(t, p); got.Status != http.StatusOK || placeOf(t, next.Access) != at {
		t.Errorf("the refreshed token has another place: %d %s", got.Status, got.Body)
	} else {
		p = next
	}
	var followers sync.WaitGroup
	told := make([]answer, len(replicas))
	for i, r := range replicas {
		first := r.askList(t, at, "", 0)
		if readList(t, first.Body).revoked(at.Index) {
			t.Fatal("revoked from the start")
		}
		followers.Go(func() { told[i] = follow(t, r, at, first.Header.Get("ETag")) })
	}
	for _, r := range replicas {
		eventually(t, func() bool { return metric(t, r, "mintmark_status_list_waiters") == 1 })
	}
	replicas[2].logout(t, p)
	followers.Wait()
	for i, got := range told {
		if got.Status != http.StatusOK || !readList(t, got.Body).revoked(at.Index) {
			t.Errorf("replica %d told %d %s", i, got.Status, got.Body)
		}
	}
	if got := metric(t, replicas[0], "mintmark_status_list_revoked"); got != 1 {
		t.Errorf("%v sessions are in the lists, want 1", got)
	}
}

// follow asks again and again, as a verifier does, until the list shows the place as revoked
// or the answer is one that a verifier should not get.
func follow(t testing.TB, a *authority, at place, etag string) answer {
	t.Helper()
	for {
		got := a.askList(t, at, etag, 25)
		if got.Status != http.StatusNotModified && (got.Status != http.StatusOK || readList(t, got.Body).revoked(at.Index)) {
			return got
		}
		etag = got.Header.Get("ETag") // an epoch may have turned
	}
}

// TestVerifiersRefuseARevokedSessionEverywhereAndForGood is R1, R2 and R4 as a service
// sees them that uses pkg/verifier, each at another replica.
func TestVerifiersRefuseARevokedSessionEverywhereAndForGood(t *testing.T) {
	t.Parallel()
	servers := newOwnServers(t)
	replicas := []*authority{servers.startReplica(t), servers.startReplica(t), servers.startReplica(t)}
	replicas[0].register(t, testUser)
	ended, kept := replicas[0].login(t, testUser), replicas[1].login(t, testUser)
	verifiers := make([]*verifier.Verifier, len(replicas))
	for i, a := range replicas {
		verifiers[i] = verifierOf(t, a, verifier.WithStatus(verifier.StatusFailClosed))
		for _, p := range []pair{ended, kept} {
			if _, err := verifiers[i].Verify(t.Context(), p.Access); err != nil {
				t.Fatalf("before: %v", err)
			}
		}
	}
	replicas[2].logout(t, ended)
	for _, v := range verifiers {
		eventually(t, func() bool {
			_, err := v.Verify(t.Context(), ended.Access)
			return errors.Is(err, verifier.ErrInvalidToken)
		})
	}
	hold := func(when string) {
		for i, v := range verifiers {
			if _, err := v.Verify(t.Context(), ended.Access); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("%s, verifier %d: the ended session gives %v", when, i, err)
			}
			if _, err := v.Verify(t.Context(), kept.Access); err != nil {
				t.Errorf("%s, verifier %d: the other session gives %v", when, i, err)
			}
		}
	}
	hold("after the revocation")
	flush(t, servers.redis.URL())
	servers.postgresProxy.Cut()
	servers.redisProxy.Cut()
	eventually(t, func() bool { return metric(t, replicas[0], "mintmark_status_list_age_seconds") > 2.5 })
	hold("in an outage")
	fresh := verifierOf(t, replicas[0], verifier.WithStatus(verifier.StatusFailClosed)) // a service that starts now
	verifiers = append(verifiers, fresh)
	hold("in an outage, with one that has just started")
	servers.postgresProxy.Heal()
	servers.redisProxy.Heal()
	eventually(t, func() bool { return metric(t, replicas[0], "mintmark_status_list_age_seconds") < 2 })
	hold("after the outage")
	replicas[1].logout(t, kept)
	for _, v := range verifiers {
		eventually(t, func() bool {
			_, err := v.Verify(t.Context(), kept.Access)
			return errors.Is(err, verifier.ErrInvalidToken)
		})
	}
}

// TestR1ASessionOfAnOlderBinaryIsInTheListsFromItsNextRefresh on: that left it without an index.
func TestR1ASessionOfAnOlderBinaryIsInTheListsFromItsNextRefresh(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	a, other := c.startReplica(t), c.startReplica(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	c.exec(t, `UPDATE sessions SET status_index = NULL`)
	p, _ = a.refresh(t, p)
	at := placeOf(t, p.Access)
	again, _ := other.refresh(t, p)
	if got := placeOf(t, again.Access); got != at {
		t.Errorf("the session is at %v, then at %v", at, got)
	}
	other.logout(t, again)
	for _, replica := range []*authority{a, other} {
		eventually(t, func() bool { return replica.revoked(t, at) })
	}
}

// metric reads one value of /metrics.
func metric(t testing.TB, a *authority, name string) float64 {
	t.Helper()
	for line := range strings.Lines(string(send(t, http.MethodGet, a.Ops+"/metrics", "", "").Body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestWhateverEndsASessionReachesTheLists, by the API or by an operator's process.
func TestWhateverEndsASessionReachesTheLists(t *testing.T) {
	t.Parallel()
	operator := audit.New(audit.SessionRevoked, audit.ByOperator("root"))
	for name, end := range map[string]func(*testing.T, *authority, pair){
		"logout": func(t *testing.T, a *authority, p pair) { t.Helper(); a.logout(t, p) },
		"revocation": func(t *testing.T, a *authority, p pair) {
			t.Helper()
			a.form(t, "/oauth/revoke", map[string][]string{"client_id": {"first-party"}, "token": {p.Refresh}})
		},
		"replay": func(t *testing.T, a *authority, p pair) {
			t.Helper()
			second, _ := a.refresh(t, p)
			a.refresh(t, second)
			a.refresh(t, p)
		},
		"another session": func(t *testing.T, a *authority, p pair) {
			t.Helper()
			do(t, drivenEnding(sessionOf(t, p), pairBody(a.login(t, testUser)), fits, 200).request(t, a))
		},
		"all others": func(t *testing.T, a *authority, _ pair) {
			t.Helper()
			do(t, drivenEnding("", pairBody(a.login(t, testUser)), fits, 200).request(t, a))
		},
		"an operator": func(t *testing.T, a *authority, p pair) {
			t.Helper()
			operate(t, a, "sessions", "revoke", sessionOf(t, p))
		},
		"an operator, all": func(t *testing.T, a *authority, _ pair) {
			t.Helper()
			operate(t, a, "sessions", "revoke", "--user", testUser, "--yes")
		},
		"a disabled user": func(t *testing.T, a *authority, _ pair) { t.Helper(); operate(t, a, "users", "disable", testUser) },
		"a new password":  func(t *testing.T, a *authority, _ pair) { t.Helper(); operate(t, a, "users", "set-password", testUser) },
		"a disabled client": func(t *testing.T, a *authority, _ pair) {
			t.Helper()
			operate(t, a, "clients", "disable", client.FirstParty)
		},
		"a deleted user": func(t *testing.T, a *authority, _ pair) {
			t.Helper()
			stores := a.stores(t)
			u, err := stores.Users.UserByUsername(t.Context(), testUser)
			if err == nil {
				err = stores.Users.DeleteUser(t.Context(), u.ID, operator)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startEmbedded(t)
			a.register(t, testUser)
			p := a.login(t, testUser)
			at := placeOf(t, p.Access)
			if a.revoked(t, at) {
				t.Fatal("revoked from the start")
			}
			end(t, a, p)
			eventually(t, func() bool { return a.revoked(t, at) })
		})
	}
}

// operate runs an operator's command on the data of the authority.
func operate(t *testing.T, a *authority, args ...string) {
	t.Helper()
	var out bytes.Buffer
	code := cli.Run(t.Context(), cli.Process{
		Program: "mintmark", Args: append(args, "--data-dir", a.cfg.DataDir),
		Stdin: strings.NewReader("another violet tram\n"), Stdout: &out, Stderr: &out,
	})
	if code != 0 {
		t.Fatalf("mintmark %s: %d %s", strings.Join(args, " "), code, &out)
	}
}

// TestR2WhatWasRevokedStaysSoThroughAFlushAndARestart of everything there is.
func TestR2WhatWasRevokedStaysSoThroughAFlushAndARestart(t *testing.T) {
	t.Parallel()
	postgres, redis := testserver.StartPostgres(t), testserver.StartRedis(t)
	database, err := db.Postgres(postgres.URL())
	if err == nil {
		err = database.Up(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{Postgres: postgres.URL(), Redis: redis.URL(), root: newCluster(t).root, issuer: "http://localhost:1"}
	first, second := c.startReplica(t), c.startReplica(t)
	first.register(t, testUser)
	p, kept := first.login(t, testUser), first.login(t, testUser)
	at, live := placeOf(t, p.Access), placeOf(t, kept.Access)
	first.logout(t, p)
	eventually(t, func() bool { return first.revoked(t, at) && second.revoked(t, at) })

	var stop, taken atomic.Bool
	watched := make(chan struct{})
	go func() { // never again valid, at any moment of what follows
		defer close(watched)
		for !stop.Load() {
			for _, a := range []*authority{first, second} {
				if got := a.askList(t, at, "", 0); got.Status == http.StatusOK && !readList(t, got.Body).revoked(at.Index) {
					taken.Store(true)
				}
			}
		}
	}()
	flush(t, redis.URL())
	postgres.Kill()
	if !first.revoked(t, at) {
		t.Error("not revoked while Postgres is down")
	}
	postgres.Start()
	eventually(t, func() bool { _, got := first.refresh(t, kept); return got.Status == http.StatusOK })
	third := c.startReplica(t) // knows nothing but what is in SQL
	if !third.revoked(t, at) || third.revoked(t, live) {
		t.Error("a fresh replica says otherwise")
	}
	stop.Store(true)
	<-watched
	if taken.Load() {
		t.Error("the session was valid again for a moment")
	}
	if first.revoked(t, live) {
		t.Error("the other session is revoked, too")
	}
}

// TestR3NoTwoLiveSessionsShareAnIndex over replicas whose users all log in at once. That
// these draw apart is all it sees; the contract of the stores has them draw the same.
func TestR3NoTwoLiveSessionsShareAnIndex(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	replicas := []*authority{c.startReplica(t), c.startReplica(t)}
	replicas[0].register(t, testUser)
	const logins = 30
	places := make([]place, logins)
	var group sync.WaitGroup
	for i := range logins {
		group.Go(func() { places[i] = placeOf(t, replicas[i%2].login(t, testUser).Access) })
	}
	group.Wait()
	held := make(map[place]bool)
	for _, at := range places {
		if held[at] {
			t.Errorf("two sessions are at %v", at)
		}
		held[at] = true
	}
}

// TestR4AnOutageRejectsNoValidToken: the list that a verifier has when the database goes down
// outlives all current tokens, and is served to verifiers without a list.
func TestR4AnOutageRejectsNoValidToken(t *testing.T) {
	t.Parallel()
	servers := newOwnServers(t)
	a := servers.startReplica(t, "MINTMARK_ACCESS_TOKEN_TTL=1h")
	a.register(t, testUser)
	p := a.login(t, testUser)
	at := placeOf(t, p.Access)
	var token struct{ Exp int64 }
	decodePart(t, p.Access, 1, &token)
	held := a.askList(t, at, "", 0)
	if list := readList(t, held.Body); list.Exp <= token.Exp || list.revoked(at.Index) {
		t.Errorf("the list expires at %d, the token at %d; revoked: %v", list.Exp, token.Exp, list.revoked(at.Index))
	}

	servers.postgresProxy.Cut()
	servers.redisProxy.Cut()
	held = a.awaitDoubt(t, at, held)
	if a.revoked(t, at) {
		t.Error("revoked by the outage")
	}
	answers, hungUp := wire(t, a, strings.NewReader("GET "+strings.TrimPrefix(at.URI, a.Issuer)+"?wait=25 HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: "+
		held.Header.Get("ETag")+"\r\n\r\n"))
	if len(answers) != 1 || answers[0].Header.Get("Retry-After") == "" || !hungUp {
		t.Errorf("%v, hung up: %v; want to be told when to ask, over another connection", answers, hungUp)
	}
	servers.postgresProxy.Heal()
	servers.redisProxy.Heal()
	eventually(t, func() bool {
		return a.askList(t, at, held.Header.Get("ETag"), 0).Status != http.StatusServiceUnavailable
	})
	if a.revoked(t, at) {
		t.Error("revoked after the outage")
	}
}

// TestR4AnOutageRefusesNoTokenBeforeItExpires, at a service that refuses tokens of unknown
// status: one that has followed the list since before, and one that begins during the outage.
func TestR4AnOutageRefusesNoTokenBeforeItExpires(t *testing.T) {
	t.Parallel()
	servers := newOwnServers(t)
	a := servers.startReplica(t, "MINTMARK_ACCESS_TOKEN_TTL=20s")
	a.register(t, testUser)
	early := verifierOf(t, a, verifier.WithStatus(verifier.StatusFailClosed))
	p := a.login(t, testUser)
	eventually(t, func() bool { // its first look may take a busy machine longer than a verifier waits
		_, err := early.Verify(t.Context(), p.Access)
		return err == nil
	})
	var claims struct{ Exp int64 }
	decodePart(t, p.Access, 1, &claims)
	expiry := time.Unix(claims.Exp, 0)
	servers.postgresProxy.Cut()
	servers.redisProxy.Cut()
	late := verifierOf(t, a, verifier.WithStatus(verifier.StatusFailClosed))
	checks := map[string]int{"follows": 0, "begins": 0}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for time.Until(expiry) > time.Second/2 { // the clock of the database is this machine's
		for name, v := range map[string]*verifier.Verifier{"follows": early, "begins": late} {
			_, err := v.Verify(t.Context(), p.Access)
			unread := errors.Is(err, verifier.ErrKeysUnavailable) || errors.Is(err, verifier.ErrStatusUnavailable)
			switch {
			case err == nil:
				checks[name]++
			case v == late && checks[name] == 0 && unread: // its first look, too
			case time.Now().Before(expiry):
				t.Fatalf("a service that %s, %s before the end: %v", name, time.Until(expiry), err)
			}
		}
		<-again.C
	}
	for name, accepted := range checks {
		if accepted == 0 {
			t.Errorf("a service that %s never accepted the token in the outage", name)
		}
	}
	eventually(t, func() bool {
		_, err := early.Verify(t.Context(), p.Access)
		return errors.Is(err, verifier.ErrInvalidToken)
	})
}

// awaitDoubt waits until the replica can't know whether a list has changed since it was held, and gives the list that it
// had last: until then it may have changed once more, for a standby that was made.
func (a *authority) awaitDoubt(t *testing.T, at place, held answer) answer {
	t.Helper()
	eventually(t, func() bool {
		got := a.askList(t, at, held.Header.Get("ETag"), 0)
		if got.Status == http.StatusOK {
			held = got
		}
		return got.Status == http.StatusServiceUnavailable
	})
	return held
}

// TestAWaitOutlivesTheTimeToReadARequest, which is shorter.
func TestAWaitOutlivesTheTimeToReadARequest(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	at := place{URI: a.Issuer + "/oauth/status-lists/0"}
	for range 3 { // in vain at most twice, when an epoch turns and when the standby is made
		first := a.askList(t, at, "", 0)
		if got := a.askList(t, at, first.Header.Get("ETag"), 12); got.Status == http.StatusNotModified {
			return
		} else if got.Status != http.StatusOK {
			t.Fatalf("%d %s, want 304 after the wait", got.Status, got.Body)
		}
	}
	t.Error("the list changes all the time")
}

func TestShutdownEndsTheWaits(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	at := place{URI: a.Issuer + "/oauth/status-lists/0"}
	etag := a.askList(t, at, "", 0).Header.Get("ETag")
	ended := make(chan answer, 1)
	go func() {
		defer close(ended)
		ended <- a.askList(t, at, etag, 25)
	}()
	eventually(t, func() bool { return metric(t, a, "mintmark_status_list_waiters") == 1 })
	a.Stop() // which fails the test if it has to cut off what is in flight
	if got := <-ended; got.Status != http.StatusNotModified && got.Status != http.StatusOK {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if strings.Contains(a.Log.String(), "drain") {
		t.Error("the wait had to be cut off")
	}
}

// TestTheAggregationNamesEveryList, including that of the next session on any replica.
func TestTheAggregationNamesEveryList(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	a.register(t, testUser)
	at := placeOf(t, a.login(t, testUser).Access)
	var aggregation struct {
		StatusLists []string `json:"status_lists"`
	}
	got := send(t, http.MethodGet, a.URL+"/oauth/status-lists", "", "")
	if err := json.Unmarshal(got.Body, &aggregation); err != nil || !slices.Contains(aggregation.StatusLists, at.URI) {
		t.Errorf("%d %s, want %s among them", got.Status, got.Body, at.URI)
	}
	for _, uri := range aggregation.StatusLists {
		if a.revoked(t, place{URI: uri}) {
			t.Errorf("index 0 of %s is revoked", uri)
		}
	}
}

func TestAStatusListIsForPagesOfAnyOriginAndNotCompressedTwice(t *testing.T) {
	t.Parallel()
	a := startEmbedded(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+"/oauth/status-lists/0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://anywhere.example")
	req.Header.Set("Accept-Encoding", "gzip")
	got := do(t, req)
	for name, want := range map[string]string{
		"Content-Type": "application/statuslist+jwt", "Access-Control-Allow-Origin": "*", "Content-Encoding": "", "Cache-Control": "public, no-cache",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
}
