#!/bin/sh
# Installs what the tests need and the machine lacks, each word of it a need:
# install.sh [postgres] [redis] [gcc] [node] [npm] [python] [curl] [nginx] [iproute2] [git] [make] [debootstrap]
# Only as root on Debian and its children; anywhere else it says in one line what to install.
# It starts no service, neither now nor with the machine, makes no database cluster, and does nothing where
# nothing is missing. `make fresh` tests it.
set -eu

found() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
	[ -n "${MINTMARK_TEST_DATABASE_URL:-}" ] || { found initdb && found postgres; } ||
		ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1
}
has_redis() { [ -n "${MINTMARK_TEST_REDIS_URL:-}" ] || found redis-server || found valkey-server; }
has_gcc() { found "${CC:-gcc}" && printf '#include <stdlib.h>\n' | "${CC:-gcc}" -E - >/dev/null 2>&1; }
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
	git | make | npm | debootstrap) found "$need" || packages="$packages $need" ;;
	nginx) found nginx || found /usr/sbin/nginx || packages="$packages nginx" ;;
	iproute2) found ip || packages="$packages iproute2" ;;
	node) found node || packages="$packages nodejs" ;;
	python) has_python || packages="$packages python3 python3-jwt python3-cryptography" ;;
	*)
		echo "install.sh: nothing is known of '$need'; choose from postgres redis gcc node npm python curl nginx iproute2 git make debootstrap" >&2
		exit 2
		;;
	esac
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! found apt-get; then
	echo "missing on this machine:$packages (Debian's names). Install them, or run this as root on Debian and it does." >&2
	exit 1
fi

# Two answers to the packages' scripts, for as long as this runs: start no service (101 says so; a machine with a
# policy keeps its own), and make no cluster of Postgres, as the tests bring theirs.
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d
no_cluster=$clusters/mintmark-tests.conf
tidy() {
	[ -z "${made_policy:-}" ] || rm -f "$policy"
	rm -f "$no_cluster"
	[ ! -d "$clusters" ] || rmdir --ignore-fail-on-non-empty "$clusters"
}
trap tidy EXIT
trap 'exit 1' INT TERM HUP
if [ ! -e "$policy" ]; then
	made_policy=yes
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
mkdir -p "$clusters"
echo 'create_main_cluster = false' >"$no_cluster"

export DEBIAN_FRONTEND=noninteractive
export TMPDIR=/var/tmp # apt drops root for some steps and must reach its temporary folder
apt_get() { apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -qq "$@" >&2; }
# shellcheck disable=SC2086 # a list of words
install() { apt_get install -y --no-install-recommends $packages; }
# shellcheck disable=SC2086 # a list of words
listed() { [ "$(apt-cache pkgnames | grep -cxF "$(printf '%s\n' $packages)")" -eq "$(set -- $packages && echo $#)" ]; }

is_installed() { dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' | grep -qxF "$1 installed"; }
for package in redis-server postgresql-common nginx-common; do
	is_installed "$package" || new="${new:-} $package"
done

echo "installing:$packages" >&2
listed || apt_get update
status=0
install || { echo "once more, with new lists of packages" >&2 && apt_get update && install; } || status=$?

# Installing a service's package has it start with the machine. What nobody here has asked for shall not, even if
# something else could not be installed.
stay_off() { # PACKAGE SERVICE
	case " ${new:-} " in *" $1 "*) ;; *) return 0 ;; esac
	is_installed "$1" || return 0
	# Outside of a package's script it wants to be told whose service that is.
	DPKG_MAINTSCRIPT_PACKAGE=$1 deb-systemd-helper disable "$2.service" >&2
	update-rc.d "$2" disable >&2
}
stay_off redis-server redis-server
stay_off postgresql-common postgresql
stay_off nginx-common nginx
exit "$status"
