package storm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// crowd is many sessions, of which any may refresh next.
type crowd struct {
	*handmade
	families []session.Family
	tokens   map[int]string // the newest of those that refreshed already
}

// BenchmarkRefreshAmongManySessions prints how much longer a refresh takes among
// 1,000,000 sessions than among 1,000: whole, and its round trips alone, without
// the signature. (expected: at most 1.15)
//
// The sessions are inserted by COPY and by pipelined SETs of one state that the
// store itself wrote: a million calls of StartSession and UpdateState would take
// longer than the measurement.
func BenchmarkRefreshAmongManySessions(b *testing.B) {
	servers, memory := testserver.StartPostgres(b), testserver.StartRedis(b)
	few := gather(b, servers.URL(), memory.Addr(), 0, 1_000)
	many := gather(b, servers.URL(), memory.Addr(), 1, 1_000_000)
	for b.Loop() {
		var whole, stores [2][]time.Duration
		for range 10 { // in turns, so that a machine whose speed drifts slows both
			for i, c := range []*crowd{few, many} {
				for range 300 {
					whole[i] = append(whole[i], c.refresh(b))
					stores[i] = append(stores[i], c.refreshAtStores(b))
				}
			}
		}
		b.ReportMetric(ratio(whole), "p50-at-1000000/p50-at-1000")
		b.ReportMetric(ratio(stores), "stores-p50-at-1000000/p50-at-1000")
		b.ReportMetric(float64(percentile(whole[1], .5).Microseconds()), "µs-at-1000000")
		b.ReportMetric(float64(percentile(stores[1], .5).Microseconds()), "µs-stores-at-1000000")
	}
}

func ratio(took [2][]time.Duration) float64 {
	return float64(percentile(took[1], .5)) / float64(percentile(took[0], .5))
}

// gather makes an authority with that many sessions in databases of its own.
func gather(b *testing.B, postgresURL, redisAddr string, number, size int) *crowd {
	b.Helper()
	ctx := context.Background()
	name := fmt.Sprintf("crowd%d", number)
	c := &crowd{tokens: make(map[int]string), families: make([]session.Family, size)}
	for i := range c.families {
		c.families[i] = session.NewFamily()
	}
	admin := connect(b, postgresURL)
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		b.Fatal(err)
	}
	there, err := url.Parse(postgresURL)
	if err != nil {
		b.Fatal(err)
	}
	there.Path = "/" + name
	redisURL := fmt.Sprintf("redis://%s/%d", redisAddr, number)
	c.handmade = newHandmade(b, there.String(), redisURL)
	ids := c.copySessions(b, connect(b, there.String()))
	c.setStates(b, redisClient(b, redisURL), ids)
	return c
}

func connect(b *testing.B, postgresURL string) *pgx.Conn {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), postgresURL)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// copySessions inserts one session for each family and returns their ids.
func (c *crowd) copySessions(b *testing.B, conn *pgx.Conn) []string {
	b.Helper()
	ctx, now := context.Background(), time.Now()
	ids := make([]string, len(c.families))
	columns := []string{"family", "id", "user_id", "client_id", "created_at", "absolute_expiry", "checkpoint", "last_seen_at", "address", "user_agent"}
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"sessions"}, columns, pgx.CopyFromSlice(len(ids), func(i int) ([]any, error) {
		id := uuid.Must(uuid.NewV7())
		ids[i] = id.String()
		family := c.families[i].Hash()
		return []any{family[:], [16]byte(id), c.user.ID, c.client.Client().ID, now, now.Add(4320 * time.Hour), 1, now, "192.0.2.7", "curl/8"}, nil
	}))
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM ANALYZE sessions")
	}
	if err != nil {
		b.Fatal(err)
	}
	return ids
}

// setStates gives every session the state after its first refresh.
func (c *crowd) setStates(b *testing.B, client *goredis.Client, ids []string) {
	b.Helper()
	defer client.Close()
	ctx := context.Background()
	now := time.Now()
	state := session.State{Cur: 2, Prev: 1, RotatedAt: now, Stamps: clock.Clocks{Redis: now, Database: now}}
	if err := c.redis.UpdateState(ctx, ids[0], time.Hour, func(session.State, clock.Clocks) (session.State, bool) { return state, true }); err != nil {
		b.Fatal(err)
	}
	value, err := client.Get(ctx, "s:"+ids[0]).Result()
	if err != nil {
		b.Fatal(err)
	}
	for len(ids) > 0 {
		batch := ids[:min(len(ids), 5000)]
		ids = ids[len(batch):]
		if _, err := client.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, id := range batch {
				p.Set(ctx, "s:"+id, value, 721*time.Hour)
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// refresh times one refresh of any session.
func (c *crowd) refresh(b *testing.B) time.Duration {
	i := rand.IntN(len(c.families))
	token, ok := c.tokens[i]
	if !ok {
		token = c.Mint.Format(session.RefreshToken{Family: c.families[i], Generation: 2, IssuedAt: time.Now()})
	}
	begun := time.Now()
	token = c.trade(b, token)
	took := time.Since(begun)
	c.tokens[i] = token
	return took
}

// refreshAtStores times the round trips alone; it stores the same state again.
func (c *crowd) refreshAtStores(b *testing.B) time.Duration {
	family := c.families[rand.IntN(len(c.families))].Hash()
	begun := time.Now()
	standing, err := c.postgres.StandingByFamily(b.Context(), family)
	if err == nil {
		err = c.redis.UpdateState(b.Context(), standing.ID, 721*time.Hour, func(stored session.State, _ clock.Clocks) (session.State, bool) {
			return stored, true // the same again, under another nonce
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}
