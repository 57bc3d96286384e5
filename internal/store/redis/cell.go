package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	maxTries   = 250              // lost races before an update gives up; in a crowd that writes once each, one loses fewer than it counts
	updateTime = 10 * time.Second // and how long it may take in all: a refresh is abandoned then
)

// errDesync says that Redis answered about another key than the one asked for: the connection
// is out of step, and the answer may belong to another caller. Unread data on such a
// connection makes the pool drop it.
var errDesync = errors.New("answer of Redis is for another request")

// errContended says that others won the race for a cell too often.
var errContended = errors.New("cell is contended")

// Both scripts answer {key, won, seconds, microseconds, value}. A missing value
// reads as the empty string, which is never stored. Redis 5 and later replicate
// effects, so TIME may stand before a write.
var (
	loadScript = goredis.NewScript(`
local now = redis.call('TIME')
return {KEYS[1], 0, now[1], now[2], redis.call('GET', KEYS[1]) or ''}`)

	// A stored value equal to the new one counts as won: the client sent it
	// twice because the first answer was lost.
	swapScript = goredis.NewScript(`
local stored = redis.call('GET', KEYS[1]) or ''
local won = 0
if stored == ARGV[1] or stored == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  won = 1
end
local now = redis.call('TIME')
return {KEYS[1], won, now[1], now[2], stored}`)
)

// cell is one answer of either script.
type cell struct {
	won   bool
	now   time.Time
	value string // as stored: payload, mark, nonce, note
}

// content is what a caller keeps in a cell. Binaries from before there were notes read the
// payload, and drop the note when they write.
type content struct {
	payload string
	note    string // has no mark
}

// write is what is to become of a cell; a zero keep means: nothing.
type write struct {
	content
	keep time.Duration
}

// update reads the cell, asks decide what is to become of it, and swaps it in if
// the cell is still the one read; else it asks again about the stored one. That
// is one round trip when nothing is to be written, two else, one more for every
// lost race. Every write bears a nonce, so that two writers whose payloads happen
// to be equal don't both believe that they won.
func (s *Store) update(ctx context.Context, key string, decide func(stored content, now time.Time) write) error {
	ctx, cancel := context.WithTimeout(ctx, s.updateTime)
	defer cancel()
	stored, err := s.run(ctx, loadScript, key)
	if err != nil {
		return err
	}
	for range maxTries {
		next := decide(contentOf(stored.value), stored.now)
		if next.keep <= 0 {
			return nil
		}
		stored, err = s.run(ctx, swapScript, key, stored.value, next.value(), milliseconds(next.keep))
		if err != nil {
			return err
		}
		if stored.won {
			return nil
		}
	}
	return errContended
}

// nonceMark parts the payload from the nonce, which is nonceSize characters long: 40 bits,
// as it only has to differ among those who race for one value.
const (
	nonceMark = "#"
	nonceSize = 8
)

// contentOf cuts the nonce out of a stored value. A payload may hold any octets, a nonce and
// a note hold no mark.
func contentOf(value string) content {
	end := strings.LastIndex(value, nonceMark)
	if end < 0 {
		return content{payload: value}
	}
	behind := value[end+len(nonceMark):]
	return content{payload: value[:end], note: behind[min(nonceSize, len(behind)):]}
}

// value is the content as it is stored, with a new nonce.
func (c content) value() string { return c.payload + nonceMark + rand.Text()[:nonceSize] + c.note }

// milliseconds rounds up, so that a cell is never forgotten early; Redis refuses zero.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// run calls a script on one key, bounded in time, and reads its answer.
func (s *Store) run(ctx context.Context, script *goredis.Script, key string, args ...any) (cell, error) {
	if err := ctx.Err(); err != nil {
		return cell{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.roundTrip)
	defer cancel()
	answer, err := script.Run(ctx, s.client, []string{key}, args...).Slice()
	if err != nil {
		return cell{}, err
	}
	return readCell(key, answer)
}

func readCell(key string, answer []any) (cell, error) {
	if len(answer) != 5 || answer[0] != key {
		return cell{}, errDesync
	}
	won, ok := answer[1].(int64)
	value, isText := answer[4].(string)
	if !ok || !isText {
		return cell{}, errDesync
	}
	seconds, err := readInteger(answer[2])
	if err != nil {
		return cell{}, fmt.Errorf("read Redis's clock: %w", err)
	}
	micros, err := readInteger(answer[3])
	if err != nil {
		return cell{}, fmt.Errorf("read Redis's clock: %w", err)
	}
	return cell{won: won == 1, now: time.Unix(seconds, micros*int64(time.Microsecond)).UTC(), value: value}, nil
}

func readInteger(v any) (int64, error) {
	text, ok := v.(string)
	if !ok {
		return 0, errDesync
	}
	return strconv.ParseInt(text, 10, 64)
}
