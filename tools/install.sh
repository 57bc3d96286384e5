#!/bin/sh
# Installs what the tests need and the machine lacks: install.sh [postgres] [redis] [gcc] [node] [python] [curl] [iproute2] [git]
# Only as root on Debian and its children; anywhere else it says in one line what to install.
# It starts no service, makes no database cluster, and does nothing where nothing is missing.
set -eu

found() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
	[ -n "${MINTMARK_TEST_DATABASE_URL:-}" ] || { found initdb && found postgres; } ||
		ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1
}
has_redis() { [ -n "${MINTMARK_TEST_REDIS_URL:-}" ] || found redis-server || found valkey-server; }
has_gcc() { found "${CC:-gcc}" && printf '#include <stdlib.h>\n' | "${CC:-gcc}" -E - >/dev/null 2>&1; }
has_node() { found node && found npm; }
# PyJWT for the interpreter on the PATH or for the system's, which Debian's package is for.
has_python() {
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import cryptography, jwt' >/dev/null 2>&1 && return 0
	done
	return 1
}

packages=''
for need in "$@"; do
	case $need in
	postgres) has_postgres || packages="$packages postgresql" ;;
	redis) has_redis || packages="$packages redis-server" ;;
	gcc) has_gcc || packages="$packages gcc libc6-dev" ;;
	curl) found curl || packages="$packages curl ca-certificates" ;;
	git) found git || packages="$packages git" ;;
	iproute2) found ip || packages="$packages iproute2" ;;
	node) has_node || packages="$packages nodejs npm" ;;
	python) has_python || packages="$packages python3 python3-jwt python3-cryptography" ;;
	*) echo "install.sh: nothing is known of '$need'; choose from postgres redis gcc node python curl iproute2 git" >&2; exit 2 ;;
	esac
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! found apt-get; then
	echo "missing on this machine:$packages (Debian's names). Install them, or run make as root on Debian and it does." >&2
	exit 1
fi

# An answer of 101 tells package scripts to start no service. A machine with a policy keeps its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM HUP
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
export TMPDIR=/var/tmp # apt drops root for some steps and must reach its temporary folder
install() {
	apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y -qq --no-install-recommends "$@" >&2
}
with_fresh_lists() {
	install "$@" || { apt-get -o DPkg::Lock::Timeout=300 update -qq >&2 && install "$@"; }
}

echo "installing:$packages" >&2
case " $packages " in
*' postgresql '*)
	# The package would make and run a cluster of its own; the tests bring theirs.
	with_fresh_lists postgresql-common
	conf=/etc/postgresql-common/createcluster.conf
	grep -q '^ *create_main_cluster *= *false' "$conf" 2>/dev/null || echo 'create_main_cluster = false' >>"$conf"
	;;
esac
# shellcheck disable=SC2086 # a list of words
with_fresh_lists $packages
case " $packages " in
*' redis-server '*)
	# Nor shall one start with the machine, which the package arranged.
	if found deb-systemd-helper; then deb-systemd-helper disable redis-server.service >/dev/null 2>&1 || true; fi
	;;
esac
