#!/bin/sh
# Checks what the README says about a fresh machine: makes a bare Debian in a folder, with only Go, git and
# certificates, and runs the README's commands there, as root, as a user, and without a network. Needs root, a Debian
# mirror and Go. Its mounts and processes always end with it, and it touches no service of this machine.
#
#   tools/fresh.sh            everything
#   tools/fresh.sh PACKAGE…   the tests of these packages only
set -eu
cd "$(dirname "$0")/.."
[ "$#" -gt 0 ] || set -- ./...

[ "$(id -u)" -eq 0 ] || { echo "a bare machine in a folder takes root" >&2; exit 1; }
sh tools/install.sh debootstrap git
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' | grep -m 1 "/debian/*$")}
goroot=$(go env GOROOT)
go mod download # so that what is fetched in there is Debian's alone
go -C internal/zoo mod download
go -C internal/deployment mod download
modules=$(go env GOMODCACHE)/cache/download

work=$(mktemp -d /var/tmp/mintmark-fresh.XXXXXX)
trap 'rm -rf --one-file-system -- "$work"' EXIT
trap '[ -z "${inside:-}" ] || kill -s KILL "$inside"; exit 1' INT TERM HUP
machine=$work/machine
debootstrap --variant=minbase --include=ca-certificates,git "${DEBIAN_SUITE:-bookworm}" "$machine" "$mirror" >"$work/log" 2>&1 || {
	tail -n 20 "$work/log" >&2
	exit 1
}
rm -rf "$machine"/var/lib/apt/lists/* # as in an image
git clone --quiet . "$machine/srv/mintmark"
cp tools/fresh-inside.sh "$machine/srv/"

# It has its own mounts and processes, which end with this one, and uses this machine's network.
unshare --mount --pid --fork --kill-child sh -euc '
	machine=$1 goroot=$2 modules=$3
	shift 3
	mkdir -p "$machine/usr/local/go" "$machine/srv/modules"
	mount --bind "$goroot" "$machine/usr/local/go"
	mount --bind "$modules" "$machine/srv/modules"
	mount -t proc proc "$machine/proc"
	mount --rbind /dev "$machine/dev"
	cp -L /etc/resolv.conf "$machine/etc/resolv.conf"
	exec chroot "$machine" env -i HOME=/root GOPROXY=file:///srv/modules GOSUMDB=off \
		GOMODCACHE=/srv/go/mod GOCACHE=/srv/go/build \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin \
		sh -eu /srv/fresh-inside.sh "$@"
' fresh "$machine" "$goroot" "$modules" "$@" &
inside=$!
wait "$inside"
