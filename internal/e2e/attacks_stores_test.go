package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/audit"
)

// exec changes rows behind the authority's back.
func (c *cluster) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	done, err := conn.Exec(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	if done.RowsAffected() == 0 {
		t.Fatalf("%s changed no row", statement)
	}
}

func (c *cluster) redis(t testing.TB) *goredis.Client {
	t.Helper()
	options, err := goredis.ParseURL(c.Redis)
	if err != nil {
		t.Fatal(err)
	}
	r := goredis.NewClient(options)
	t.Cleanup(func() { r.Close() })
	return r
}

// rotation is the state of a session as Redis holds it: `cur prev rotated skips#nonce`.
func (c *cluster) rotation(t testing.TB, p pair) string {
	t.Helper()
	state, err := c.redis(t).Get(t.Context(), "s:"+sessionOf(t, p)).Result()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func (c *cluster) setRotation(t testing.TB, p pair, state string) {
	t.Helper()
	if err := c.redis(t).Set(t.Context(), "s:"+sessionOf(t, p), state, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
}

func sessionOf(t testing.TB, p pair) string {
	t.Helper()
	return claimsOf(t, p.Access)["sid"].(string)
}

// tokenBytes takes a refresh token apart: version, MAC key id, family (16),
// generation (4), issued-at (4), flags (4), tag (16).
func tokenBytes(t testing.TB, token string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "mrt_"))
	if err != nil || len(b) != 46 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	return b
}

// forgeries are tokens made from a good one without the MAC key.
func forgeries(t testing.TB, good string) map[string]string {
	t.Helper()
	change := func(edit func(b []byte)) string {
		b := tokenBytes(t, good)
		edit(b)
		return "mrt_" + base64.RawURLEncoding.EncodeToString(b)
	}
	add := func(at int, n uint32) func([]byte) {
		return func(b []byte) { binary.BigEndian.PutUint32(b[at:], binary.BigEndian.Uint32(b[at:])+n) }
	}
	return map[string]string{
		"generation +1": change(add(18, 1)), "generation -1": change(add(18, ^uint32(0))),
		"issued later": change(add(22, 3600)), "flags": change(add(26, 1)),
		"another family":  change(func(b []byte) { b[2] ^= 1 }),
		"another version": change(func(b []byte) { b[0] = 2 }),
		"another key id":  change(func(b []byte) { b[1]++ }),
		"no MAC":          change(func(b []byte) { clear(b[30:]) }),
		"another MAC":     change(func(b []byte) { b[45] ^= 1 }),
		"cut short":       good[:len(good)-1], "longer": good + "A", "only its prefix": "mrt_",
		"another prefix": "mrx_" + good[4:], "without prefix": good[4:], "upper-case prefix": "MRT_" + good[4:],
		"padded": good + "=", "standard base64": "mrt_" + base64.StdEncoding.EncodeToString(tokenBytes(t, good)),
		"hexadecimal":       "mrt_" + fmt.Sprintf("%x", tokenBytes(t, good)),
		"a line end inside": good[:20] + "\n" + good[20:], "a space behind": good + " ",
		// 46 bytes are 61⅓ characters: the last one has bits to spare.
		"spare bits": good[:len(good)-1] + nextLetter(good[len(good)-1]),
	}
}

func nextLetter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}

