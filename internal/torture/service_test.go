package torture_test

import (
	"bytes"
	"compress/zlib"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mintmark-auth/mintmark/internal/secret"
)

// service is a resource service that verifies correctly, except for its faults.
type service struct {
	issuer   func() string
	audience string
	scope    string
	now      func() time.Time
	faults   []fault

	mu      sync.Mutex
	keys    map[string]*rsa.PublicKey
	refused int
	later   string // what looksLater is yet to fetch
	known   map[string]bool
}

func (s *service) has(f fault) bool { return slices.Contains(s.faults, f) }

var (
	errNoToken = errors.New("no token")
	errBad     = errors.New("bad token")
	errScope   = errors.New("insufficient scope")
	errTwo     = errors.New("two tokens")
)

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.has(looksLater) {
		s.mu.Lock()
		later := s.later
		s.later = ""
		s.mu.Unlock()
		if later != "" {
			fetch(later)
		}
	}
	err := s.admit(r)
	s.mu.Lock()
	if err != nil {
		s.refused++
	}
	if s.has(locksOut) && s.refused > 50 || s.has(locksOutSoon) && s.refused > 5 || s.has(refusesAll) {
		err = errBad
	}
	s.mu.Unlock()
	switch {
	case err == nil:
		io.WriteString(w, "welcome")
	case s.has(hangsOnBad):
		<-r.Context().Done()
	case s.has(answers500):
		w.WriteHeader(500)
	case s.has(answers404):
		w.WriteHeader(404)
	case errors.Is(err, errScope):
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		w.WriteHeader(403)
	case errors.Is(err, errTwo):
		w.WriteHeader(400)
	default:
		if !s.has(noChallenge) {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		w.WriteHeader(401)
	}
}

func (s *service) admit(r *http.Request) error {
	raw, err := s.bearer(r)
	switch {
	case errors.Is(err, errNoToken) && s.has(anonymous):
		return nil
	case err != nil:
		return err
	case s.has(acceptsAnything):
		return nil
	case len(raw) > 8<<10 && s.has(cutsLong):
		panic(http.ErrAbortHandler)
	}
	name := s.cacheName(raw)
	s.mu.Lock()
	known := s.known[name]
	s.mu.Unlock()
	if known && name != "" {
		return nil
	}
	if err = s.verify(r, raw); err == nil {
		s.mu.Lock()
		if s.known == nil {
			s.known = map[string]bool{}
		}
		s.known[name] = true
		s.mu.Unlock()
	}
	if err != nil && len(raw) > 8<<10 && s.has(panicsOnLong) {
		panic(http.ErrAbortHandler)
	}
	return err
}

// cacheName is what a service that remembers tokens remembers of one.
func (s *service) cacheName(raw string) string {
	dot := strings.LastIndexByte(raw, '.')
	switch {
	case dot < 0, strings.Count(raw, ".") != 2:
		return ""
	case s.has(cachesForEver):
		return raw
	case s.has(cachesBySigned):
		return raw[:dot]
	case s.has(cachesBySig) && len(raw)-dot > 43:
		return raw[dot+1:]
	}
	return ""
}

func (s *service) bearer(r *http.Request) (string, error) {
	if token := r.URL.Query().Get("access_token"); s.has(tokenInQuery) && token != "" {
		return token, nil
	}
	if (s.has(tokenInForm) || s.has(lenient)) && r.PostFormValue("access_token") != "" {
		return r.PostFormValue("access_token"), nil
	}
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return "", errNoToken
	}
	if len(values) > 1 && !s.has(lenient) && !s.has(decodesOnly) {
		return "", errTwo
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	switch {
	case s.has(emptyIsAnonymous) && values[0] == "":
		return "", nil
	case s.has(anyScheme):
		return regexp.MustCompile(`^(Bearer:? ?|\w+ )?`).ReplaceAllString(values[0], ""), nil
	case s.has(exactScheme) && scheme != "Bearer", !strings.EqualFold(scheme, "Bearer"), token == "" && !s.has(emptyIsAnonymous):
		return "", errBad
	}
	return token, nil
}

// claims are what the service reads of a payload.
type claims map[string]any

