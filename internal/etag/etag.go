// Package etag formats and parses entity tags (RFC 9110 §8.8.3). It does not answer requests.
package etag

import (
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"strings"
)

// Of is the strong tag of content, with its quotes.
func Of(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// Listed gives the tags of If-None-Match one by one: with their quotes, without the
// mark of weak ones, as that field compares weakly (RFC 9110 §13.1.2). `*`, which
// stands for every tag, is given as it is. A tag with a comma, which none of ours
// has, comes in parts.
func Listed(ifNoneMatch string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for tag := range strings.SplitSeq(ifNoneMatch, ",") {
			if !yield(strings.TrimPrefix(strings.Trim(tag, " \t"), "W/")) {
				return
			}
		}
	}
}
