// Package revocation publishes which sessions were revoked, as Token Status Lists (draft-ietf-oauth-status-list): a
// session has an index, its access tokens name the index and its list, and a signed bit at the index says that the
// session was revoked.
//
// It protects three invariants: a confirmed revocation reaches every follower of the lists within seconds; it is never
// taken back while an access token of the session is valid; and an outage of the authority causes no refusal of tokens
// of other sessions. Lists are derived only from the durable store, so that replicas that read the same rows make the
// same bytes, and Redis may lose data without effect. Their time is the median of the clocks, so that no single clock
// that is wrong hides a revocation. record.go (what was read, and what to read next),
// window.go (when a list changes) and version.go (which of two is newer) are pure.
//
// A list is signed when it changes, not when it is requested: serving and waiting cost no signature and no database
// query.
package revocation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/oauth"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/token"
)

var (
	// ErrUnknown says that there is no such list.
	ErrUnknown = errors.New("no such status list")
	// ErrStale says that the revoked sessions were not read in time to answer.
	ErrStale = errors.New("status lists are not up to date")
)

// Config is what the lists are made from. Everything but Clocks and Publish is required.
type Config struct {
	Issuer    string
	AccessTTL time.Duration
	Store     Store
	Signer    func(now time.Time) (*token.Signer, error) // of the reliable time
	// Clocks says what the clocks say now, given what the database's has just said. Nil: there
	// is no other.
	Clocks func(database time.Time) clock.Clocks
	// Publish sends a notice to the other replicas, who Hear it. Nil: there are none.
	Publish func(ctx context.Context, notice []byte) error
	Roots   secret.Roots // of which the key of the notices is derived
	// KeySet names the key set that is published now, in every list, so that who follows a list knows when to read
	// the keys. Nil, or an empty name: the lists name none.
	KeySet func() string
	// KeysChanged is told, by Refresh, that the stored signing keys are others than at the reading before. It must not
	// block. Nil: nobody is told.
	KeysChanged func()
}

// Lists is the live view of the lists. Refresh replaces the snapshot; readers never
// wait for it.
type Lists struct {
	Config
	began    time.Time // by this process's clock
	snapshot atomic.Pointer[snapshot]
	notary   *notary
	unheard  atomic.Uint64
	wake     chan struct{} // asks for Refresh
	news     chan struct{} // asks for Admit
	stop     func()
	stopped  chan struct{}

	mu       sync.Mutex
	expected []int64     // indexes of sessions that were revoked here; guarded by mu
	heard    []announced // sessions that Admit has not seen yet; guarded by mu

	keysRead      string        // the state of the signing keys at the last reading; Refresh's own
	databaseSaid  time.Time     // at the last page; Refresh's own
	databaseAhead time.Duration // how far the database's clock is ahead of the lists' time, at least; Refresh's own

	work   sync.Mutex // held while the record and the snapshot change
	record            // guarded by work; its walk is Refresh's own
}

// snapshot is immutable once stored.
type snapshot struct {
	lists    []*list       // nil: could not be signed yet
	overdue  map[int]bool  // those that should be others, but could not be signed
	now      time.Time     // the median of the clocks at the reading; never goes back by less than an epoch
	reliable time.Time     // the clocks' reliable time at the reading
	lead     time.Duration // how far that is ahead of what they said
	read     time.Time     // this process's clock before it, for the age alone
	revoked  int
}

// list is one signed list, immutable.
type list struct {
	List
	version
	n        int
	kid      string
	keySet   string
	indexes  []int64 // whose bits are set, in order
	issued   time.Time
	comes    time.Time     // when the first of the revocations comes that are ahead of the clocks; zero: none is
	replaced chan struct{} // closed when there is another
}

// List is a list as it is served.
type List struct {
	Token  string // a JWT of the type statuslist+jwt
	ETag   string // strong, quoted
	Expiry time.Time
}

// New returns lists that know nothing yet.
func New(config Config) *Lists {
	if config.Clocks == nil {
		config.Clocks = func(database time.Time) clock.Clocks { return clock.Clocks{Database: database} }
	}
	if config.KeySet == nil {
		config.KeySet = func() string { return "" }
	}
	if config.KeysChanged == nil {
		config.KeysChanged = func() {}
	}
	stopped := make(chan struct{})
	return &Lists{
		Config: config, began: time.Now(), notary: newNotary(config.Issuer, config.Roots), record: newRecord(),
		wake: make(chan struct{}, 1), news: make(chan struct{}, 1),
		stopped: stopped, stop: sync.OnceFunc(func() { close(stopped) }),
	}
}

