// Package redis is the ephemeral store of production: the rotation state of
// live sessions and the rate counters, in Redis 7 or Valkey, single, behind
// Sentinel, or as a Cluster.
//
// The store is built on one primitive, compare-and-swap of one key (cell.go), so every script touches one key and works
// in a Cluster. Its data may be lost at any moment, by a flush, a failover or a rollback: the rules of package session
// and the durable row make that harmless. No text from a user or client becomes part of a key: keys are our session ids
// and digests, and those of rate counters are keyed. The package never lists keys.
package redis

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/mintmark-auth/mintmark/internal/dial"
	"github.com/mintmark-auth/mintmark/internal/storeurl"
)

const (
	roundTrip = 2 * time.Second // bounds one call to Redis, retries and waiting for a connection included
	dialTime  = time.Second     // and one attempt to connect
	socketIO  = time.Second     // and one read or write
)

// Config says where Redis is and who watches.
type Config struct {
	// URL is one of the forms that storeurl.ParseRedis lists. It may hold a
	// password, so it appears in no error.
	URL string
	// LimitKey is the secret, of 32 octets, under which rate counters are named. Replicas that have another count
	// apart.
	LimitKey []byte
	// Instrument, when set, adds hooks to the client before its first call: tracing, metrics.
	Instrument func(goredis.UniversalClient) error
}

// Store keeps rotation states and rate counters in Redis. It is safe for
// concurrent use and reconnects by itself within about a second of Redis's return.
type Store struct {
	client   goredis.UniversalClient
	limitKey []byte

	updateTime, roundTrip time.Duration // those of the constants; tests take more on a busy machine
}

// Open connects to Redis, pings it and asks for its version, for at most two seconds each. No error
// holds any part of the URL but hosts. dial.ErrOldServer.
func Open(ctx context.Context, config Config) (*Store, error) {
	if len(config.LimitKey) != sha256.Size {
		return nil, fmt.Errorf("the key of rate counters has %d octets, want %d", len(config.LimitKey), sha256.Size)
	}
	url, err := storeurl.ParseRedis(config.URL)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	client := goredis.NewUniversalClient(tune(clientOptions(url)))
	if config.Instrument != nil {
		if err := config.Instrument(client); err != nil {
			_ = client.Close() // nothing was sent yet
			return nil, fmt.Errorf("instrument the Redis client: %w", err)
		}
	}
	store := &Store{client: client, limitKey: slices.Clone(config.LimitKey), updateTime: updateTime, roundTrip: roundTrip}
	if err := store.Ping(ctx); err != nil {
		_ = client.Close() // the ping's error says more
		return nil, fmt.Errorf("reach Redis at %s: %w", strings.Join(url.Addrs, ", "), err)
	}
	if err := dial.CheckVersion("Redis", store.Describe(ctx).Version, oldestServer); err != nil {
		_ = client.Close() // nothing was written
		return nil, fmt.Errorf("reach Redis at %s: %w", strings.Join(url.Addrs, ", "), err)
	}
	return store, nil
}

// clientOptions says in go-redis's words what a URL says. TLS trusts the
// certificate authorities of the system.
func clientOptions(url storeurl.Redis) *goredis.UniversalOptions {
	options := &goredis.UniversalOptions{
		Addrs:            url.Addrs,
		Username:         url.Username,
		Password:         url.Password.Reveal(),
		DB:               url.DB,
		MasterName:       url.Master,
		SentinelUsername: url.SentinelUsername,
		SentinelPassword: url.SentinelPassword.Reveal(),
		IsClusterMode:    url.Cluster,
	}
	dialer := dial.Dialer(dialTime)
	options.Dialer = dialer.DialContext
	if url.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		options.Dialer = (&tls.Dialer{NetDialer: dialer, Config: options.TLSConfig}).DialContext
	}
	return options
}

// Close ends every connection.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close Redis: %w", err)
	}
	return nil
}

// Ping asks whether Redis answers, within two seconds.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.roundTrip)
	defer cancel()
	if err := s.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping Redis: %w", err)
	}
	return nil
}

// Now returns Redis's clock; in a Cluster that of one node.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, s.roundTrip)
	defer cancel()
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("read Redis's clock: %w", err)
	}
	return now.UTC(), nil
}

// silence stops go-redis from writing lines of its own to standard error: every
// failure comes back as an error, and is logged once, by the caller.
var silence = sync.OnceFunc(logging.Disable)

// tune sets what every form of the client shares. A call is tried three times at
// most, all within one roundTrip; dialing is not repeated within a try. The pool
// drops connections that died while idle before it hands them out.
func tune(options *goredis.UniversalOptions) *goredis.UniversalOptions {
	silence()
	options.Protocol = 2 // no pushes: unread bytes on an idle connection always mean it is out of step
	options.DisableIdentity = true
	options.ContextTimeoutEnabled = true
	options.DialTimeout = dialTime
	options.DialerRetries = 1
	options.ReadTimeout = socketIO
	options.WriteTimeout = socketIO
	options.MaxRetries = 2
	options.PoolSize = 16 * max(2, runtime.GOMAXPROCS(0))
	options.PoolTimeout = roundTrip
	options.ConnMaxIdleTime = 5 * time.Minute // shorter than what firewalls forget
	options.ReadBufferSize = 4 << 10          // our replies are below 200 bytes
	options.WriteBufferSize = 4 << 10
	return options
}
