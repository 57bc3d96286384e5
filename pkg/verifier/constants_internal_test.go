package verifier

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/keyring"
	"github.com/mintmark-auth/mintmark/internal/revocation"
)

// promised is the time within which a session that ends at the authority has ended at every verifier.
const promised = 5 * time.Second

// TestTimesThatDependOnEachOtherAreInOrder: none of these can be changed alone.
func TestTimesThatDependOnEachOtherAreInOrder(t *testing.T) {
	t.Parallel()
	longest := longestAccessToken(t)
	cached, stale := cacheOfDocuments(t)
	for _, c := range []struct {
		why        string
		less, more time.Duration
	}{
		{"a list is followed until the last token that asked for it is dead", longest + maxLeeway, listIdle},
		{"a revoked session stays in its list until its last token is dead everywhere", longest + maxLeeway, revocation.Window},
		{"a list is renewed before it expires, though a request may wait its time and fail", maxPoll + pollGrace + maxBackoff + fetchTimeout, 2 * revocation.Epoch / 4},
		{"a replica that freezes delays a revocation by less than is promised", maxPoll + pollGrace + firstBackoff + revocation.PollEvery + time.Nanosecond, promised},
		{"an outage that ends delays one by less than is promised", maxBackoff + revocation.PollEvery + revocation.Apart + time.Nanosecond, promised},
		{"a list that cannot be waited for is read often enough", max(unwaited, untagged, briskness) + revocation.PollEvery + revocation.Apart + time.Nanosecond, promised},
		{"the issuer's word is not believed longer than a revocation may take", believed + time.Nanosecond, promised},
		{"a new key is not refused for the cool-down: it is published before it signs", cooldown, keyring.Settled},
		{"so is one that is published as late as the configuration allows", cooldown, leastPublishAhead(t)},
		{"replicas switch together, whatever keys they have read", keyring.MaxAge + time.Nanosecond, keyring.RotateLead},
		{"a refresh that a max-age asks for is not held up by the cool-down", cooldown, minFresh * 75 / 100},
		{"the first cool-down is the short one", firstCooldown, cooldown},
		{"keys serve through failures for longer than they are fresh", maxFresh + time.Nanosecond, servesFor},
		{"a max-age of the authority's is taken as it is", minFresh, cached},
		{"and is not cut short", cached, maxFresh},
		{"metadata are not read for each refresh", defaultFresh, metadataAge},
		{"who has a key waits less than who has none", briefly + time.Nanosecond, patience},
		{"a caller gives up before the fetch does, which serves the next", patience + time.Nanosecond, fetchTimeout},
		{"the trouble of a list is not reported at each attempt", maxBackoff, logEvery},
	} {
		if c.less > c.more {
			t.Errorf("%s: %v is more than %v", c.why, c.less, c.more)
		}
	}
	if cached != defaultFresh {
		t.Errorf("the authority's JWKS is fresh for %v, and one that does not say so for %v", cached, defaultFresh)
	}
	if stale != servesFor {
		t.Errorf("the authority lets its JWKS serve for %v while it is down, and the verifier for %v", stale, servesFor)
	}
	if maxOpaque > maxRemembered {
		t.Errorf("an opaque token of %d bytes is asked about, and one of %d is remembered", maxOpaque, maxRemembered)
	}
}

// TestAKeyIsKeptWhileItsTokensLiveAndItsJWKSIsCached: the authority refuses to retire it any earlier.
func TestAKeyIsKeptWhileItsTokensLiveAndItsJWKSIsCached(t *testing.T) {
	t.Parallel()
	const life = 10 * time.Minute
	least := life + defaultFresh + keyring.MaxAge
	for retain, want := range map[time.Duration]bool{least: true, least - time.Second: false} {
		if got := allowed("MINTMARK_ACCESS_TOKEN_TTL="+life.String(), "MINTMARK_KEYS_RETAIN="+retain.String()); got != want {
			t.Errorf("tokens live %v and keys are kept %v: allowed %t, want %t", life, retain, got, want)
		}
	}
}

// allowed reports whether an authority starts with these settings.
func allowed(environ ...string) bool {
	_, err := config.Load(nil, environ, nil)
	return err == nil
}

// longestAccessToken is the longest life that an authority can be told to give them.
func longestAccessToken(t *testing.T) time.Duration {
	t.Helper()
	const longest = time.Hour
	if !allowed("MINTMARK_ACCESS_TOKEN_TTL="+longest.String()) || allowed("MINTMARK_ACCESS_TOKEN_TTL="+(longest+time.Second).String()) {
		t.Errorf("the longest life of an access token is not %v: correct the times of verifiers and lists, then this", longest)
	}
	return longest
}

// leastPublishAhead is the shortest time for which an authority can be told to publish a key before it signs.
func leastPublishAhead(t *testing.T) time.Duration {
	t.Helper()
	for ahead := time.Second; ahead < time.Hour; ahead += time.Second {
		if allowed("MINTMARK_ACCESS_TOKEN_TTL=1s", "MINTMARK_KEYS_PUBLISH_AHEAD="+ahead.String()) {
			return ahead
		}
	}
	t.Fatal("no time to publish keys ahead is allowed")
	return 0
}

// cacheOfDocuments is what the authority's JWKS says of its age. The constant is found by its text, as nothing exports it.
func cacheOfDocuments(t *testing.T) (fresh, stale time.Duration) {
	t.Helper()
	files, err := filepath.Glob("../../internal/httpapi/*.go")
	if err != nil {
		t.Fatal(err)
	}
	constant := regexp.MustCompile(`= "public, max-age=([0-9]+), stale-if-error=([0-9]+)"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := constant.FindSubmatch(text); found != nil {
			return seconds(t, found[1]), seconds(t, found[2])
		}
	}
	t.Fatal("internal/httpapi says nowhere how old its documents may be")
	return 0, 0
}

func seconds(t *testing.T, digits []byte) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Second
}
