#!/bin/sh
# Runs the tests: test.sh [PACKAGE…]; without a package, all of them. It needs Go. As root on Debian and its
# derivatives, it installs the other tools that these packages need; anywhere else it names what is missing.
set -eu
cd "$(dirname "$0")/.."
[ "$#" -gt 0 ] || set -- ./...

command -v go >/dev/null || { echo "go is missing on this machine: install Go 1.26" >&2; exit 1; }
needs='postgres pgbouncer redis gcc'
case " $* " in
*" ./... "*) needs="$needs git curl node python nginx" ;;
*" ./internal/... "* | *internal/e2e* | *internal/cli* | *internal/torture*) needs="$needs git curl node python" ;;
esac
# shellcheck disable=SC2086 # a list of words
sh tools/install.sh $needs

# The same settings as in the Makefile, so that nothing is compiled twice. The commit is not needed, and git would
# refuse to print it in a checkout that belongs to another user.
GOFLAGS="$(go env GOFLAGS) -tags=nomsgpack -buildvcs=false" CGO_ENABLED=0
# SQLite is C translated to Go. Only one thread uses its memory at a time, so the detector would find nothing there, and
# would make each test of a store take ten times as long.
RACE='-race -gcflags=modernc.org/libc=-race=false -gcflags=modernc.org/sqlite/lib=-race=false'
export GOFLAGS CGO_ENABLED RACE
go build -o bin/with ./internal/testserver/with

# Everything runs on one Postgres and one Redis, which always end with it.
# shellcheck disable=SC2016 # for the inner shell to expand
exec bin/with sh -euc '
	said=$(mktemp -d)
	trap "rm -r \"$said\"" EXIT
	# The packages that wait most come first, beside the others, so that none runs alone at the end.
	case " $* " in
	*" ./... "*) set -- ./internal/e2e ./internal/cli "$@" ;;
	esac
	# The separate modules run beside them. The race detector would only slow down the cryptography of the zoo, and
	# `make storm` runs the storms with it. Go does not see that a file outside of a module has changed, such as one of
	# deploy, so -count=1.
	case " $* " in
	*" ./... "*)
		{ go -C internal/storm test -timeout 15m ./... && go -C internal/deployment test -count=1 ./... &&
			go -C internal/zoo test -count=1 -v ./... || touch "$said/failed"; } >"$said/modules" 2>&1 & ;;
	esac
	{ CGO_ENABLED=1 go test $RACE -p 2 -parallel 4 -timeout 15m "$@" || touch "$said/failed"; } | tee "$said/all"
	echo "what took longest:"
	grep "^ok" "$said/all" | sort -k 3,3rn | head -n 5
	# Tests that only compute are excluded under the race detector, where they would take ten times as long and find
	# nothing. The packages with such tests run once more without it.
	packages=$(go list -f "{{.ImportPath}} {{.Dir}}" "$@")
	plain=$(echo "$packages" | while read -r package folder; do
		! grep -qsx "//go:build !race" "$folder"/*_test.go || echo "$package"
	done)
	# shellcheck disable=SC2086 # a path of a package holds no blank
	[ -z "$plain" ] || go test -timeout 15m $plain || touch "$said/failed"
	wait
	[ ! -e "$said/modules" ] || cat "$said/modules"
	[ ! -e "$said/failed" ]
' test.sh "$@"
