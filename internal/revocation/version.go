package revocation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mintmark-auth/mintmark/internal/clock"
	"github.com/mintmark-auth/mintmark/internal/etag"
)

// version says what a list holds. Within an epoch a list only grows, and replicas read the
// revoked sessions in one order, so the epoch and the number of those that were read put the
// versions of a list in order, on whatever replica they were made. Sessions that a replica only
// heard of come in any order: a version names them.
type version struct {
	epoch  int64
	count  int    // of the sessions that were read
	digest string // of everything that is signed, and the key
	unread string // the indexes of those that were not: "~", and the number in base 36, each
}

// maxUnread is how many sessions of a list may be in it before they are read.
const maxUnread = 8

// spellUnread writes the indexes of sessions that were only heard of, in order.
func spellUnread(indexes map[int64]bool) string {
	var text strings.Builder
	for _, i := range slices.Sorted(maps.Keys(indexes)) {
		text.WriteString("~" + strconv.FormatInt(i, 36))
	}
	return text.String()
}

// readUnread reads what spellUnread wrote, and nothing else.
func readUnread(text string) ([]int64, bool) {
	indexes := make(map[int64]bool)
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "~"), "~") {
		if i, err := strconv.ParseInt(part, 36, 64); err == nil {
			indexes[i] = true
		}
	}
	return slices.Sorted(maps.Keys(indexes)), spellUnread(indexes) == text && len(indexes) <= maxUnread
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
			v.digest, v.unread = strings.Clone(v.digest), strings.Clone(v.unread)
			held.versions = append(held.versions, v)
		}
		held.any = held.any || tag == "*"
	}
	return held
}

// tag is the version as a strong entity tag (RFC 9110 §8.8.3).
func (v version) tag() string {
	return `"` + strconv.FormatInt(v.epoch, 10) + "." + strconv.Itoa(v.count) + "." + v.digest + v.unread + `"`
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
	v := version{epoch: epoch, count: count, digest: digest}
	if at := strings.IndexByte(digest, '~'); at >= 0 {
		v.digest, v.unread = digest[:at], digest[at:]
	}
	_, spelled := readUnread(v.unread)
	return v, spelled && v.tag() == tag && epoch >= 0 && count >= 0 && !strings.ContainsAny(v.digest, `."`)
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
func digestOf(kid, keySet string, issued, expiry time.Time, indexes []int64) string {
	h := sha256.New()
	h.Write([]byte(kid))    // of one length
	h.Write([]byte(keySet)) // of one length, too, or empty
	b := binary.BigEndian.AppendUint64(nil, uint64(issued.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(expiry.Unix()))
	for _, i := range indexes {
		b = binary.BigEndian.AppendUint32(b, uint32(i))
	}
	h.Write(b)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
