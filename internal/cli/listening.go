package cli

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/app"
	"github.com/mintmark-auth/mintmark/internal/config"
)

// told is what people read about the address of a listener: the real one, and one to call if it is none.
func told(addr string) string {
	if here := reachable(addr); here != addr {
		return addr + ", which is every address of this machine; here http://" + here
	}
	return "http://" + addr
}

// reachable is where a person on this machine reaches a listener.
func reachable(addr string) string {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsUnspecified() {
		return addr
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(at.Port())))
}

// exposures are warnings of listeners that others than this machine may reach. For the public listener of a replica that
// is as it should be.
func exposures(cfg config.Config, info app.Info) []string {
	var warnings []string
	if info.Mode == config.Embedded && !onLoopback(info.Public) {
		register := "log in, "
		if cfg.Registration == config.RegistrationOpen {
			register = "register, " + register
		}
		warnings = append(warnings, "other machines may reach the public listener at "+info.Public+": whoever does can "+register+
			"refresh and read the keys, and passwords go there in the clear unless a proxy in front speaks TLS; set MINTMARK_HTTP_ADDR to a loopback address if that is not meant")
	}
	if !onLoopback(info.Operations) {
		warnings = append(warnings, "other machines may reach the operations listener at "+info.Operations+
			": whoever does reads metrics and health; let nothing but your network's monitoring reach it, or set MINTMARK_OPS_ADDR to a loopback address")
	}
	return warnings
}

func onLoopback(addr string) bool {
	at, err := netip.ParseAddrPort(addr)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// paragraphs are the warnings for the banner.
func paragraphs(warnings []string) string {
	var text strings.Builder
	for _, warning := range warnings {
		text.WriteString("\nWarning: " + warning + ".\n")
	}
	return text.String()
}
