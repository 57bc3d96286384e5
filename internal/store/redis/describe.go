package redis

import (
	"context"
	"strings"
)

// oldestServer is the oldest major version that the tests run on. Valkey calls itself Redis 7.2.
const oldestServer = 7

// Description is what a Redis says of itself. Every field may be empty: hosted services hide some.
type Description struct {
	Version string // of Redis; Valkey gives that of the Redis that it is compatible with
	// EvictionPolicy is maxmemory-policy. Anything but noeviction may throw away the state of live sessions; no one is
	// logged out by it, but a stolen token is noticed later.
	EvictionPolicy string
	AppendOnly     string // "1" if it writes every change to disk, "0" if not
}

// Describe asks Redis for what it says of itself, within two seconds. It reads INFO, because hosted services refuse
// CONFIG; in a Cluster it asks one node.
func (s *Store) Describe(ctx context.Context) Description {
	ctx, cancel := context.WithTimeout(ctx, s.roundTrip)
	defer cancel()
	report, err := s.client.Info(ctx).Result()
	if err != nil {
		return Description{}
	}
	said := make(map[string]string)
	for line := range strings.Lines(report) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		said[name] = value
	}
	return Description{Version: said["redis_version"], EvictionPolicy: said["maxmemory_policy"], AppendOnly: said["aof_enabled"]}
}
