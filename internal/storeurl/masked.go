package storeurl

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// Stars stand where a secret would be shown.
const Stars = "***"

// Masked gives a URL of either kind in a form that may be shown: three stars stand
// for what may be a password, for every parameter that is not known, and for the
// whole where it is not well-formed.
func Masked(text string) string {
	p, err := split(text, slices.Concat(postgresSchemes(), redisSchemes()))
	if err != nil {
		return Stars
	}
	isPostgres := slices.Contains(postgresSchemes(), p.scheme)
	var shown strings.Builder
	shown.WriteString(p.scheme + "://")
	if user, _, hasPassword := strings.Cut(p.userinfo, ":"); hasPassword {
		shown.WriteString(user + ":" + Stars + "@")
	} else if user != "" && isPostgres {
		shown.WriteString(user + "@")
	} else if user != "" { // this was meant as a password
		shown.WriteString(Stars + "@")
	}
	shown.WriteString(p.writtenHosts() + p.path)
	slices.SortStableFunc(p.parameters, func(a, b parameter) int { return cmp.Compare(a.name, b.name) })
	for i, q := range p.parameters {
		name, value := Stars, Stars
		if known(q.name) {
			name = q.name
		}
		if known(q.name) && !slices.Contains([]string{"password", "sslpassword", "sentinel_password", "options"}, q.name) {
			value = strings.ReplaceAll(url.QueryEscape(q.value), "+", "%20")
		}
		shown.WriteString([]string{"?", "&"}[min(i, 1)] + name + "=" + value)
	}
	return shown.String()
}

func known(name string) bool {
	_, ofPostgres := new(Postgres).parameters()[name]
	_, ofRedis := new(Redis).sentinelSettings()[name]
	return ofPostgres || ofRedis
}

func (p pieces) writtenHosts() string {
	written := make([]string, 0, len(p.hosts))
	for _, h := range p.hosts {
		switch {
		case h.port != "":
			written = append(written, h.withPort(""))
		case strings.Contains(h.name, ":"):
			written = append(written, "["+h.name+"]")
		default:
			written = append(written, h.name)
		}
	}
	return strings.Join(written, ",")
}
