package dial

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrOldServer refuses a server that lacks what mintmark needs of it.
var ErrOldServer = errors.New("the server is too old")

// CheckVersion refuses a server by what it says of its version, like "15.4 (Debian 15.4-1)", if its first number is less
// than oldest. What does not begin with a number says nothing, and is not refused. ErrOldServer.
func CheckVersion(product, version string, oldest int) error {
	digits := len(version) - len(strings.TrimLeft(version, "0123456789"))
	if major, err := strconv.Atoi(version[:digits]); err != nil || major >= oldest {
		return nil //nolint:nilerr // hosted services may hide their version
	}
	return fmt.Errorf("%w: it runs %s %s, and mintmark needs %d or newer; upgrade it", ErrOldServer, product, version, oldest)
}