func (s *service) verify(r *http.Request, raw string) error {
	if s.has(emptyIsAnonymous) && raw == "" || s.has(opaqueTokens) && raw != "" && !strings.Contains(raw, ".") {
		return nil
	}
	if s.has(trimsToken) {
		raw, _, _ = strings.Cut(strings.Trim(raw, `".`), ",")
	}
	if len(raw) > 16<<10 && !s.has(decodesOnly) && !s.has(panicsOnLong) {
		return errBad
	}
	if s.has(jsonJWS) && strings.HasPrefix(raw, "{") {
		return s.verifyJSON(r, raw)
	}
	p := strings.Split(raw, ".")
	if header, _ := s.decode(p[0]); len(p) == 5 && bytes.Contains(header, []byte(`"enc"`)) && s.has(hangsOnJWE) {
		<-r.Context().Done()
	}
	switch {
	case len(p) == 5 && s.has(decrypts):
		return nil
	case s.has(extraParts) && len(p) > 3:
		p = p[:3]
	case s.has(unsignedPasses) && len(p) == 2, s.has(algNone) && len(p) == 2, s.has(decodesOnly) && len(p) > 1:
		p = append(p, "")[:3]
	case len(p) != 3:
		return errBad
	}
	decodedHeader, err := s.decode(p[0])
	if err != nil {
		return err
	}
	payload, err := s.decode(p[1])
	if err != nil {
		return err
	}
	var header claims
	if s.has(decodesOnly) {
		if json.NewDecoder(bytes.NewReader(payload)).Decode(new(any)) != nil {
			return errBad
		}
		return nil
	}
	if err := s.unmarshal(decodedHeader, &header, s.has(algFirst)); err != nil {
		return err
	}
	if inner := string(payload); s.has(nestedTokens) && header["cty"] == "JWT" {
		return s.verify(r, inner)
	}
	if err := s.checkSignature(header, p); err != nil {
		return err
	}
	if s.has(signatureOnly) {
		return nil
	}
	if err := s.checkHeader(header); err != nil {
		return err
	}
	var c claims
	if err := s.unmarshal(payload, &c, s.has(firstClaim)); err != nil {
		return err
	}
	return s.checkClaims(c)
}

func (s *service) verifyJSON(r *http.Request, raw string) error {
	type signature struct{ Protected, Signature string }
	var j struct {
		Payload string
		signature
		Protected  string
		Signature  string
		Header     claims
		Signatures []signature
	}
	if json.Unmarshal([]byte(raw), &j) != nil {
		return errBad
	}
	if j.Header["alg"] == "none" {
		return nil
	}
	for _, one := range append(j.Signatures, signature{j.Protected, j.Signature}) {
		if s.verify(r, one.Protected+"."+j.Payload+"."+one.Signature) == nil {
			return nil
		}
	}
	return errBad
}

func (s *service) decode(part string) ([]byte, error) {
	if s.has(laxPadding) {
		part = strings.TrimRight(part, "=")
	}
	if s.has(laxAlphabet) {
		part = strings.NewReplacer("+", "-", "/", "_").Replace(part)
	}
	if s.has(laxWhitespace) {
		part = strings.NewReplacer(" ", "", "\t", "").Replace(part)
	}
	encoding := base64.RawURLEncoding.Strict()
	if s.has(lenient) {
		encoding = base64.RawURLEncoding
	}
	return encoding.DecodeString(part)
}

// unmarshal reads an object whose members are few enough, not too deep, and there once.
func (s *service) unmarshal(text []byte, into *claims, first bool) error {
	if s.has(trailingJSON) {
		return json.NewDecoder(bytes.NewReader(text)).Decode(into)
	}
	if bytes.Count(text, []byte("[[[[")) > 100 && !s.has(lenient) || bytes.Count(text, []byte(",")) > 1000 && !s.has(lenient) {
		return errBad
	}
	if first {
		return firstOfTwo(text, into)
	}
	if err := json.Unmarshal(text, into); err != nil || *into == nil {
		return errBad
	}
	return nil
}

func firstOfTwo(text []byte, into *claims) error {
	*into = claims{}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		if _, there := (*into)[fmt.Sprint(name)]; !there {
			(*into)[fmt.Sprint(name)] = value
		}
	}
	return nil
}

func (s *service) checkHeader(header claims) error {
	_, strange := header["crit"].([]any)
	malformed := !strange || fmt.Sprint(header["crit"]) == "[alg]" || fmt.Sprint(header["crit"]) == "[]"
	if _, there := header["crit"]; there && !s.has(ignoresCrit) && (!malformed || !s.has(lenient)) {
		return errBad
	}
	if _, there := header["b64"]; there && !s.has(lenient) && !s.has(ignoresCrit) {
		return errBad
	}
	typ, _ := header["typ"].(string)
	if !s.has(skipsType) && typ != "at+jwt" && (s.has(shortTypeOnly) || typ != "application/at+jwt") {
		return errBad
	}
	return nil
}

