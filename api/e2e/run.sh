#!/bin/sh
# Runs the Postman collection against a throwaway authority and weather service: run.sh FOLDER,
# where FOLDER holds the built mintmark and weather. The collection gets three variables: baseUrl and
# weatherUrl, and expiresIn (seconds an access token lives).
set -eu

bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pids=''

finish() {
	status=$?
	trap - EXIT INT TERM HUP
	for pid in $pids; do kill -s TERM "$pid" 2>/dev/null || true; done
	for pid in $pids; do wait "$pid" 2>/dev/null || true; done
	if [ "$status" -ne 0 ]; then tail -n 40 "$work"/*.log >&2 || true; fi
	rm -rf -- "$work"
	exit "$status"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# Ports nobody uses, all open at the same time so that they differ.
ports=$(node -e '
	const servers = [0, 0, 0].map(() => require("net").createServer().listen(0, "127.0.0.1"));
	Promise.all(servers.map((s) => new Promise((done) => s.on("listening", done)))).then(() => {
		console.log(servers.map((s) => s.address().port).join(" "));
		servers.forEach((s) => s.close());
	});')
# shellcheck disable=SC2086 # three words
set -- $ports
issuer=http://localhost:$1 ops=http://127.0.0.1:$2 weather=http://127.0.0.1:$3

# Nothing of the caller's own authority may leak in.
for name in $(env | sed -n 's/^\(MINTMARK_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done

ready() { # NAME URL PID: until URL answers, whatever it says
	tries=0
	until node -e 'fetch(process.argv[1]).then((r) => process.exit(r.status < 500 ? 0 : 1), () => process.exit(1))' "$2"; do
		tries=$((tries + 1))
		if [ "$tries" -ge 100 ] || ! kill -s 0 "$3" 2>/dev/null; then
			echo "e2e: $1 is not ready at $2" >&2
			exit 1
		fi
		sleep 0.1
	done
}

# Where nobody answers, the first request says what is missing.
newman() { (cd "$here" && node node_modules/newman/bin/newman.js run ../mintmark.postman_collection.json "$@" --color off --disable-unicode); }
if newman --env-var "baseUrl=$issuer" --folder "1 · The story" --bail >"$work/nobody.log" 2>&1 ||
	! grep -q "no server answers at $issuer" "$work/nobody.log"; then
	echo "e2e: without a server the collection does not say what is missing" >&2
	exit 1
fi

expires_in=5
cd "$work"
MINTMARK_HTTP_ADDR=127.0.0.1:$1 MINTMARK_OPS_ADDR=127.0.0.1:$2 MINTMARK_DATA_DIR="$work/data" \
	MINTMARK_ACCESS_TOKEN_TTL=${expires_in}s \
	MINTMARK_RATE_LOGIN=off MINTMARK_RATE_TOKEN=off MINTMARK_RATE_REGISTER=off \
	"$bin/mintmark" serve >"$work/mintmark.log" 2>&1 &
authority=$!
pids=$authority
ready mintmark "$ops/readyz" "$authority"

"$bin/weather" --addr "127.0.0.1:$3" --issuer "$issuer" --audience "$issuer" >"$work/weather.log" 2>&1 &
service=$!
pids="$service $authority"
ready weather "$weather/WeatherForecast" "$service"

newman --env-var "baseUrl=$issuer" --env-var "weatherUrl=$weather" --env-var "expiresIn=$expires_in" \
	--timeout 120000 --timeout-request 10000 --bail
