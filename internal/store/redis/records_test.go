package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/grant"
	"github.com/mintmark-auth/mintmark/internal/store/storetest"
	"github.com/mintmark-auth/mintmark/internal/testserver"
)

func TestRecordsKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.Records(t, func(tb testing.TB) grant.Store { return open(tb, testserver.Redis(tb)) })
}

func TestRedisForgetsARecordWhenTheLastWriteSaid(t *testing.T) {
	t.Parallel()
	url := testserver.Redis(t)
	store, raw := open(t, url), rawClient(t, url)
	key := grant.KeyOf(grant.Code, t.Name())
	for _, keep := range []time.Duration{time.Hour, 10 * time.Minute, 3 * time.Hour, 0} {
		err := store.UpdateRecord(t.Context(), key, func([]byte, time.Time) ([]byte, time.Duration) { return []byte("value"), keep })
		if err != nil {
			t.Fatal(err)
		}
		if keep == 0 {
			keep = 3 * time.Hour // nothing was written
		}
		left, err := raw.PTTL(t.Context(), string(key)).Result()
		if err != nil || left > keep || left < keep-time.Minute {
			t.Errorf("Redis keeps the record for %s, %v; want %s", left, err, keep)
		}
	}
}

func TestAFullRedisRefusesARecordAsFull(t *testing.T) {
	t.Parallel()
	url := "redis://" + testserver.StartRedis(t).Addr()
	store, raw := open(t, url), rawClient(t, url)
	key := grant.KeyOf(grant.Code, t.Name())
	put := func() error {
		return store.UpdateRecord(t.Context(), key, func([]byte, time.Time) ([]byte, time.Duration) { return []byte("value"), time.Hour })
	}
	if err := put(); err != nil { // the scripts are known from here on
		t.Fatal(err)
	}
	if err := raw.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := put(); !errors.Is(err, grant.ErrFull) {
		t.Errorf("error = %v, want %v", err, grant.ErrFull)
	}
}
