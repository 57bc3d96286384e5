package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// MessagesAtOnce is how many messages are read at a time.
const MessagesAtOnce = 1000

// messagesKey is the stream of what replicas tell each other. It holds about messagesKept, so that a replica that
// starts, or that could not reach Redis, hears what it has missed.
const (
	messagesKey  = "mintmark:revocations"
	messagesKept = 50_000
	messagesWait = time.Second
	messageField = "m"
)

// Publish sends a message to all who read [Store.Published], the sender included. It may get
// lost, and arrive more than once. Anything that can write to Redis can send one, so receivers
// must check where it comes from.
func (s *Store) Publish(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.roundTrip)
	defer cancel()
	err := s.client.XAdd(ctx, &goredis.XAddArgs{
		Stream: messagesKey, MaxLen: messagesKept, Approx: true, Values: []any{messageField, message},
	}).Err()
	if err != nil {
		return fmt.Errorf("publish message: %w", err)
	}
	return nil
}

// Published returns the messages after a position, of which "" is the beginning, and the
// position of the last. Behind a position it waits for one, for a second at most.
func (s *Store) Published(ctx context.Context, after string) (messages [][]byte, last string, err error) {
	ctx, cancel := context.WithTimeout(ctx, messagesWait+s.roundTrip)
	defer cancel()
	asked := &goredis.XReadArgs{Streams: []string{messagesKey, after}, Count: MessagesAtOnce, Block: messagesWait}
	if after == "" {
		asked.Streams[1], asked.Block = "0-0", -1 // no wait
	}
	streams, err := s.client.XRead(ctx, asked).Result()
	if errors.Is(err, goredis.Nil) {
		return s.nothingPublished(ctx, after)
	}
	if err != nil {
		return nil, after, fmt.Errorf("read messages: %w", err)
	}
	last = after
	for _, stream := range streams {
		for _, entry := range stream.Messages {
			last = entry.ID
			if text, ok := entry.Values[messageField].(string); ok {
				messages = append(messages, []byte(text))
			}
		}
	}
	return messages, last, nil
}

// nothingPublished makes sure that the position is one of this stream: after a flush, or at
// a promoted Redis whose clock is behind, new messages have positions before it.
func (s *Store) nothingPublished(ctx context.Context, after string) (messages [][]byte, last string, err error) {
	newest, err := s.client.XRevRangeN(ctx, messagesKey, "+", "-", 1).Result()
	if err != nil {
		return nil, after, fmt.Errorf("read messages: %w", err)
	}
	if len(newest) == 0 || newest[0].ID != after {
		return nil, "", nil
	}
	return nil, after, nil
}
