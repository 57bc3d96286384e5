//go:build !race

package torture_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

// wrong is all that a fault must do to the report.
type wrong struct {
	fault   fault
	verdict torture.Verdict
	cases   string
}

func wrongs() []wrong {
	return []wrong{
		{anonymous, torture.WronglyAccepted, "no-token token-in-query"},
		{emptyIsAnonymous, torture.WronglyAccepted, "empty-bearer"},
		{decodesOnly, torture.WronglyAccepted, "alg-absent alg-case alg-mislabelled alg-none alg-none-spelled alg-not-the-keys aud-other b64 " +
			"base64-alphabet claims-duplicate crit es256-zero exp-absent exp-cached " +
			"exp-past exp-text header-duplicates header-edited header-not-json hs256-empty-key hs256-public-key " +
			"huge id-token iss-forged iss-other jku jwe jwk-embedded keys-flood keys-removed kid-injection kid-malformed " +
			"kid-of-another-key nbf-future nbf-text nested-json parts payload-edited payload-not-json " +
			"refresh-token scope-missing session-revoked signature-absent signature-damaged signature-foreign " +
			"signature-padding two-headers-forged typ-other x5c x5u"},
		{signatureOnly, torture.WronglyAccepted, "aud-other b64 claims-duplicate crit exp-absent exp-cached exp-past exp-text id-token iss-other nbf-future " +
			"nbf-text payload-not-json refresh-token scope-missing session-revoked typ-other"},
		{unsignedPasses, torture.WronglyAccepted, "alg-absent alg-none alg-none-spelled header-duplicates signature-absent"},
		{algNone, torture.WronglyAccepted, "alg-none alg-none-spelled header-duplicates"},
		{algNoneAnyCase, torture.WronglyAccepted, "alg-none alg-none-spelled header-duplicates"},
		{algNoneKept, torture.WronglyAccepted, "alg-none alg-none-spelled header-duplicates"},
		{algAbsent, torture.WronglyAccepted, "alg-absent"},
		{algFirst, torture.WronglyAccepted, "header-duplicates header-not-json"},
		{algAnyCase, torture.WronglyAccepted, "alg-case"},
		{hmacPublic, torture.WronglyAccepted, "hs256-public-key"},
		{hmacEmpty, torture.WronglyAccepted, "hs256-empty-key kid-injection"},
		{psychic, torture.WronglyAccepted, "es256-zero"},
		{anyAlgorithm, torture.WronglyAccepted, "alg-not-the-keys"},
		{anyHash, torture.WronglyAccepted, "alg-mislabelled"},
		{trustsJWK, torture.WronglyAccepted, "jwk-embedded"},
		{trustsJKU, torture.WronglyAccepted, "jku"},
		{looksAtJKU, torture.Fetched, "jku"},
		{trustsX5U, torture.WronglyAccepted, "x5u"},
		{trustsX5C, torture.WronglyAccepted, "x5c"},
		{followsIssuer, torture.WronglyAccepted, "iss-forged"},
		{looksAtIssuer, torture.Fetched, "iss-forged"},
		{kidIsFile, torture.WronglyAccepted, "kid-injection"},
		{kidIsQuery, torture.WronglyAccepted, "kid-injection"},
		{kidIsURL, torture.WronglyAccepted, "kid-injection"},
		{kidIsText, torture.Crashed, "header-not-json jku jwk-embedded kid-malformed kid-unknown x5c x5u"},
		{triesAllKeys, torture.WronglyAccepted, "kid-of-another-key"},
		{cutsSignature, torture.WronglyAccepted, "signature-damaged"},
		{numericSignature, torture.WronglyAccepted, "signature-damaged"},
		{laxPKCS1, torture.WronglyAccepted, "signature-damaged signature-padding"},
		{laxPadding, torture.WronglyAccepted, "base64-padding"},
		{laxAlphabet, torture.WronglyAccepted, "base64-alphabet"},
		{laxWhitespace, "", ""},
		{cutsLong, "", ""},
		{panicsOnLong, torture.Crashed, "dots huge kid-injection large-claims"},
		{jsonJWS, torture.WronglyAccepted, "json-serialization"},
		{extraParts, torture.WronglyAccepted, "parts"},
		{trimsToken, torture.WronglyAccepted, "parts"},
		{nestedTokens, torture.WronglyAccepted, "nested-jwt"},
		{decrypts, torture.WronglyAccepted, "dots jwe parts"},
		{hangsOnJWE, torture.Hung, "jwe"},
		{opaqueTokens, torture.WronglyAccepted, "garbage json-serialization parts refresh-token"},
		{ignoresCrit, torture.WronglyAccepted, "b64 crit"},
		{skipsIssuer, torture.WronglyAccepted, "claims-duplicate iss-other"},
		{issuerPrefix, torture.WronglyAccepted, "iss-other"},
		{skipsAudience, torture.WronglyAccepted, "aud-other claims-duplicate"},
		{audienceIfAny, torture.WronglyAccepted, "aud-other"},
		{audiencePart, torture.WronglyAccepted, "aud-other"},
		{audienceText, torture.WronglyRefused, "aud-list"},
		{skipsType, torture.WronglyAccepted, "typ-other"},
		{shortTypeOnly, torture.WronglyRefused, "typ-long"},
		{skipsExpiry, torture.WronglyAccepted, "claims-duplicate exp-absent exp-cached exp-past exp-text"},
		{expiryIfAny, torture.WronglyAccepted, "exp-absent exp-text"},
		{expiryWhole, torture.WronglyRefused, "exp-fraction"},
		{expiryText, torture.WronglyAccepted, "exp-text"},
		{skipsNotBefore, torture.WronglyAccepted, "nbf-future nbf-text"},
		{trailingJSON, torture.WronglyAccepted, "header-not-json payload-not-json"},
		{firstClaim, torture.WronglyAccepted, "claims-duplicate payload-not-json"},
		{skipsScope, torture.WronglyAccepted, "scope-missing"},
		{scopePart, torture.WronglyAccepted, "scope-missing"},
		{scopeAnyCase, torture.WronglyAccepted, "scope-missing"},
		{scopeWhole, torture.WronglyRefused, "scope-among"},
		{exactScheme, torture.WronglyRefused, "scheme-case"},
		{anyScheme, torture.WronglyAccepted, "scheme-other"},
		{tokenInQuery, torture.WronglyAccepted, "token-in-query"},
		{tokenInForm, "", ""},
		{fetchesAlways, torture.WronglyRefused, "keys-down"},
		{forgetsKeys, torture.WronglyRefused, "keys-down"},
		{fetchesOnce, torture.WronglyRefused, "keys-new keys-removed keys-strange"},
		{keepsKeys, torture.WronglyAccepted, "keys-removed"},
		{strictKeySet, torture.WronglyRefused, "keys-strange"},
		{ignoresStatus, torture.WronglyAccepted, "session-revoked"},
		{looksLater, torture.Fetched, "jku"},
		{readsStatusBytes, torture.WronglyRefused, "session-revoked"},
		{acceptsAnything, torture.WronglyAccepted, catalogued(func(c torture.Case) bool {
			return c.Must == torture.Refuse && c.Group != "Transport" && c.ID != "no-token"
		})},
		{answers500, torture.Crashed, catalogued(func(c torture.Case) bool { return c.Must != torture.Accept && c.ID != "keys-broken" })},
		{panicsOnKeys, torture.Crashed, "keys-broken"},
		{answers404, "", ""},
		{noChallenge, "", ""},
		{cachesBySigned, torture.WronglyAccepted, "exp-cached session-revoked signature-absent signature-damaged"},
		{cachesBySig, torture.WronglyAccepted, "exp-cached header-edited payload-edited session-revoked"},
		{cachesForEver, torture.WronglyAccepted, "exp-cached session-revoked"},
		{wantsLife, torture.WronglyRefused, "exp-cached"},
		{lenient, "", ""},
	}
}

