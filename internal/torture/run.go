package torture

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// Config says what is tortured, and with what.
type Config struct {
	Target   Target
	Issuer   string // of the good tokens; may be empty with OwnIssuer
	Audience string // the service's name; the good token's own if empty
	Scope    string // that the endpoint requires, or empty
	Typ      string // of the tokens of our own making; at+jwt if empty
	// Claims go into the tokens of our own making, where they don't say who, for whom and for how long.
	Claims map[string]any

	// One of these four makes good tokens.
	Token      string  // a good one
	Client     *Client // that Issuer grants good ones to
	TestKey    *rsa.PrivateKey
	OwnIssuer  string // the address to listen at as an issuer
	TestKeyKID string // with TestKey

	Trap          string        // the address that forged key URLs point to; a free port on loopback if empty
	Only          []string      // the IDs of the cases to play; all if empty
	Skip          []string      // the IDs of those not to play
	Within        time.Duration // the run ends early if it takes longer; 0: it takes as long as it takes
	Timeout       time.Duration // of a request; 10 s if 0
	Wait          time.Duration // for the service to accept the first good token
	Leeway        time.Duration // that the service may grant exp and nbf
	KeysWithin    time.Duration // that the service may take to notice changed keys; a minute if 0
	RevokedWithin time.Duration // that the service may take to notice a revoked session; 0: it follows no status lists

	Now      func() time.Time               // [time.Now] if nil
	Ready    func(issuer string)            // told when OwnIssuer listens; may be nil
	Progress func(done, all int, id string) // told before each case; may be nil

	newKey func() (*rsa.PrivateKey, error) // for tests: making keys is slow
}

func (c Config) withDefaults() Config {
	if c.Target.Method == "" {
		c.Target.Method = http.MethodGet
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.KeysWithin == 0 {
		c.KeysWithin = time.Minute
	}
	if c.Typ == "" {
		c.Typ = "at+jwt"
	}
	if c.Trap == "" {
		c.Trap = "127.0.0.1:0"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.newKey == nil {
		c.newKey = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }
	}
	return c
}

// Check says what is wrong with the configuration, all of it.
func (c Config) Check() error {
	var problems []error
	ways := 0
	for _, given := range []bool{c.Token != "", c.Client != nil, c.TestKey != nil, c.OwnIssuer != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		problems = append(problems, errors.New("give exactly one source of good tokens: a token, a client, a test key or an issuer of our own"))
	}
	problems = append(problems, checkURL("the endpoint", c.Target.URL), c.checkAddresses())
	switch {
	case c.Token != "":
		if _, _, err := readToken(c.Token); err != nil {
			problems = append(problems, fmt.Errorf("the good token: %w", err))
		} else {
			problems = append(problems, checkURL("the issuer", c.issuer()))
		}
	case c.Issuer != "" || c.OwnIssuer == "":
		problems = append(problems, checkURL("the issuer", c.Issuer))
	}
	if c.Audience == "" && c.Token == "" {
		problems = append(problems, errors.New("the audience is empty: give the name by which the issuer knows the service"))
	}
	if c.TestKey != nil {
		problems = append(problems, tryKey(c.TestKey))
	}
	if c.RevokedWithin > 0 && c.OwnIssuer == "" {
		problems = append(problems, errors.New("only an issuer of our own can revoke a session"))
	}
	return errors.Join(append(problems, c.checkCases())...)
}

// issuer is the name of the issuer of the good tokens, as far as it is known before the run: the token says it, too.
func (c Config) issuer() string {
	if c.Issuer != "" || c.Token == "" {
		return c.Issuer
	}
	_, claims, _ := readToken(c.Token)
	iss, _ := claims["iss"].(string)
	return iss
}

// checkAddresses wants addresses that can be listened at, and by which others can find us.
func (c Config) checkAddresses() error {
	var problems []error
	for _, one := range []struct {
		what, address, mend string
		named               bool
	}{
		{"own issuer", c.OwnIssuer, "name the issuer by the URL under which the service reaches it", c.Issuer != ""},
		{"trap", c.Trap, "give the one under which the service reaches it", false},
	} {
		if one.address == "" {
			continue
		}
		host, _, err := net.SplitHostPort(one.address)
		switch ip, _ := netip.ParseAddr(host); {
		case err != nil:
			problems = append(problems, fmt.Errorf("the address of the %s, %q, is not one like 127.0.0.1:9400", one.what, one.address))
		case !one.named && (host == "" || ip.IsUnspecified()):
			problems = append(problems, fmt.Errorf("the address of the %s, %q, is every address of this machine, which the service can't call: %s", one.what, one.address, one.mend))
		}
	}
	return errors.Join(problems...)
}

// checkCases wants the chosen cases to be there, and such as can be played.
func (c Config) checkCases() error {
	var problems []error
	for _, id := range append(slices.Clone(c.Only), c.Skip...) {
		at := slices.IndexFunc(Catalogue(), func(one Case) bool { return one.ID == id })
		switch {
		case at < 0:
			problems = append(problems, fmt.Errorf("there is no case %q", id))
		case slices.Contains(c.Skip, id) && (id == goodToken.ID || id == goodTokenAfter.ID):
			problems = append(problems, fmt.Errorf("the case %s can't be left out: without it the others prove nothing", id))
		case slices.Contains(c.Only, id):
			if missing := c.withDefaults().lacks(Catalogue()[at]); missing != "" {
				problems = append(problems, fmt.Errorf("the case %s needs %s", id, missing))
			}
		}
	}
	return errors.Join(problems...)
}

// Run plays the catalogue against the service. Its error says that nothing could be found out; what was found out is in
// the report. ErrUnreachable, ErrListen, ErrUnusable.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	r := &round{cfg: cfg.withDefaults()}
	r.cfg.Issuer = cfg.issuer()
	r.client = newClient(r.cfg.Timeout)
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	defer r.close()
	if r.own != nil && cfg.Ready != nil {
		cfg.Ready(r.own.url)
	}
	return r.play(ctx)
}

