package config

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
)

// link is a variable that Kubernetes sets for a service in every pod of its namespace
// (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
type link struct {
	name  *regexp.Regexp // after the name of the service
	value func(string) bool
}

var links = []link{
	{serviceLink(`SERVICE_HOST`), isAddress},
	{serviceLink(`SERVICE_PORT(_[A-Z0-9_]+)?`), isPort},
	{serviceLink(`PORT(_\d+_(TCP|UDP|SCTP))?`), isEndpoint},
	{serviceLink(`PORT_\d+_(TCP|UDP|SCTP)_PROTO`), regexp.MustCompile(`^(tcp|udp|sctp)$`).MatchString},
	{serviceLink(`PORT_\d+_(TCP|UDP|SCTP)_PORT`), isPort},
	{serviceLink(`PORT_\d+_(TCP|UDP|SCTP)_ADDR`), isAddress},
}

// serviceLink makes the pattern for services whose variables begin with our prefix: mintmark, and mintmark- and more.
func serviceLink(rest string) *regexp.Regexp {
	return regexp.MustCompile(`^` + prefix + `([A-Z0-9_]+_)?` + rest + `$`)
}

// injected reports whether Kubernetes has set the variable. Its value decides, too: MINTMARK_HTTP_PORT=8080 is a
// mistake worth an answer, and MINTMARK_SERVICE_PORT is of the service mintmark or of mintmark-service.
func injected(variable, text string) bool {
	return slices.ContainsFunc(links, func(l link) bool { return l.name.MatchString(variable) && l.value(text) })
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

var endpoint = regexp.MustCompile(`^(?:tcp|udp|sctp)://(.+)$`)

func isEndpoint(text string) bool {
	at := endpoint.FindStringSubmatch(text)
	if at == nil {
		return false
	}
	_, err := netip.ParseAddrPort(at[1])
	return err == nil
}
