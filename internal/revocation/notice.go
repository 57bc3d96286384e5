package revocation

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
)

// ErrNotice says that a message is not a notice of a replica of this authority.
var ErrNotice = errors.New("not a revocation notice of this authority")

// A notice is version ‖ MAC key id ‖ sent at ‖ (index ‖ revoked at)… ‖ tag, integers big-endian,
// times in microseconds. The first is by the time of the lists, the others are the database's.
const (
	noticeVersion = 1
	noticeDomain  = "mintmark/revocation-notice/v1"
	noticeSent    = 2
	noticeHead    = noticeSent + 8
	noticeRow     = 4 + 8
	noticeTag     = 16
	noticeRows    = 1000 // in one notice
)

// maxHeard bounds what waits to be admitted. What does not fit is found by the next reading.
const maxHeard = 100_000

// publishWithin is how long a revocation waits for its notice to be sent.
const publishWithin = 500 * time.Millisecond

// announced is a session of a notice, and when that was sent: what is young by it is so whatever
// the database's clock said.
type announced struct {
	Revoked
	sent time.Time
}

// notary seals notices, and opens those of this issuer.
type notary struct {
	issuer string
	active byte
	keys   map[byte][]byte // those that are not compromised
}

func newNotary(issuer string, roots secret.Roots) *notary {
	n := &notary{issuer: issuer, keys: make(map[byte][]byte, len(roots))}
	for i, root := range roots {
		if i == 0 {
			n.active = root.ID
		}
		if !root.Compromised {
			n.keys[root.ID] = root.Derive(secret.PurposeRevocationNotice, sha256.Size)
		}
	}
	return n
}

func (n *notary) seal(sent time.Time, rows []Revoked) []byte {
	b := make([]byte, 0, noticeHead+len(rows)*noticeRow+noticeTag)
	b = append(b, noticeVersion, n.active)
	b = binary.BigEndian.AppendUint64(b, uint64(sent.UnixMicro()))
	for _, row := range rows {
		b = binary.BigEndian.AppendUint32(b, uint32(row.Index))
		b = binary.BigEndian.AppendUint64(b, uint64(row.At.UnixMicro()))
	}
	return append(b, n.tag(n.keys[n.active], b)...)
}

// open returns the sessions that a notice reports. ErrNotice.
func (n *notary) open(b []byte) ([]announced, error) {
	body := len(b) - noticeTag
	if body < noticeHead || (body-noticeHead)%noticeRow != 0 || body > noticeHead+noticeRows*noticeRow || b[0] != noticeVersion {
		return nil, ErrNotice
	}
	key, known := n.keys[b[1]]
	if !known || !secret.Equal(b[body:], n.tag(key, b[:body])) {
		return nil, ErrNotice
	}
	rows, sent := make([]announced, 0, (body-noticeHead)/noticeRow), timeIn(b[noticeSent:])
	for row := range slices.Chunk(b[noticeHead:body], noticeRow) {
		rows = append(rows, announced{Revoked{Index: int64(binary.BigEndian.Uint32(row)), At: timeIn(row[4:])}, sent})
	}
	return rows, nil
}

func timeIn(b []byte) time.Time { return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC() }

func (n *notary) tag(key, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(noticeDomain))
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(n.issuer))))
	h.Write([]byte(n.issuer))
	h.Write(body)
	return h.Sum(nil)[:noticeTag]
}

// Announce makes known that sessions were revoked here, which must be committed: their bits
// are set without a reading of the database, here and at the replicas that hear of it. It
// waits for the notice to be sent, half a second at most. now is the database's clock: of a
// session that left its list before, or never had a place in one, there is nothing to make known.
// One that was revoked before is only looked for in the database.
func (l *Lists) Announce(ctx context.Context, now time.Time, ended ...session.Ended) {
	var rows []Revoked // of those that ended now
	sent, due := l.now(), false
	for _, s := range ended {
		if s.StatusIndex == nil || s.Before && now.Sub(s.At) > Window {
			continue
		}
		due = true
		l.expect([]int64{*s.StatusIndex})
		if !s.Before {
			row := Revoked{Index: *s.StatusIndex, At: s.At}
			rows = append(rows, row)
			l.hear(announced{row, sent})
		}
	}
	if due {
		l.Wake()
	}
	if l.Publish == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, publishWithin)
	defer cancel()
	for chunk := range slices.Chunk(rows, noticeRows) {
		if err := l.Publish(ctx, l.notary.seal(sent, chunk)); err != nil {
			l.unheard.Add(1) // the other replicas read it from the database
		}
	}
}

// Hear takes in a message that a replica has published. ErrNotice.
func (l *Lists) Hear(message []byte) error {
	rows, err := l.notary.open(message)
	if err == nil {
		l.hear(rows...)
	}
	return err
}

func (l *Lists) hear(rows ...announced) {
	l.mu.Lock()
	l.heard = append(l.heard, rows[:min(len(rows), maxHeard-len(l.heard))]...)
	l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default: // it was asked already
	}
}

// now is the time of the lists, between readings too.
func (l *Lists) now() time.Time {
	if s := l.snapshot.Load(); s != nil {
		return s.now.Add(time.Since(s.read))
	}
	return time.Now()
}

// Heard is where the owner learns that Admit has something to do.
func (l *Lists) Heard() <-chan struct{} { return l.news }

// Unheard is how many notices could not be sent to the other replicas.
func (l *Lists) Unheard() uint64 { return l.unheard.Load() }

// Admit sets the bits of the sessions that were announced or heard of, and signs their lists.
// It reads no store, so that it works while the database is silent; a list keeps its expiry.
// Before the first Refresh it does nothing.
func (l *Lists) Admit(context.Context) error {
	l.work.Lock()
	defer l.work.Unlock()
	old := l.snapshot.Load()
	if old == nil {
		return nil
	}
	age, now := time.Since(old.read), l.now()
	var waiting []announced
	for _, row := range l.takeHeard() {
		p := page{
			Reading: Reading{Now: row.At.Add(now.Sub(row.sent))}, // by the clock that said At
			time:    now, uptime: time.Since(l.began),
		}
		if !l.admit(row.Revoked, p) {
			waiting = append(waiting, row)
		}
	}
	l.putBack(waiting)
	if len(l.changed) == 0 {
		return nil
	}
	next := *old
	signer, noSigner := l.Signer(old.reliable.Add(age))
	return l.replace(&next, old, signer, noSigner)
}

// putBack keeps what could not be admitted until the next time.
func (l *Lists) putBack(rows []announced) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(rows, l.heard...)[:min(len(rows)+len(l.heard), maxHeard)]
}

func (l *Lists) takeHeard() []announced {
	l.mu.Lock()
	defer l.mu.Unlock()
	heard := l.heard
	l.heard = nil
	return heard
}
