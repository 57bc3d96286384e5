// Package app builds the authority from a Config, and starts and stops its parts in the right order. It is the only
// package that knows every store. It contains no rules.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/mintmark-auth/mintmark/internal/audit"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/telemetry"
	"github.com/mintmark-auth/mintmark/internal/user"
	"github.com/mintmark-auth/mintmark/internal/version"
)

// ErrListen says that a listener could not be opened.
var ErrListen = errors.New("can't listen")

// hashWait is how long a login may wait for its turn to hash.
const hashWait = 2 * time.Second

// App is a built authority with its listeners open.
type App struct {
	cfg         config.Config
	log         *slog.Logger
	dir         *dataDir // nil in production
	store       durable
	trouble     func() error // why the database takes no writes; nil where that can't be
	ephemeral   *ephemeral
	keys        *keyring.Keyring
	clients     *client.Directory
	names       *user.Filler
	alike       int // names that looked like others when they were last compared; of the task that compares them
	lists       *revocation.Lists
	checkpoints *session.Checkpoints
	events      *audit.Queue
	sweeps      []*sweep
	api         *httpapi.Server
	metrics     *telemetry.Metrics
	tracing     *telemetry.Tracing // nil unless OTEL_* names an endpoint
	public      net.Listener
	operations  net.Listener
	ready       readiness

	dependencies []*dependency // the stores that requests need
	deaf         atomic.Bool   // no notice of a change comes from elsewhere; of every heed
	keysChanged  chan struct{} // asks for tendKeys
	clocks       *clock.Watch
	clocksApart  chan struct{}  // asks for readClocks: they disagreed a moment ago
	wrongClock   string         // the clock that was logged to be wrong, ""; of the task that reads them
	closers      []func() error // in the order of opening

	noticesHeard string // the position of the last notice that was heard; of the task that hears them
	noticeForged bool   // a message was no notice, and that was logged; likewise
}

// Open builds everything and opens the listeners; [App.Run] serves. On an error
// whatever was opened is closed again. ErrListen, ErrDataDir, ErrDataDirInUse,
// ErrRootSecret, ErrUnavailable, keyring.ErrUnsealable and the errors of db.Check.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (*App, error) {
	a := newApp(cfg, log)
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func newApp(cfg config.Config, log *slog.Logger) *App {
	return &App{cfg: cfg, log: log, clocks: clock.NewWatch(nil), clocksApart: make(chan struct{}, 1), keysChanged: make(chan struct{}, 1)}
}

