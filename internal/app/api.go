package app

import (
	"time"

	"github.com/mintmark-auth/mintmark/internal/authority"
	"github.com/mintmark-auth/mintmark/internal/client"
	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
	"github.com/mintmark-auth/mintmark/internal/oauth"
	"github.com/mintmark-auth/mintmark/internal/ratelimit"
	"github.com/mintmark-auth/mintmark/internal/secret"
	"github.com/mintmark-auth/mintmark/internal/session"
	"github.com/mintmark-auth/mintmark/internal/store/memory"
	"github.com/mintmark-auth/mintmark/internal/telemetry"
	"github.com/mintmark-auth/mintmark/internal/user"
)

// capabilities are what this binary offers.
func capabilities() oauth.Capabilities {
	c := oauth.Capabilities{GrantTypes: httpapi.GrantTypes()}
	for _, m := range client.Methods() {
		c.AuthMethods = append(c.AuthMethods, string(m))
	}
	return c
}

// accountRate bounds the tries at one user from all addresses that are not known to them, unless the operator bounds none.
func accountRate(perUser ratelimit.Rate) ratelimit.Rate {
	if perUser.Unlimited() {
		return ratelimit.Rate{}
	}
	return ratelimit.Rate{Limit: max(100, perUser.Limit), Per: time.Hour}
}

func (a *App) buildAPI(roots secret.Roots) error {
	a.metrics = telemetry.NewMetrics(verdictNames()...)
	a.metrics.Gauge("mintmark_audit_events_dropped", "Audit events that did not fit into the queue since the start.",
		func() float64 { return float64(a.events.Dropped()) })
	a.metrics.Gauge("mintmark_checkpoints_dropped", "Checkpoints of sessions that did not fit into the queue since the start; the next refresh queues them again.",
		func() float64 { return float64(a.checkpoints.Dropped()) })
	a.metrics.Gauges("mintmark_rows_swept", "Old rows that this replica moved or removed since the start, by what they were.", "rows",
		func(set func(string, float64)) {
			for _, s := range a.sweeps {
				set(s.name, float64(s.done.Load()))
			}
		})
	a.meterKeys()
	hasher, err := newHasher(a.cfg)
	if err != nil {
		return err
	}
	auth := authority.New(authority.Config{
		Rules: authority.Rules{
			Issuer:       a.cfg.Issuer,
			Audience:     a.cfg.Audience,
			AccessTTL:    a.cfg.AccessTokenTTL,
			Lifetimes:    lifetimes(a.cfg),
			MaxSessions:  a.cfg.SessionsPerClient,
			Password:     user.NewRules(a.cfg.PasswordMinLength),
			LoginRate:    ratelimit.Rate(a.cfg.RateLogin.PerUser),
			AccountRate:  accountRate(ratelimit.Rate(a.cfg.RateLogin.PerUser)),
			Registration: a.cfg.Registration == config.RegistrationOpen,
		},
		Stores: authority.Stores{
			Users: a.store, Clients: a.clients, Sessions: a.store, States: a.ephemeral.states, Limits: a.ephemeral.limits,
		},
		Machinery: authority.Machinery{
			Mint: session.NewMint(a.cfg.Issuer, roots), Keys: a.keys, Lists: a.lists, Hasher: hasher,
			Events: a.events, Checkpoints: a.checkpoints, Clocks: a.clocks, Observer: a.metrics, Log: a.log,
		},
	})
	a.api, err = httpapi.New(httpapi.Config{
		Issuer:       a.cfg.Issuer,
		Capabilities: capabilities(),
		Authority:    auth,
		Keys:         a.keys,
		Lists:        a.lists,
		Limits:       a.ephemeral.limits,
		LocalLimits:  memory.NewLimits(time.Now, maxLocalLimits),
		Rates: httpapi.Rates{
			Login:    ratelimit.Rate(a.cfg.RateLogin.PerAddress),
			Register: ratelimit.Rate(a.cfg.RateRegister),
			Token:    ratelimit.Rate(a.cfg.RateToken),
		},
		TrustedProxies:  a.cfg.TrustedProxies,
		PublicHosts:     publicHosts(a.cfg),
		OpsHosts:        opsHosts(a.cfg),
		CORSOrigins:     a.cfg.CORSOrigins,
		LoopbackOrigins: a.cfg.LoopbackOrigins(),
		Observer:        a.metrics,
		Metrics:         a.metrics.Handler(),
		Ready:           a.isReady,
		Notes:           a.notes,
		Details:         a.details,
		Log:             a.log,
	})
	a.watchLists()
	a.metrics.Gauge("mintmark_forwarded_unreadable", "Requests since the start whose X-Forwarded-For or Forwarded a trusted proxy passed on, but could not be read; the proxy's address counted.",
		func() float64 { return float64(a.api.Unreadable()) })
	a.meterClocks()
	a.meterDependencies()
	a.watchDatabase()
	return err
}

// watchLists shows what becomes of revocations.
func (a *App) watchLists() {
	a.metrics.Gauge("mintmark_status_list_revoked", "Revoked sessions in the status lists.",
		func() float64 { return float64(a.lists.Revoked()) })
	a.metrics.Gauge("mintmark_status_list_age_seconds", "Time since the revoked sessions were read.",
		func() float64 { return a.lists.Age().Seconds() })
	a.metrics.Gauge("mintmark_status_list_lead_seconds", "How far the time of the status lists is ahead of the median of the clocks, which went back.",
		func() float64 { return a.lists.Lead().Seconds() })
	a.metrics.Gauge("mintmark_revocation_notices_lost", "Notices of revocations that could not be sent to the other replicas, which read them from the database all the same.",
		func() float64 { return float64(a.lists.Unheard()) })
	a.metrics.Gauge("mintmark_status_list_waiters", "Requests that wait for a status list to change.",
		func() float64 { return float64(a.api.Waiting()) })
}

func (a *App) meterKeys() {
	a.metrics.Gauge("mintmark_keys_next_rotation_timestamp_seconds",
		"When the standby takes over, in seconds since 1970 by the database's clock; 0 while there is none.",
		func() float64 {
			if next := a.keys.Outlook().NextSwitch; !next.IsZero() {
				return float64(next.Unix())
			}
			return 0
		})
	a.metrics.Gauge("mintmark_keys_published", "Keys in the JWKS.",
		func() float64 { return float64(a.keys.Outlook().Published) })
	a.metrics.Gauge("mintmark_keys_damaged", "Damaged keys: those that should be in the JWKS but are not whole, and those that are to sign but don't open.",
		func() float64 { return float64(a.keys.Outlook().Damaged) })
	a.metrics.Gauge("mintmark_keys_age_seconds", "How long ago the keys were read from the database; above 60, this replica signs nothing.",
		func() float64 { return a.keys.Outlook().Age.Seconds() })
}

// meterClocks shows how far each clock is ahead of the median.
func (a *App) meterClocks() {
	a.metrics.Gauges("mintmark_clock_offset_seconds", "How far a clock is ahead of the median of this machine's, the database's and Redis's.", "clock",
		func(set func(name string, value float64)) {
			for _, offset := range a.clocks.Now().Offsets() {
				set(string(offset.Name), offset.Ahead.Seconds())
			}
		})
}

// notes are what operators should know of a replica that is ready all the same.
func (a *App) notes() []string {
	return append(a.databaseNotes(), clockNotes(a.clocks.Now(), a.cfg.AccessTokenTTL)...)
}

func verdictNames() []string {
	var names []string
	for _, verdict := range session.Verdicts() {
		names = append(names, verdict.String())
	}
	return names
}
