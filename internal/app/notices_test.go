package app_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mintmark-auth/mintmark/internal/testserver"
)

// TestAReplicaStartsWhileSessionsEndAllTheTime: each end is published, so there is always one more to hear of.
func TestAReplicaStartsWhileSessionsEndAllTheTime(t *testing.T) {
	t.Parallel()
	server := testserver.StartRedis(t)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer client.Close()
	settings := production(migrated(t), server.URL())

	ctx, started := context.WithCancel(t.Context())
	var publisher sync.WaitGroup
	often := time.NewTicker(20 * time.Millisecond) // well below what a reader waits for
	defer often.Stop()
	publisher.Go(func() {
		for ctx.Err() == nil {
			client.XAdd(ctx, &redis.XAddArgs{Stream: "mintmark:revocations", Values: []any{"m", "x"}})
			<-often.C
		}
	})
	log, err := start(t, settings...)
	started()
	publisher.Wait()
	if err != nil || strings.Contains(log, "can't be heard") {
		t.Errorf("%v; it logged %s", err, log)
	}
}