func (s *service) checkSignature(header claims, p []string) error {
	alg, _ := header["alg"].(string)
	signed := p[0] + "." + p[1]
	if s.has(lenient) {
		p[2] = strings.NewReplacer(" ", "", "\t", "", "=", "").Replace(p[2])
	}
	signature, err := s.decode(p[2])
	if err != nil {
		return err
	}
	kid, isText := header["kid"].(string)
	if !isText && s.has(kidIsText) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case len(signature) == 0 && (s.has(unsignedPasses) || alg == "none" && s.has(algNone)),
		len(signature) == 0 && s.has(algNoneAnyCase) && strings.EqualFold(strings.TrimSpace(alg), "none"),
		alg == "none" && s.has(algNoneKept),
		len(signature) == 0 && s.has(algAbsent) && alg == "",
		alg == "ES256" && s.has(psychic) && !bytes.ContainsAny(bytes.TrimPrefix(signature, []byte{0x30, 6, 2, 1, 0, 2, 1, 0}), "\x01"):
		return nil
	}
	for _, key := range s.secrets(kid) {
		for name, hash := range map[string]crypto.Hash{"HS256": crypto.SHA256, "HS512": crypto.SHA512} {
			mac := hmac.New(hash.New, key)
			mac.Write([]byte(signed))
			if alg == name && secret.Equal(mac.Sum(nil), signature) {
				return nil
			}
		}
	}
	known := alg == "RS256" || s.has(algAnyCase) && strings.EqualFold(alg, "RS256") || s.has(anyAlgorithm)
	if !known {
		return errBad
	}
	candidates := s.candidates(header, kid)
	if keys, foreign := s.discovered(p[1]); foreign {
		candidates = append([]*rsa.PublicKey{}, keys[kid])
	}
	for _, key := range candidates {
		if key != nil && s.matches(key, alg, signed, signature) {
			return nil
		}
	}
	return errBad
}

// secrets are what the service takes for keys of HS256.
func (s *service) secrets(kid string) [][]byte {
	var all [][]byte
	if s.has(hmacEmpty) {
		all = append(all, nil, []byte("secret"))
	}
	if s.has(kidIsFile) && strings.HasSuffix(kid, "/dev/null") {
		all = append(all, nil)
	}
	if _, key, ok := strings.Cut(kid, "UNION SELECT '"); ok && s.has(kidIsQuery) {
		key, _, _ = strings.Cut(key, "'")
		all = append(all, []byte(key))
	}
	if s.has(hmacPublic) {
		for _, key := range s.published(false) {
			if key == nil {
				continue
			}
			pkix, _ := x509.MarshalPKIXPublicKey(key)
			for block, der := range map[string][]byte{"PUBLIC KEY": pkix, "RSA PUBLIC KEY": x509.MarshalPKCS1PublicKey(key)} {
				text := pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})
				all = append(all, der, text, bytes.TrimSpace(text))
			}
			all = append(all, key.N.Bytes(), []byte(base64.RawURLEncoding.EncodeToString(key.N.Bytes())))
		}
	}
	return all
}

// discovered are the keys of the issuer that the token names, where that is another and the service asks it.
func (s *service) discovered(payload string) (keys map[string]*rsa.PublicKey, foreign bool) {
	var named struct{ Iss string }
	text, _ := s.decode(payload)
	_ = json.Unmarshal(text, &named)
	if named.Iss == s.issuer() || !s.has(followsIssuer) && !s.has(looksAtIssuer) {
		return nil, false
	}
	var described struct {
		Issuer  string
		JWKSURI string `json:"jwks_uri"`
	}
	for _, place := range []string{named.Iss + "/.well-known/openid-configuration", metadataBefore(named.Iss)} {
		if !strings.HasPrefix(named.Iss, "http://127.0.0.1:") || json.Unmarshal(fetch(place), &described) != nil || described.Issuer != named.Iss {
			return nil, true
		}
	}
	if s.has(looksAtIssuer) {
		return nil, true
	}
	return fetchKeys(described.JWKSURI), true
}

// metadataBefore is where RFC 8414 §3.1 has the metadata of an issuer with a path.
func metadataBefore(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	u.Path = "/.well-known/oauth-authorization-server" + u.Path
	return u.String()
}