func (a *App) open(ctx context.Context) error {
	roots, err := a.openGround(ctx)
	if err != nil {
		return err
	}
	for range 2 { // what needs clocks that agree need not wait
		if err := a.readClocks(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	a.keys = keyring.New(a.store, keyring.NewSealer(a.cfg.Issuer, roots), keyPolicy(a.cfg), a.clocks)
	if err := a.startKeys(ctx); err != nil {
		return err
	}
	if a.dir != nil { // the keys open under this issuer: it is the right one
		if err := a.dir.rememberIssuer(a.cfg.Issuer); err != nil {
			return err
		}
	}
	a.names = user.NewFiller(a.store)
	a.clients = client.NewDirectory(a.store)
	if err := a.clients.Refresh(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.lists = revocation.New(revocation.Config{
		Issuer: a.cfg.Issuer, AccessTTL: a.cfg.AccessTokenTTL, Store: a.store, Signer: a.keys.Signer, Clocks: a.clocks.At,
		Publish: a.ephemeral.publish, Roots: roots, KeySet: a.keySet, KeysChanged: a.rereadKeys,
	})
	if err := a.readLists(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := a.recallRevocations(ctx); err != nil {
		return err
	}
	a.checkpoints = session.NewCheckpoints(a.store)
	a.events = audit.NewQueue(a.store)
	a.sweeps = a.newSweeps()
	return a.buildAPI(roots)
}

// openGround opens the listeners and the stores, and gives the root secrets. In embedded mode the listeners come first:
// a port in use is reported before anything is touched, and an issuer may depend on the port that the system chose. A
// replica that waits for its stores must not accept connections that it leaves unanswered.
func (a *App) openGround(ctx context.Context) (secret.Roots, error) {
	if err := a.startTracing(ctx); err != nil {
		return nil, err
	}
	if a.cfg.Mode() != config.Embedded {
		if err := a.openProductionStores(ctx); err != nil {
			return nil, err
		}
		return a.cfg.RootSecret, a.listenAsReplica(ctx)
	}
	if err := a.listen(ctx); err != nil {
		return nil, err
	}
	roots, err := a.prepareDataDir(ctx)
	if err != nil {
		return nil, err
	}
	return roots, a.openEmbeddedStores(ctx)
}

// startKeys reads the keys. A database that holds none gets the first by clocks that agree: a
// wrong one is a dependency that is missing.
func (a *App) startKeys(ctx context.Context) error {
	err := a.keys.Start(ctx)
	if errors.Is(err, keyring.ErrClocks) {
		return fmt.Errorf("%w: make the first signing key: %w", ErrUnavailable, err)
	}
	return err
}

// readLists reads what was revoked. After a mass revocation that may take long: then the start
// goes on, and requests for a list get 503 with Retry-After.
func (a *App) readLists(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	err := a.lists.Refresh(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		a.log.Warn("status lists are not there yet; this replica still reads the revoked sessions", "err", err)
		return nil
	}
	return err
}

// listen opens both listeners.
func (a *App) listen(ctx context.Context) error {
	var err error
	if a.public, err = listen(ctx, "MINTMARK_HTTP_ADDR", a.cfg.HTTPAddr); err != nil {
		return err
	}
	a.closers = append(a.closers, a.public.Close)
	if a.operations, err = listen(ctx, "MINTMARK_OPS_ADDR", a.cfg.OpsAddr); err != nil {
		return err
	}
	a.closers = append(a.closers, a.operations.Close)
	a.cfg = a.cfg.WithListenAddress(a.public.Addr().String())
	return nil
}

// listenAsReplica warns of an issuer that follows the port.
func (a *App) listenAsReplica(ctx context.Context) error {
	if err := a.listen(ctx); err != nil {
		return err
	}
	if a.cfg.IssuerDerived() {
		a.log.Warn("the issuer follows the port of this process; set MINTMARK_ISSUER to the same value on every replica", "issuer", a.cfg.Issuer)
	}
	return nil
}

func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w on %s: %w; %s", ErrListen, addr, reason(err), advice(variable, err))
	}
	return l, nil
}

// advice says how to mend an address that can't be listened on.
func advice(variable string, err error) string {
	switch {
	case errors.Is(err, addressInUse):
		return "stop what uses it, or set " + variable + " to another address"
	case errors.Is(err, addressElsewhere):
		return "no interface of this machine has that address; set " + variable + " to one that it has"
	case errors.Is(err, portForbidden):
		return portAdvice + ", or set " + variable + " to a higher port"
	default:
		return "set " + variable + " to an address of this machine"
	}
}

// reason strips what a network error repeats of the address.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// prepareDataDir claims the data directory, brings its database up to date, and gives the root secrets.
func (a *App) prepareDataDir(ctx context.Context) (secret.Roots, error) {
	dir, err := claimDataDir(a.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, dir.release)
	if dir.warning != "" {
		a.log.Warn("the data directory is open to a group", "found", dir.warning)
	}
	if err := dir.refuseLost(); err != nil {
		return nil, err
	}
	roots := a.cfg.RootSecret
	if len(roots) == 0 {
		if roots, err = dir.ensureRootSecret(); err != nil {
			return nil, err
		}
	}
	if err := a.goOnAsBefore(dir); err != nil {
		return nil, err
	}
	schema, err := Schema(a.cfg)
	if err != nil {
		return nil, err
	}
	schema.Tell = func(line string) { a.log.Warn("migrations go on", "found", line) }
	return roots, schema.Up(ctx)
}

// goOnAsBefore keeps the issuer that the data directory was first served under, unless another
// one was set: a changed port must log nobody out.
func (a *App) goOnAsBefore(dir *dataDir) error {
	a.dir = dir
	cfg, err := InForce(a.cfg)
	if err != nil {
		return err
	}
	derived := a.cfg.Issuer
	a.cfg = cfg
	if cfg.Issuer != derived {
		a.log.Warn("the issuer is that of the data directory; to change it, set MINTMARK_ISSUER or use a new data directory",
			"issuer", a.cfg.Issuer, "listening", a.public.Addr().String())
	}
	return nil
}

func (a *App) startTracing(ctx context.Context) error {
	if !a.cfg.Tracing {
		return nil
	}
	var err error
	if a.tracing, err = telemetry.StartTracing(ctx, version.String()); err != nil {
		return err
	}
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := a.tracing.Stop(ctx); err != nil { // a collector that is down must not fail the shutdown
			a.log.Warn("stop tracing", "err", err)
		}
		return nil
	})
	return nil
}

