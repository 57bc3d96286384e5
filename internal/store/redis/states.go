package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/session"
)

var _ session.States = (*Store)(nil)

// UpdateState implements [session.States]. The key is `s:` and the session's id,
// the value reads `cur prev rotated_ms skips#nonce redis_ms database_ms`: the stamps stand
// where binaries that don't know them don't look, and may be missing.
//
// A value that UpdateState did not write is treated as missing, and replaced: an error
// would end the session for good, while the rules take a missing state safely,
// because the checkpoint of the durable row bounds what they let through.
func (s *Store) UpdateState(ctx context.Context, sessionID string, keep time.Duration, decide session.Decider) error {
	id, err := uuid.Parse(sessionID)
	if err != nil {
		return fmt.Errorf("update state of session: %q is not a session id", sessionID)
	}
	err = s.update(ctx, "s:"+id.String(), func(stored content, now time.Time) write {
		next, store := decide(parseState(stored), clock.Clocks{Redis: now})
		if !store {
			return write{}
		}
		return write{formatState(next), max(keep, time.Millisecond)}
	})
	if errors.Is(err, errContended) {
		err = session.ErrContended
	}
	if err != nil {
		return fmt.Errorf("update state of session %s: %w", id, err)
	}
	return nil
}

// formatState pads the numbers, so that a session takes the same memory for life.
func formatState(s session.State) content {
	return content{
		payload: fmt.Sprintf("%010d %010d %013d %d", s.Cur, s.Prev, s.RotatedAt.UnixMilli(), s.Skips),
		note:    formatStamps(s.Stamps),
	}
}

// stampsSize is how long stamps are, until the year 2286.
const stampsSize = len(" 1795000000000 1795000000000")

func formatStamps(stamps clock.Clocks) string {
	if stamps == (clock.Clocks{}) {
		return ""
	}
	return fmt.Sprintf(" %013d %013d", stamps.Redis.UnixMilli(), stamps.Database.UnixMilli())
}

// parseStamps reads what formatStamps wrote. Everything else counts as no stamps.
func parseStamps(note string) clock.Clocks {
	fields := strings.Split(note, " ")
	if len(note) != stampsSize || len(fields) != 3 {
		return clock.Clocks{}
	}
	redis, _ := strconv.ParseInt(fields[1], 10, 64) // an error shows below
	database, _ := strconv.ParseInt(fields[2], 10, 64)
	stamps := clock.Clocks{Redis: time.UnixMilli(redis).UTC(), Database: time.UnixMilli(database).UTC()}
	if formatStamps(stamps) != note { // no numbers, other widths
		return clock.Clocks{}
	}
	return stamps
}

// parseState reads what formatState wrote, and nothing else.
func parseState(stored content) session.State {
	fields := strings.Split(stored.payload, " ")
	if len(fields) != 4 {
		return session.State{}
	}
	cur, _ := strconv.ParseUint(fields[0], 10, 32) // an error shows below
	prev, _ := strconv.ParseUint(fields[1], 10, 32)
	rotated, _ := strconv.ParseInt(fields[2], 10, 64)
	skips, _ := strconv.ParseUint(fields[3], 10, 8)
	state := session.State{
		Cur:       uint32(cur),
		Prev:      uint32(prev),
		RotatedAt: time.UnixMilli(rotated).UTC(),
		Skips:     uint8(skips),
	}
	if formatState(state).payload != stored.payload { // no numbers, too large, other widths, signs
		return session.State{}
	}
	state.Stamps = parseStamps(stored.note)
	return state.OrMissing()
}
