#!/bin/sh
# Installs the tools that the tests need and the machine lacks. Each argument is a need:
# install.sh [postgres] [redis] [gcc] [node] [npm] [python] [curl] [nginx] [pgbouncer] [iproute2] [git] [make] [debootstrap]
# As root on Debian and its derivatives it installs; anywhere else it names what is missing. It starts no service, now
# or at boot, and makes no database cluster. If nothing is missing, it does nothing. `make fresh` tests it.
set -eu
made_policy='' new='' # whatever the environment says

found() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
	[ -n "${MINTMARK_TEST_DATABASE_URL:-}" ] || { found initdb && found postgres; } ||
		ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1
}
has_redis() { [ -n "${MINTMARK_TEST_REDIS_URL:-}" ] || found redis-server || found valkey-server; }
has_gcc() { found "${CC:-gcc}" && printf '#include <stdlib.h>\n' | "${CC:-gcc}" -E - >/dev/null 2>&1; }
# PyJWT may belong to the python3 on the PATH or to the system's, for which Debian packages it.
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
	pgbouncer) found pgbouncer || found /usr/sbin/pgbouncer || packages="$packages pgbouncer" ;;
	iproute2) found ip || packages="$packages iproute2" ;;
	node) found node || packages="$packages nodejs" ;;
	python) has_python || packages="$packages python3 python3-jwt python3-cryptography" ;;
	*)
		echo "install.sh: nothing is known of '$need'; choose from postgres redis gcc node npm python curl nginx pgbouncer iproute2 git make debootstrap" >&2
		exit 2
		;;
	esac
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! found apt-get; then
	echo "missing on this machine:$packages (Debian's names). Install them, or run this as root on Debian and it does." >&2
	exit 1
fi

# While this runs, two files make the packages' scripts start no service (exit code 101) and make no Postgres cluster,
# because the tests make their own. An existing policy is kept; one with our mark was left behind by a killed run, and
# is replaced.
policy=/usr/sbin/policy-rc.d
mark='# made by tools/install.sh of mintmark, for as long as it runs'
clusters=/etc/postgresql-common/createcluster.d
no_cluster=$clusters/mintmark-tests.conf
tidy() {
	[ -z "$made_policy" ] || rm -f "$policy"
	rm -f "$no_cluster"
	[ ! -d "$clusters" ] || rmdir --ignore-fail-on-non-empty "$clusters"
}
is_installed() { dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' | grep -qxE "$1 (installed|half-configured|triggers-.*)"; }

# The package of a service makes it start at boot. This is turned off for the services that this run has installed, even
# if apt failed midway.
stay_off() { # PACKAGE SERVICE
	case " $new " in *" $1 "*) ;; *) return 0 ;; esac
	is_installed "$1" || return 0
	# Outside of a package's script it wants to be told whose service that is.
	DPKG_MAINTSCRIPT_PACKAGE=$1 deb-systemd-helper disable "$2.service" >&2 && update-rc.d "$2" disable >&2
}
finish() {
	code=$?
	set +e
	stay_off redis-server redis-server || code=1
	stay_off postgresql-common postgresql || code=1
	stay_off nginx-common nginx || code=1
	stay_off pgbouncer pgbouncer || code=1
	tidy || code=1
	exit "$code"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
if [ ! -e "$policy" ] || grep -qxF "$mark" "$policy"; then
	made_policy=yes
	printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
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

for package in redis-server postgresql-common nginx-common pgbouncer; do
	is_installed "$package" || new="$new $package"
done

echo "installing:$packages" >&2
listed || apt_get update
install || { echo "once more, with new lists of packages" >&2 && apt_get update && install; }
