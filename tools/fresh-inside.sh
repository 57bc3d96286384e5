#!/bin/sh
# tools/fresh.sh runs this on the bare machine: fresh-inside.sh PACKAGE…
set -eu
cd /srv/mintmark
mkdir -p "$GOMODCACHE" "$GOCACHE"

fail() { echo "FAILED: $*" >&2; exit 1; }
say() { echo "-- $*"; }

# Prints what starts with the machine, what keeps services from starting, and what is temporary.
state() {
	find /etc/systemd/system -type l -printf '%p %l\n'
	find /etc/rc?.d -name 'S*' -printf '%p\n'
	ls -1 /tmp /var/tmp
	for file in /usr/sbin/policy-rc.d /etc/postgresql-common/createcluster.d; do [ ! -e "$file" ] || echo "$file"; done
	for process in /proc/[0-9]*/exe; do readlink "$process" || true; done | sort -u | grep -Ev '/(dash|find|ls|readlink|sort|grep|setpriv|unshare)$' || true
}
command_of_the_readme() { # PATTERN: the one indented line that matches
	[ "$(grep -c "^    $1\$" README.md)" -eq 1 ] || fail "README.md has not exactly one line '$1'"
	echo "$1"
}
serve=$(command_of_the_readme 'go run -tags nomsgpack ./cmd/mintmark serve')
tests=$(command_of_the_readme 'sh tools/test.sh')
useradd --create-home ada
run_as_ada() { setpriv --reuid=ada --regid=ada --init-groups -- env HOME=/home/ada "$@"; }
cp -r . /home/ada/mintmark
# One user after the other owns Go's downloads and builds, so that everything is built once.
hand_over() { chown -R ada: "$GOMODCACHE" "$GOCACHE" /home/ada; }
hand_over

served_by() { # the processes that serve
	for process in /proc/[0-9]*; do
		case $(readlink "$process/exe" || true) in */mintmark) echo "${process#/proc/}" ;; esac
	done
}

# answers COMMAND…: the command serves within half an hour (the first builds everything), and ends when asked to.
answers() {
	"$@" >/srv/serve.log 2>&1 &
	pid=$!
	tries=0
	until grep -q 'mintmark is ready' /srv/serve.log; do
		tries=$((tries + 1))
		if [ "$tries" -ge 3600 ] || [ ! -d "/proc/$pid" ]; then cat /srv/serve.log; fail "$* does not serve"; fi
		sleep 0.5
	done
	for process in $(served_by); do kill -s TERM "$process"; done
	wait "$pid" || true
	[ -z "$(served_by)" ] || fail "$* does not end"
}

say "a user is told in one line what to install"
if told=$(cd /home/ada/mintmark && run_as_ada $tests 2>&1); then fail "the tests run on a bare machine"; fi
[ "$(echo "$told" | wc -l)" -eq 1 ] || fail "a user is told: $told"
case $told in 'missing on this machine: '*postgresql*redis-server*) ;; *) fail "a user is told: $told" ;; esac

say "$serve"
answers $serve
rm -rf mintmark-data
say "$serve, as a user, without a network"
hand_over
(cd /home/ada/mintmark && answers setpriv --reuid=ada --regid=ada --init-groups -- env HOME=/home/ada GOPROXY=off $serve)

say "tools/install.sh leaves the machine as it was"
state >/srv/before
sh tools/install.sh git postgres pgbouncer redis gcc curl node python nginx >/srv/install.log 2>&1 || { cat /srv/install.log; fail "it can't install"; }
! grep -n '^E:' /srv/install.log || fail "it begins with errors of apt"
state >/srv/after
diff /srv/before /srv/after || fail "something was left behind"
! dpkg-query --show --showformat '${Package}\n' | grep -x npm || fail "npm was installed"
[ -z "$(ls -A /var/lib/postgresql/15 2>/dev/null)" ] || fail "a cluster was made"

say "and does nothing the second time, without a network"
sum() { find /etc /usr /var/lib -xdev -newer /srv/after ! -type d ! -path '/usr/local/go/*' -print; }
[ -z "$(unshare --net sh tools/install.sh git postgres pgbouncer redis gcc curl node python nginx 2>&1)" ] || fail "it says something"
[ -z "$(sum)" ] || fail "it changed $(sum)"

say "$tests, as root in a user's checkout"
cd /home/ada/mintmark
sh tools/test.sh ./internal/testserver/...
say "$tests $*, as a user"
hand_over
run_as_ada sh tools/test.sh "$@"
