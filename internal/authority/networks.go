package authority

import (
	"net/netip"

	"github.com/mintmark-auth/mintmark/internal/subscriber"
)

// Networks are the nested networks by which limits count the address, the narrowest first; none where there is no address.
func (o Origin) Networks() []netip.Prefix {
	address, err := netip.ParseAddr(o.Address)
	if err != nil {
		return nil
	}
	return subscriber.Networks(address)
}