// forgedTokens: with both stores cut off, a forged token is still refused and a
// good one gets 503, so no store was asked about the forged one.
func forgedTokens(t *testing.T, _ *authority) {
	servers := newOwnServers(t)
	a := servers.startReplica(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	servers.postgresProxy.Cut()
	servers.redisProxy.Cut()
	for name, forged := range forgeries(t, p.Refresh) {
		wantRefused(t, a, name, forged)
		if _, got := a.refresh(t, pair{p.Access, forged}); got.Status != http.StatusBadRequest {
			t.Errorf("%s in a pair: %d %s, want 400", name, got.Status, got.Body)
		}
	}
	got, _ := a.refreshGrant(t, p.Refresh)
	wantUnavailable(t, "a good token meanwhile", got)
	servers.postgresProxy.Heal()
	servers.redisProxy.Heal()
	eventually(t, func() bool {
		got, _ := a.refreshGrant(t, p.Refresh)
		return got.Status == http.StatusOK
	})
}

// rolledBack is a session whose owner has the fifth token while Redis remembers
// the second.
func rolledBack(t *testing.T) (*authority, pair, []string) {
	t.Helper()
	c := newCluster(t)
	a := c.startReplica(t)
	a.register(t, testUser)
	p := a.login(t, testUser)
	tokens := []string{"", p.Refresh}
	var old string
	for len(tokens) <= 5 {
		tokens = append(tokens, wantGrant(t, a, "a refresh", tokens[len(tokens)-1]))
		if len(tokens) == 3 {
			old = c.rotation(t, p)
		}
	}
	c.setRotation(t, p, old)
	return a, p, tokens
}

func ownerAfterRollback(t *testing.T, _ *authority) {
	a, p, tokens := rolledBack(t)
	sixth := wantGrant(t, a, "the owner's newest token", tokens[5])
	event := wantEvent(t, a, audit.SessionHealed, sessionOf(t, p))
	if event.Detail["gap"] != "3" {
		t.Errorf("gap of the event: %v, want 3", event.Detail)
	}
	seventh := wantGrant(t, a, "the owner's next token", sixth)
	wantRefused(t, a, "a token from before", tokens[4]) // a replay as ever
	wantRefused(t, a, "the session after a replay", seventh)
}

// thiefAfterRollback: the old token rotates once more, but never are there two
// that do: the owner's newest token ends the thief's turn, and the thief's next
// one ends the session.
func thiefAfterRollback(t *testing.T, _ *authority) {
	a, _, tokens := rolledBack(t)
	thief := wantGrant(t, a, "an old token whose use was forgotten", tokens[2])
	owner := wantGrant(t, a, "the owner's newest token", tokens[5])
	wantRefused(t, a, "the thief's successor", thief)
	wantRefused(t, a, "the session after that", owner)
}

// dumpHoldsNoToken: neither a token nor what a token could be made of.
func dumpHoldsNoToken(t *testing.T, _ *authority) {
	c := newCluster(t)
	replica := c.startReplica(t)
	dir := t.TempDir()
	embedded := startEmbedded(t, "MINTMARK_DATA_DIR="+dir)
	tests := map[string]struct {
		a    *authority
		dump func(t *testing.T) []byte
	}{
		"Postgres": {replica, c.dumpPostgres},
		"Redis":    {replica, c.dumpRedis},
		"SQLite":   {embedded, func(t *testing.T) []byte { return dumpFiles(t, dir) }},
	}
	replica.register(t, testUser)
	embedded.register(t, testUser)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := test.a.login(t, testUser)
			tokens := []string{p.Refresh}
			for range 3 {
				tokens = append(tokens, wantGrant(t, test.a, "a refresh", tokens[len(tokens)-1]))
			}
			next := test.a.login(t, testUser) // a second session, replayed, for the events about it
			wantRefused(t, test.a, "a replay", replayed(t, test.a, next.Refresh))
			dump := test.dump(t)
			if sid := sessionOf(t, p); !bytes.Contains(dump, []byte(sid)) && !bytes.Contains(dump, uuidBytes(t, sid)) {
				t.Fatal("the dump lacks the session: it proves nothing")
			}
			for what, secret := range secretsOf(t, p.Access, append(tokens, next.Refresh)...) {
				if bytes.Contains(dump, secret) {
					t.Errorf("the dump holds the %s", what)
				}
			}
		})
	}
}

// replayed uses a token and its successor, so that the token is a replay.
func replayed(t *testing.T, a *authority, token string) string {
	t.Helper()
	wantGrant(t, a, "the successor", wantGrant(t, a, "a refresh", token))
	return token
}

func uuidBytes(t *testing.T, id string) []byte {
	t.Helper()
	parsed, err := uuid.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	return parsed[:]
}

// secretsOf are the spellings in which a store could hold parts of tokens.
func secretsOf(t *testing.T, access string, refresh ...string) map[string][]byte {
	t.Helper()
	secrets := map[string][]byte{"access token": []byte(access), "signature": []byte(access[strings.LastIndexByte(access, '.')+1:])}
	for i, token := range refresh {
		b := tokenBytes(t, token)
		secrets[fmt.Sprintf("refresh token %d", i+1)] = []byte(strings.TrimPrefix(token, "mrt_"))
		for part, octets := range map[string][]byte{"family": b[2:18], "MAC": b[30:]} {
			secrets[fmt.Sprintf("%s of refresh token %d", part, i+1)] = octets
			secrets[fmt.Sprintf("%s of refresh token %d in hexadecimal", part, i+1)] = fmt.Appendf(nil, "%x", octets)
			secrets[fmt.Sprintf("%s of refresh token %d in base64", part, i+1)] = []byte(base64.RawStdEncoding.EncodeToString(octets))
			secrets[fmt.Sprintf("%s of refresh token %d in base64url", part, i+1)] = []byte(base64.RawURLEncoding.EncodeToString(octets))
		}
	}
	return secrets
}

func (c *cluster) dumpPostgres(t *testing.T) []byte {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, _ := conn.Query(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var dump []byte
	for _, table := range tables {
		rows, _ := conn.Query(t.Context(), `SELECT r::text FROM `+pgx.Identifier{table}.Sanitize()+` r`)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, strings.Join(lines, "\n")...)
	}
	return dump
}

func (c *cluster) dumpRedis(t *testing.T) []byte {
	t.Helper()
	r := c.redis(t)
	var dump []byte
	for keys := r.Scan(t.Context(), 0, "*", 100).Iterator(); keys.Next(t.Context()); {
		value, err := r.Get(t.Context(), keys.Val()).Result()
		if goredis.HasErrorPrefix(err, "WRONGTYPE") { // what replicas tell each other
			var entries []goredis.XMessage
			entries, err = r.XRange(t.Context(), keys.Val(), "-", "+").Result()
			for _, entry := range entries {
				value += fmt.Sprint(entry.Values)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, keys.Val()+" "+value+"\n"...)
	}
	return dump
}

// dumpFiles reads the data directory, including the write-ahead log, except for the root
// secret.
func dumpFiles(t *testing.T, dir string) []byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.db*"))
	if err != nil {
		t.Fatal(err)
	}
	var dump []byte
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, content...)
	}
	return dump
}