// Reference is what the access tokens of a session carry to be found in its list; nil
// for a session without an index.
func (l *Lists) Reference(index *int64) *token.Status {
	if index == nil {
		return nil
	}
	return &token.Status{Index: *index % session.StatusListSize, URI: l.uri(int(*index / session.StatusListSize))}
}

func (l *Lists) uri(n int) string { return l.Issuer + oauth.StatusListsPath + "/" + strconv.Itoa(n) }

// URIs names every list there is. ErrStale.
func (l *Lists) URIs() ([]string, error) {
	s := l.snapshot.Load()
	if s == nil {
		return nil, ErrStale
	}
	uris := make([]string, len(s.lists))
	for n := range uris {
		uris[n] = l.uri(n)
	}
	return uris, nil
}

// Wake asks the owner to Refresh soon: sessions were revoked here, those that hold
// these indexes among them. A revocation may be older than it is visible; the reading
// goes on until it has found them.
func (l *Lists) Wake(indexes ...int64) {
	l.expect(indexes)
	select {
	case l.wake <- struct{}{}:
	default: // it was asked already
	}
}

func (l *Lists) expect(indexes []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected = append(l.expected, indexes...)
}

// Woken is where the owner hears of Wake.
func (l *Lists) Woken() <-chan struct{} { return l.wake }

// Stop ends every wait, now and later.
func (l *Lists) Stop() { l.stop() }

// Newer returns list n unless the caller has it, or a newer one. Then it waits until
// there is another list or the time is over, and false comes with the tag that the
// caller may keep. ErrUnknown, ErrStale.
func (l *Lists) Newer(ctx context.Context, n int, held Held, wait time.Duration) (List, bool, error) {
	until := time.Now().Add(wait)
	for {
		s := l.snapshot.Load()
		if s == nil {
			return List{}, false, ErrStale
		}
		if n < 0 || n >= len(s.lists) {
			return List{}, false, ErrUnknown
		}
		found, age := s.lists[n], time.Since(s.read)
		if found == nil || !s.now.Add(age).Before(found.Expiry) {
			return List{}, false, ErrStale
		}
		tag, has := found.heldAs(held, s.now.Add(age))
		if !has {
			return found.List, true, nil
		}
		if age > MaxAge || s.overdue[n] { // it may have changed
			return List{}, false, ErrStale
		}
		left := time.Until(until)
		if left <= 0 || l.isStopped() {
			return List{ETag: tag}, false, nil
		}
		if err := l.await(ctx, found, min(left, MaxAge-age+time.Millisecond)); err != nil {
			return List{}, false, err
		}
	}
}