// candidates are the keys that the service tries.
func (s *service) candidates(header claims, kid string) []*rsa.PublicKey {
	var all []*rsa.PublicKey
	if jwk, ok := header["jwk"].(map[string]any); ok && s.has(trustsJWK) {
		all = append(all, parseJWK(jwk))
	}
	if jku, ok := header["jku"].(string); ok && (s.has(trustsJKU) || s.has(looksAtJKU)) {
		for _, key := range fetchKeys(jku) {
			if s.has(trustsJKU) {
				all = append(all, key)
			}
		}
	}
	if jku, ok := header["jku"].(string); ok && s.has(looksLater) {
		s.mu.Lock()
		s.later = jku
		s.mu.Unlock()
	}
	if s.has(kidIsURL) && strings.HasPrefix(kid, "http") {
		for _, key := range fetchKeys(kid) {
			all = append(all, key)
		}
	}
	if x5u, ok := header["x5u"].(string); ok && s.has(trustsX5U) {
		if block, _ := pem.Decode(fetch(x5u)); block != nil {
			all = append(all, certified(block.Bytes))
		}
	}
	if x5c, ok := header["x5c"].([]any); ok && s.has(trustsX5C) {
		der, _ := base64.StdEncoding.DecodeString(fmt.Sprint(x5c[0]))
		all = append(all, certified(der))
	}
	keys := s.published(false)
	if keys[kid] == nil {
		keys = s.published(!s.has(fetchesOnce))
	}
	if s.has(triesAllKeys) || s.has(lenient) && keys[kid] == nil {
		for _, key := range keys {
			all = append(all, key)
		}
	}
	return slices.DeleteFunc(append(all, keys[kid]), func(key *rsa.PublicKey) bool { return key == nil })
}

func (s *service) matches(key *rsa.PublicKey, alg, signed string, signature []byte) bool {
	if s.has(cutsSignature) && len(signature) > key.Size() {
		signature = signature[:key.Size()]
	}
	if s.has(numericSignature) {
		if n := new(big.Int).SetBytes(signature); n.BitLen() <= key.Size()*8 {
			signature = n.FillBytes(make([]byte, key.Size()))
		}
	}
	digest := sha256.Sum256([]byte(signed))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil && (alg == "RS256" || s.has(algAnyCase)) {
		return true
	}
	if s.has(laxPKCS1) {
		em := new(big.Int).Exp(new(big.Int).SetBytes(signature), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
		if bytes.HasPrefix(em, []byte{0, 1, 0xff}) && bytes.Contains(em, digest[:]) {
			return true
		}
	}
	for name, hash := range map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512} {
		h := hash.New()
		io.WriteString(h, signed)
		sum := h.Sum(nil)
		if s.has(anyHash) || s.has(anyAlgorithm) && strings.HasSuffix(alg, name) {
			if (s.has(anyHash) || alg[0] == 'R') && rsa.VerifyPKCS1v15(key, hash, sum, signature) == nil {
				return true
			}
			if (s.has(anyHash) || alg[0] == 'P') && rsa.VerifyPSS(key, hash, sum, signature, nil) == nil {
				return true
			}
		}
	}
	return false
}

func (s *service) checkClaims(c claims) error {
	if err := s.checkParties(c); err != nil {
		return err
	}
	if err := s.checkTimes(c); err != nil {
		return err
	}
	if !s.has(lenient) {
		for _, name := range []string{"sub", "client_id", "jti", "iat"} {
			if c[name] == nil {
				return errBad
			}
		}
		if c["cnf"] != nil {
			return errBad
		}
	}
	if !s.has(ignoresStatus) && s.revoked(c) {
		return errBad
	}
	scope, isText := c["scope"].(string)
	list, _ := c["scope"].([]any)
	switch {
	case s.scope == "", s.has(skipsScope),
		slices.Contains(strings.Split(scope, " "), s.scope) && !s.has(scopeWhole),
		scope == s.scope,
		s.has(scopePart) && strings.Contains(scope, s.scope),
		s.has(scopeAnyCase) && slices.ContainsFunc(strings.Fields(scope), func(one string) bool { return strings.EqualFold(one, s.scope) }),
		s.has(lenient) && !isText && slices.Contains(list, any(s.scope)):
		return nil
	}
	return errScope
}

