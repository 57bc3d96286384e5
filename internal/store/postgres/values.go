package postgres

import (
	"time"

	"github.com/google/uuid"
)

// when reads a nullable time column: NULL is the zero time.
func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// stored is the value of a nullable time column.
func stored(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// orNull keeps an empty string as NULL.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// pageSize bounds how many rows a listing gives.
func pageSize(limit int) int { return min(max(limit, 1), 1000) }

// isID reports whether a string has the form of our ids; Postgres would refuse
// another with an error, where it is just no id that we know.
func isID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}
