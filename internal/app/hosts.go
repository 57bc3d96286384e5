package app

import (
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/config"
	"github.com/mintmark-auth/mintmark/internal/httpapi"
)

// publicHosts are those of the public listener: a replica has a proxy in front, which may call it what it likes.
func publicHosts(cfg config.Config) httpapi.Hosts {
	issuer, err := url.Parse(cfg.Issuer)
	if cfg.Mode() == config.Production || err != nil {
		return httpapi.AnyHost()
	}
	return httpapi.OnlyHosts(issuer.Hostname())
}

// opsHosts are those of the operations listener: the name of its machine, with and without its domain, the name it was
// told to listen on, and those that are set.
func opsHosts(cfg config.Config) httpapi.Hosts {
	own, _ := os.Hostname() // without it, there is one name less
	short, _, _ := strings.Cut(own, ".")
	listening, _, _ := net.SplitHostPort(cfg.OpsAddr)
	return httpapi.OnlyHosts(append([]string{own, short, listening}, cfg.OpsHosts...)...)
}
