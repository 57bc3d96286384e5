package torture

import (
	"context"
	"net/http"
	"strings"
)

// Must is what a service owes a case.
type Must string

const (
	// Refuse is any answer below 500 but a success; RFC 6750 §3.1 asks for 401, or 403 where a scope is missing.
	Refuse Must = "refuse"
	// Accept is a success.
	Accept Must = "accept"
	// Either leaves the choice to the service, as the standards do: it must only answer.
	Either Must = "either"
)

// Need is what a case cannot be played without, as a set of bits.
type Need uint8

const (
	// NeedKey is a key that the service trusts: an issuer of our own, or a test key.
	NeedKey Need = 1 << iota
	// NeedIssuer is an issuer of our own.
	NeedIssuer
	// NeedScope is the scope that the endpoint requires.
	NeedScope
	// NeedStatus is a service that follows status lists, and our own issuer.
	NeedStatus
	// NeedType is a service whose access tokens have a type of their own, at+jwt.
	NeedType
	// NeedBearer is a token that travels in the Authorization header.
	NeedBearer
)

// String names what is needed by the flags that give it.
func (n Need) String() string {
	var words []string
	for _, one := range []struct {
		need Need
		word string
	}{
		{NeedIssuer, "--own-issuer"},
		{NeedKey, "--own-issuer or --test-key"},
		{NeedScope, "--scope"},
		{NeedStatus, "--revoked-within"},
		{NeedType, "tokens of type at+jwt"},
		{NeedBearer, "the token in Authorization"},
	} {
		if n&one.need != 0 && (one.need != NeedKey || n&NeedIssuer == 0) {
			words = append(words, one.word)
		}
	}
	return strings.Join(words, " and ")
}

// Case is one way to mistreat a service.
type Case struct {
	ID     string // for people to type
	Group  string
	Name   string // what is sent, in words
	Source string // the rule, or the hole it was found in
	Must   Must
	Needs  Need
	Remark string // where the service may choose: what to say of one that accepts

	shots func(*kit) []shot                        // variants of one request
	play  func(context.Context, *round) []*Outcome // or a course of its own
}

// shot is one request, still to be fired.
type shot struct {
	sent  string // the variant, in words that hold nothing of the token
	token string
	first string                      // a good token, sent before: a service may remember it, and must not take this one for it
	place func(*http.Request, string) // where the token goes; nil: where the user said
	trap  string                      // the path on our listener that must not be fetched
	pad   int                         // number of bytes in a header beside the token
	want  int                         // the status that RFC 6750 asks of a refusal; 0: 401
	moot  bool                        // by another method than the user's: an endpoint that knows only that one says nothing
}

// bulky reports whether the token is so large that many a service reads no further and closes the connection, as it may.
// All that are in use take a header of 8 KiB.
func (s shot) bulky() bool { return len(s.token) > 8<<10 }

// Catalogue returns all cases, in the order in which they are played.
func Catalogue() []Case {
	var all []Case
	for _, group := range []struct {
		name  string
		cases []Case
	}{
		{"Controls", []Case{goodToken, noToken}},
		{"Algorithm", algorithmCases()},
		{"Keys that the token brings", broughtKeyCases()},
		{"Key names", keyNameCases()},
		{"Signature", signatureCases()},
		{"Encoding", encodingCases()},
		{"Shape", shapeCases()},
		{"Header", headerCases()},
		{"Issuer and audience", partyCases()},
		{"Kind of token", kindCases()},
		{"Times", timeCases()},
		{"Claims", claimCases()},
		{"Scope", scopeCases()},
		{"Transport", transportCases()},
		{"Revocation", revocationCases()},
		{"Change of keys", rotationCases()},
		{"Controls", []Case{goodTokenAfter}},
	} {
		for _, c := range group.cases {
			c.Group = group.name
			if c.Must == "" {
				c.Must = Refuse
			}
			all = append(all, c)
		}
	}
	return all
}
