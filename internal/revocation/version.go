package revocation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/etag"
)

// version says what a list holds. Within an epoch a list only grows, so the epoch and
// the number of revoked sessions put the versions of a list in order, on whatever
// replica they were made.
type version struct {
	epoch  int64
	count  int
	digest string // of everything that is signed, and the key
}

// maxTag bounds the tags that parseTag reads; ours are far shorter. maxTags is how many tags
// of a request are read: a follower of a list has one or two.
const (
	maxTag  = 96
	maxTags = 8
)

// turnSlack is how long before an epoch begins here it may have begun elsewhere: the medians
// of two replicas whose clocks agree are no further apart, and some time for the reading.
const turnSlack = clock.Tolerance + 5*time.Second

// Held is which versions of a list a caller has. The zero Held is none.
type Held struct {
	any      bool
	versions []version
}

// ParseHeld reads If-None-Match (RFC 9110 §13.1.2), at most eight tags of it. It skips a tag
// that is not ours. Held retains no part of the text, because it may live long.
func ParseHeld(ifNoneMatch string) Held {
	var held Held
	seen := 0
	for tag := range etag.Listed(ifNoneMatch) {
		if seen++; seen > maxTags {
			break
		}
		if v, ours := parseTag(tag); ours {
			v.digest = strings.Clone(v.digest)
			held.versions = append(held.versions, v)
		}
		held.any = held.any || tag == "*"
	}
	return held
}

// tag is the version as a strong entity tag (RFC 9110 §8.8.3).
func (v version) tag() string {
	return `"` + strconv.FormatInt(v.epoch, 10) + "." + strconv.Itoa(v.count) + "." + v.digest + `"`
}

// parseTag reads a tag of ours back. Whatever is not spelled as tag spells it is
// none, but nothing proves that a tag was ours.
func parseTag(tag string) (version, bool) {
	if len(tag) > maxTag {
		return version{}, false
	}
	first, rest, _ := strings.Cut(strings.Trim(tag, `"`), ".")
	second, digest, _ := strings.Cut(rest, ".")
	epoch, _ := strconv.ParseInt(first, 10, 64) // what is no number is not spelled like one
	count, _ := strconv.Atoi(second)
	v := version{epoch, count, digest}
	return v, v.tag() == tag && epoch >= 0 && count >= 0 && !strings.ContainsAny(digest, `."`)
}

// follows reports whether v is a version of list n that follows on from w at a time. A tag of
// the next epoch is believed when that is about to begin: replicas are no further apart, and a
// list that was made by a wrong clock must be replaced.
func (v version) follows(w version, n int, now time.Time) bool {
	if v.epoch == w.epoch+1 {
		return beginOf(n, v.epoch).Sub(now) <= turnSlack
	}
	return v.epoch == w.epoch && v.count > w.count
}

// digestOf distinguishes two contents of a list.
func digestOf(kid string, issued, expiry time.Time, indexes []int64) string {
	h := sha256.New()
	h.Write([]byte(kid)) // of one length
	b := binary.BigEndian.AppendUint64(nil, uint64(issued.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(expiry.Unix()))
	for _, i := range indexes {
		b = binary.BigEndian.AppendUint32(b, uint32(i))
	}
	h.Write(b)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