func (r *round) close() {
	if r.own != nil {
		r.own.close()
	}
	if r.kit.trap != nil {
		_ = r.kit.trap.server.Close()
	}
}

// lacks says what a case needs and is not there, or "".
func (c Config) lacks(one Case) string {
	missing := one.Needs
	for _, one := range []struct {
		need  Need
		given bool
	}{
		{NeedKey, c.TestKey != nil || c.OwnIssuer != ""},
		{NeedIssuer, c.OwnIssuer != ""},
		{NeedScope, c.Scope != ""},
		{NeedStatus, c.RevokedWithin > 0},
		{NeedType, c.Typ == "at+jwt"},
		{NeedBearer, !c.Target.carriesToken()},
	} {
		if one.given {
			missing &^= one.need
		}
	}
	return missing.String()
}

// play goes through the catalogue. Whatever the service answers proves something only as long as it accepts the good
// token, so that is asked again after each group, and after each case that hurt it.
func (r *round) play(ctx context.Context) (*Report, error) {
	report := &Report{URL: masked(r.cfg.Target.URL), Issuer: r.kit.issuer, Audience: r.kit.audience}
	if r.cfg.Within > 0 {
		bounded, cancel := context.WithTimeoutCause(ctx, r.cfg.Within, fmt.Errorf("the run took longer than %v", r.cfg.Within))
		defer cancel()
		ctx = bounded
	}
	cases, silent := r.chosen(), 0
	for i, c := range cases {
		if r.cfg.Progress != nil {
			r.cfg.Progress(i, len(cases), c.ID)
		}
		result := r.result(ctx, c, report.Stopped)
		report.Results = append(report.Results, result)
		if result.Verdict == Hung || result.Verdict == Unclear {
			silent++
		} else if result.Verdict != NotTried {
			silent = 0
		}
		switch {
		case report.Stopped != "":
		case ctx.Err() != nil:
			report.Stopped = ended(ctx)
		case c.ID == goodToken.ID && result.Verdict != Passed:
			if lost := result.Outcomes[0].answer.lost; lost != nil {
				return nil, fmt.Errorf("the service at %s %w: %w", masked(r.cfg.Target.URL), ErrUnreachable, lost)
			}
			report.Stopped = "the service does not accept the good token (" + result.Outcomes[0].Got + "), so its refusals prove nothing"
		case silent == maxSilent:
			report.Stopped = fmt.Sprintf("%d cases in a row, up to %s, got no answer that says anything", silent, c.ID)
		case i+1 < len(cases) && cases[i+1].ID != goodTokenAfter.ID && (cases[i+1].Group != c.Group || result.Verdict == Crashed || result.Verdict == Hung):
			report.Stopped = r.stillGood(ctx, c)
		}
	}
	r.lookForLateFetches(report)
	report.Requests = r.requests
	return report, nil
}

