package sqlite

import (
	"database/sql"
	"time"

	"github.com/google/uuid"
)

// moment is a time column: microseconds since 1970, NULL for the zero time.
type moment struct{ time.Time }

// Scan implements [sql.Scanner].
func (m *moment) Scan(value any) error {
	var micros sql.Null[int64]
	if err := micros.Scan(value); err != nil {
		return err
	}
	m.Time = time.Time{}
	if micros.Valid {
		m.Time = time.UnixMicro(micros.V).UTC()
	}
	return nil
}

// stored is the value of a time column.
func stored(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// orNull keeps an empty string as NULL.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// later is the greater of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// pageSize bounds how many rows a listing gives.
func pageSize(limit int) int { return min(max(limit, 1), 1000) }

// isID tells whether a string has the form of our ids.
func isID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}