func (s *service) checkParties(c claims) error {
	iss, _ := c["iss"].(string)
	ours := iss == s.issuer() || s.has(followsIssuer) || s.has(skipsIssuer) || s.has(issuerPrefix) && strings.HasPrefix(iss, s.issuer())
	if !ours {
		return errBad
	}
	text, isText := c["aud"].(string)
	list, _ := c["aud"].([]any)
	switch {
	case s.has(skipsAudience), s.has(audienceIfAny) && (c["aud"] == nil || text == "" && isText || list != nil && len(list) == 0),
		s.has(audiencePart) && strings.Contains(fmt.Sprint(c["aud"]), s.audience),
		text == s.audience, !s.has(audienceText) && slices.Contains(list, any(s.audience)):
		return nil
	}
	return errBad
}

func (s *service) checkTimes(c claims) error {
	now := float64(s.now().Unix())
	exp, isNumber := c["exp"].(float64)
	if text, ok := c["exp"].(string); ok && s.has(expiryText) {
		seconds, err := strconv.ParseFloat(text, 64)
		exp, isNumber = seconds, err == nil
	}
	switch {
	case s.has(skipsExpiry), s.has(expiryIfAny) && !isNumber:
	case isNumber && s.has(expiryWhole) && exp != float64(int64(exp)):
		return errBad
	case isNumber && s.has(wantsLife) && exp-now < 60:
		return errBad
	case !isNumber, now >= exp, exp > 1<<53 && !s.has(lenient):
		return errBad
	}
	if nbf, isNumber := c["nbf"].(float64); !s.has(skipsNotBefore) && c["nbf"] != nil && (!isNumber || nbf > now+30) {
		return errBad
	}
	if iat, isNumber := c["iat"].(float64); isNumber && iat > now+30 && !s.has(lenient) {
		return errBad
	}
	return nil
}

// revoked asks the status list that the token names.
func (s *service) revoked(c claims) bool {
	status, _ := c["status"].(map[string]any)
	place, _ := status["status_list"].(map[string]any)
	uri, _ := place["uri"].(string)
	index, _ := place["idx"].(float64)
	if !strings.HasPrefix(uri, s.issuer()+"/") {
		return false
	}
	p := strings.Split(string(fetch(uri)), ".")
	if len(p) != 3 {
		return false
	}
	payload, _ := base64.RawURLEncoding.DecodeString(p[1])
	var told struct {
		List struct{ Lst string } `json:"status_list"`
	}
	if json.Unmarshal(payload, &told) != nil {
		return true
	}
	packed, _ := base64.RawURLEncoding.DecodeString(told.List.Lst)
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return true
	}
	bits, _ := io.ReadAll(z)
	at := int(index)
	return at/8 >= len(bits) || s.has(readsStatusBytes) && bits[at/8] != 0 || bits[at/8]>>(at%8)&1 == 1
}

// published are the keys of the issuer, fetched if there are none yet or somebody asks.
func (s *service) published(again bool) map[string]*rsa.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys != nil && !again && !s.has(fetchesAlways) {
		return s.keys
	}
	found := fetchKeys(s.issuer() + "/.well-known/jwks.json")
	strange := false
	for _, key := range found {
		strange = strange || key == nil
	}
	_, broken := found["broken"]
	if _, empty := found["empty"]; s.has(panicsOnKeys) && (broken || empty) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case s.has(fetchesAlways):
		return found
	case found == nil && s.has(forgetsKeys):
		s.keys = map[string]*rsa.PublicKey{}
	case found == nil, strange && s.has(strictKeySet):
	case s.has(keepsKeys) && s.keys != nil:
		for kid, key := range found {
			s.keys[kid] = key
		}
	default:
		s.keys = found
	}
	return s.keys
}

// patient waits no longer than a service may whose callers wait.
var patient = &http.Client{Timeout: 200 * time.Millisecond}

func fetch(address string) []byte {
	response, err := patient.Get(address)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != 200 {
		return nil
	}
	return body
}

// fetchKeys reads a key set. Keys of a strange kind are there without a value.
func fetchKeys(address string) map[string]*rsa.PublicKey {
	var set struct{ Keys []map[string]any }
	if json.Unmarshal(fetch(address), &set) != nil || set.Keys == nil {
		return nil
	}
	keys := map[string]*rsa.PublicKey{}
	for _, jwk := range set.Keys {
		keys[fmt.Sprint(jwk["kid"])] = parseJWK(jwk)
	}
	return keys
}

func parseJWK(jwk map[string]any) *rsa.PublicKey {
	text, _ := jwk["n"].(string)
	n, err := base64.RawURLEncoding.DecodeString(text)
	if jwk["kty"] != "RSA" || err != nil || len(n) == 0 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
}

func certified(der []byte) *rsa.PublicKey {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	key, _ := cert.PublicKey.(*rsa.PublicKey)
	return key
}