// await returns when the list is replaced, the time is over or the lists are stopped.
func (l *Lists) await(ctx context.Context, replaced *list, atMost time.Duration) error {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-replaced.replaced:
	case <-timer.C:
	case <-l.stopped:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (l *Lists) isStopped() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

// heldAs finds the tag by which a caller has this list or a newer one: another replica
// may be ahead, and what it revoked must not come back to life here.
func (x *list) heldAs(held Held, now time.Time) (string, bool) {
	if held.any {
		return x.ETag, true
	}
	for _, v := range held.versions {
		if v.epoch == x.epoch && v.digest == x.digest || v.follows(x.version, x.n, now) || x.lacks(v) {
			return v.tag(), true
		}
	}
	return "", false
}

// lacks reports whether a version of the same epoch holds a session that the list does not: its
// replica heard of it, and this one has neither heard nor read it yet.
func (x *list) lacks(v version) bool {
	indexes, _ := readUnread(v.unread)
	return v.epoch == x.epoch && slices.ContainsFunc(indexes, func(i int64) bool {
		_, found := slices.BinarySearch(x.indexes, i)
		return !found
	})
}

// Revoked is how many sessions are in the lists.
func (l *Lists) Revoked() int {
	if s := l.snapshot.Load(); s != nil {
		return s.revoked
	}
	return 0
}

// Age is how long ago the revoked sessions were read.
func (l *Lists) Age() time.Duration {
	if s := l.snapshot.Load(); s != nil {
		return time.Since(s.read)
	}
	return 0
}

// Lead is how far the time of the lists is ahead of the median of the clocks: more than
// nothing after that went back.
func (l *Lists) Lead() time.Duration {
	if s := l.snapshot.Load(); s != nil {
		return s.lead
	}
	return 0
}

// Refresh reads what was revoked and signs the lists that it changes, or whose epoch
// or key is over. When it returns an error the lists concerned stay as they were, and
// the next Refresh goes on where this one ended. One goroutine calls it; another may call
// [Lists.Admit] meanwhile.
func (l *Lists) Refresh(ctx context.Context) error {
	next := &snapshot{read: time.Now()}
	clocks, err := l.readRevoked(ctx)
	if err != nil {
		return err
	}
	signer, noSigner := l.Signer(clocks.Reliable())
	l.work.Lock()
	defer l.work.Unlock()
	old := l.snapshot.Load()
	if old == nil {
		old = &snapshot{}
	}
	next.now, next.reliable = l.timeAt(clocks.Median()), clocks.Reliable()
	next.lead = next.now.Sub(clocks.Median())
	return l.replace(next, old, signer, noSigner)
}

// replace makes the next snapshot the current one, with its lists.
func (l *Lists) replace(next, old *snapshot, signer *token.Signer, noSigner error) error {
	replaced, err := l.renew(next, old, signer, noSigner)
	next.revoked = 0
	for _, revoked := range l.revoked {
		next.revoked += len(revoked)
	}
	l.snapshot.Store(next)
	for _, x := range replaced {
		close(x.replaced)
	}
	return err
}

// renew fills the snapshot with the old lists, and new ones where these are due; it
// returns the old ones that are replaced.
func (l *Lists) renew(next, old *snapshot, signer *token.Signer, noSigner error) (replaced []*list, err error) {
	next.lists, next.overdue = make([]*list, len(l.revoked)), make(map[int]bool)
	copy(next.lists, old.lists)
	keySet := l.KeySet()
	for n, before := range next.lists {
		if before != nil && !l.changed[n] && before.isOf(next.now) && (noSigner != nil || before.isBy(signer.KID(), keySet)) {
			continue
		}
		if before == nil || before.epoch != epochOf(n, next.now) {
			l.forget(n, epochOf(n, next.now), time.Since(l.began))
		}
		fresh, signErr := l.sign(n, next.now, before, by{signer, noSigner, keySet})
		if signErr != nil {
			next.overdue[n], err = true, errors.Join(err, signErr)
			continue
		}
		next.lists[n] = fresh
		delete(l.changed, n)
		if before != nil && fresh.replaced != before.replaced {
			replaced = append(replaced, before)
		}
	}
	return replaced, err
}

// isOf reports whether the list would be the same if it were signed again at a time.
func (x *list) isOf(now time.Time) bool {
	return x.epoch == epochOf(x.n, now) && (x.comes.IsZero() || isAhead(x.comes, now))
}

// isBy reports whether the list is signed by this key, and names this key set.
func (x *list) isBy(kid, keySet string) bool { return x.kid == kid && x.keySet == keySet }

// by is what a list is signed with.
type by struct {
	*token.Signer
	err    error // why there is no signer, or nil
	keySet string
}

// sign makes list n as of now. Everything in it follows from what was revoked, the
// epoch and the keys, so that every replica signs the same bytes. before is the list that
// it replaces, or nil.
func (l *Lists) sign(n int, now time.Time, before *list, signer by) (_ *list, err error) {
	if signer.err != nil {
		return nil, fmt.Errorf("find signing key of status list: %w", signer.err)
	}
	epoch := epochOf(n, now)
	begin := beginOf(n, epoch)
	expiry := begin.Add(l.AccessTTL + 2*Epoch).Truncate(time.Second)
	indexes, latest, comes := l.set(n, now)
	issued := issuedAt(begin, latest, now, before)
	v := version{epoch, len(indexes) - len(l.unread[n]), digestOf(signer.KID(), signer.keySet, issued, expiry, indexes), spellUnread(l.unread[n])}
	fresh := &list{
		List: List{ETag: v.tag(), Expiry: expiry}, version: v,
		n: n, kid: signer.KID(), keySet: signer.keySet, indexes: indexes, issued: issued, comes: comes, replaced: make(chan struct{}),
	}
	if before != nil && before.epoch == epoch && before.digest == v.digest { // what was heard of was read
		fresh.Token, fresh.replaced = before.Token, before.replaced
		return fresh, nil
	}
	fresh.Token, err = signer.SignStatusList(token.StatusList{
		URI: l.uri(n), IssuedAt: issued, Expiry: expiry, TTL: TTL, KeySet: signer.keySet, Compressed: compress(indexes),
	})
	if err != nil {
		return nil, fmt.Errorf("sign status list %d: %w", n, err)
	}
	return fresh, nil
}
