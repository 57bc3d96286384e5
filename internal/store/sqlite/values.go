package sqlite

import (
	"database/sql"
	"encoding/json"
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

// idOrText keeps a UUID in 16 octets, other text as it is, and an empty string as NULL.
func idOrText(s string) any {
	if id, err := uuid.Parse(s); err == nil && id.String() == s {
		return id[:]
	}
	return orNull(s)
}

// name is a column that idOrText wrote.
type name string

// Scan implements [sql.Scanner].
func (n *name) Scan(value any) error {
	*n = ""
	switch value := value.(type) {
	case string:
		*n = name(value)
	case []byte:
		id, err := uuid.FromBytes(value)
		*n = name(id.String())
		return err
	}
	return nil
}

// blobOrNull keeps no octets as NULL.
func blobOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// texts is a column of a JSON array of texts. An empty array and NULL are nil.
type texts []string

// Scan implements [sql.Scanner].
func (t *texts) Scan(value any) error {
	var encoded sql.NullString
	*t = nil
	if err := encoded.Scan(value); err != nil || !encoded.Valid || encoded.String == "[]" {
		return err
	}
	return json.Unmarshal([]byte(encoded.String), (*[]string)(t))
}

// array is the value of such a column.
func array(texts []string) any {
	if len(texts) == 0 {
		return "[]"
	}
	encoded, _ := json.Marshal(texts) // never fails: they are texts
	return string(encoded)
}

// arrayOrNull keeps an empty array as NULL.
func arrayOrNull(texts []string) any {
	if len(texts) == 0 {
		return nil
	}
	return array(texts)
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

// isID reports whether a string has the form of our ids.
func isID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}