// catalogued names the cases that are so.
func catalogued(so func(torture.Case) bool) string {
	var ids []string
	for _, c := range torture.Catalogue() {
		if so(c) {
			ids = append(ids, c.ID)
		}
	}
	return strings.Join(ids, " ")
}

// Each service with a fault fails where its fault shows and nowhere else; and no variant of any case is one that no
// service could fail. That is a hundred runs of the whole catalogue, which race no other than the few runs of the tests
// beside this one, so the race detector has to look at those only.
func TestEachFaultIsFoundWhereItShowsAndNowhereElse(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	caught := map[string]bool{}
	t.Run("faults", func(t *testing.T) {
		for _, w := range wrongs() {
			t.Run(string(w.fault), func(t *testing.T) {
				t.Parallel()
				report := tortured(t, func(c *torture.Config) {
					if w.verdict == torture.Hung {
						c.Timeout = 5 * time.Second
					}
					if strings.Contains(w.cases, "keys-") {
						c.KeysWithin = brief
					}
					if strings.Contains(w.cases, "session-revoked") {
						c.RevokedWithin = brief
					}
				}, w.fault)
				var want []string
				for _, id := range strings.Fields(w.cases) {
					want = append(want, id+": "+string(w.verdict))
				}
				slices.Sort(want)
				if diff := cmp.Diff(want, failures(report)); diff != "" || report.Stopped != "" {
					t.Errorf("want (-), got (+), stopped %q:\n%s", report.Stopped, diff)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, one := range report.Results {
					for _, o := range one.Outcomes {
						caught[one.Case.ID+", "+o.Sent] = caught[one.Case.ID+", "+o.Sent] || o.Verdict.Failed()
					}
				}
			})
		}
	})
	for variant, found := range caught {
		if !found && !strings.HasPrefix(variant, "good-token") { // those have tests of their own
			t.Errorf("no service fails at %s", variant)
		}
	}
}