// openEmbeddedStores opens SQLite, whose rows hold the rotation states too.
func (a *App) openEmbeddedStores(ctx context.Context) error {
	if err := a.checkSchema(ctx); err != nil {
		return err
	}
	store, err := openSQLite(ctx, a.cfg)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, store.Close)
	a.store = store
	a.dependencies = append(a.dependencies, &dependency{name: "sqlite", ping: store.Ping})
	a.ephemeral = &ephemeral{states: store, limits: memory.NewLimits(time.Now, maxLocalLimits)}
	return nil
}

// openProductionStores waits for stores that are not up yet, and for nothing else.
func (a *App) openProductionStores(ctx context.Context) error {
	start := newStartup(a.cfg.StartupWait, func(line string) { a.log.Warn(line) })
	if err := start.reach(ctx, "Postgres", a.openPostgres); err != nil {
		return err
	}
	return start.reach(ctx, "Redis", a.openRedis)
}

func (a *App) openPostgres(ctx context.Context) error {
	if err := a.checkSchema(ctx); err != nil {
		return err
	}
	store, err := openPostgres(ctx, a.cfg, a.tracing)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, store.Close)
	a.store, a.trouble = store, store.Trouble
	a.dependencies = append(a.dependencies, &dependency{name: "postgres", ping: store.Ping})
	return nil
}

func (a *App) openRedis(ctx context.Context) error {
	store, err := openRedis(ctx, a.cfg, a.tracing)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, store.Close)
	a.dependencies = append(a.dependencies, &dependency{name: "redis", ping: store.Ping})
	a.ephemeral = &ephemeral{states: store, limits: store, clock: store.Now, publish: store.Publish, published: store.Published}
	if found := eviction(store.Describe(ctx)); found.Err != nil {
		a.log.Warn(found.What)
	}
	return nil
}

// Info is what a newcomer wants to know of a started authority.
type Info struct {
	Issuer     string
	Audience   string
	KID        string // of the key that signs now
	Public     string // host:port
	Operations string // host:port
	Mode       config.Mode
}

// Info describes the authority.
func (a *App) Info(ctx context.Context) (Info, error) {
	listed, _, err := a.keys.List(ctx)
	if err != nil {
		return Info{}, err
	}
	info := Info{
		Issuer: a.cfg.Issuer, Audience: a.cfg.Audience, Mode: a.cfg.Mode(),
		Public: a.public.Addr().String(), Operations: a.operations.Addr().String(),
	}
	for _, key := range listed {
		if key.State == keyring.Signing {
			info.KID = key.KID
		}
	}
	return info, nil
}

// Close closes what is open, in reverse order.
func (a *App) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	a.closers = nil
	return errors.Join(errs...)
}