// maxSilent is how many cases in a row may hang or be told to come later.
const maxSilent = 3

// ended says why the context of a run did.
func ended(ctx context.Context) string {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return "it was interrupted"
	}
	return context.Cause(ctx).Error()
}

// chosen is what the user wants to see played, between the controls.
func (r *round) chosen() []Case {
	return slices.DeleteFunc(Catalogue(), func(c Case) bool {
		wanted := len(r.cfg.Only) == 0 || slices.Contains(r.cfg.Only, c.ID)
		return c.ID != goodToken.ID && c.ID != goodTokenAfter.ID && (!wanted || slices.Contains(r.cfg.Skip, c.ID))
	})
}

func (r *round) result(ctx context.Context, c Case, stopped string) Result {
	result := Result{Case: c, Verdict: NotTried}
	if stopped != "" {
		result.Why = "the run had stopped"
		return result
	}
	if missing := r.cfg.lacks(c); missing != "" {
		result.Why = "needs " + missing
		return result
	}
	if c.play != nil {
		result.Outcomes = c.play(ctx, r)
	} else {
		first := ""
		for _, s := range c.shots(r.kit) {
			if s.first != first {
				first = s.first
				if o := r.fire(ctx, Accept, shot{sent: "the good token that is damaged next", token: first}); o.Verdict != Passed {
					result.Outcomes = append(result.Outcomes, o)
				}
			}
			o := r.fire(ctx, c.Must, s)
			if o.Verdict == Passed && o.answer.success() {
				o.Remark = c.Remark
			}
			result.Outcomes = append(result.Outcomes, o)
			if o.Verdict == Hung || o.Verdict == Unclear || ctx.Err() != nil {
				break // the others would fare no better, and take as long
			}
		}
	}
	for _, o := range result.Outcomes {
		if o.trap != "" && r.kit.trap.fetched(o.trap) {
			o.Verdict = worse(o.Verdict, Fetched)
		}
		result.Verdict = worse(result.Verdict, o.Verdict)
	}
	switch {
	case ctx.Err() != nil && result.Verdict == NotTried:
		result.Why = "the run had stopped"
	case len(result.Outcomes) == 0:
		result.Why = "it can't be made of this token"
	case result.Verdict == NotTried:
		result.Why = "the endpoint does not take such a request (" + result.Outcomes[0].Got + ")"
	}
	return result
}

func worse(a, b Verdict) Verdict {
	if a.rank() > b.rank() {
		return a
	}
	return b
}

// stillGood returns why the run must end here, or "".
func (r *round) stillGood(ctx context.Context, behind Case) string {
	o := r.fire(ctx, Accept, shot{token: r.kit.good()})
	switch {
	case o.Verdict == Passed:
		return ""
	case ctx.Err() != nil:
		return ended(ctx)
	}
	if r.kit.key == nil && expired(r.kit.claims, r.cfg.Now()) {
		return "the good token has expired; give one that lives longer than the run"
	}
	return "since " + behind.ID + " the service does not accept the good token any more (" + o.Got + ")"
}

// lookForLateFetches finds who fetched a forger's URL after the answer was given.
func (r *round) lookForLateFetches(report *Report) {
	for i := range report.Results {
		for _, o := range report.Results[i].Outcomes {
			if o.trap != "" && r.kit.trap.fetched(o.trap) {
				o.Verdict = worse(o.Verdict, Fetched)
				report.Results[i].Verdict = worse(report.Results[i].Verdict, o.Verdict)
			}
		}
	}
}
