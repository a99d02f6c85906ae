#!/usr/bin/env bash
# What [drill.smoke] runs for the identity-governance server: the server as it is installed, on the scratch database; GET
# /api/health has to say ok.
#
# It runs on this host, for a scratch cluster is a socket that only the drill's own account may use, and without a network:
# the restored job queue would go on provisioning where it stopped. Needs curl, jq, ip and unshare.
set -euo pipefail

: "${DATABASE_URL:?the drill gives the scratch database}"
# Where the server is installed, how it is started, and the file with its settings.
: "${IGA_HOME:=/opt/iga}" "${IGA_START:=node dist/server.js}" "${IGA_ENV_FILE:=/etc/iga/iga.env}"
: "${IGA_SMOKE_PORT:=3000}"
# Empty leaves the network: for a server that cannot do harm.
: "${IGA_SMOKE_ISOLATE=unshare --map-root-user --net}"

fail() {
    echo "smoke: $*" >&2
    exit 1
}

if [ -n "$IGA_SMOKE_ISOLATE" ] && [ -z "${IGA_SMOKE_ISOLATED:-}" ]; then
    read -ra isolate <<<"$IGA_SMOKE_ISOLATE"
    export IGA_SMOKE_ISOLATED=1
    exec "${isolate[@]}" -- "$0"
fi
[ -z "${IGA_SMOKE_ISOLATED:-}" ] || ip link set lo up || fail "the loopback device does not come up"

work=$(mktemp -d)
server=

finish() {
    local code=$?
    trap '' TERM INT HUP
    # With whatever it started: they are a process group of their own.
    [ -z "$server" ] || kill -KILL -- "-$server" 2>/dev/null || true
    [ "$code" = 0 ] || tail -n 30 "$work/log" >&2 2>/dev/null || true
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM INT HUP

# The file names production's database and port: ours are set after it. So is whatever else must not be production's, such as
# the folder of AUDIT_CHECKPOINT_STORE where the drill's account could write there.
scratch=$DATABASE_URL
set -a
# shellcheck source=/dev/null
. "$IGA_ENV_FILE" || fail "$IGA_ENV_FILE cannot be read"
set +a
export DATABASE_URL=$scratch PORT=$IGA_SMOKE_PORT

cd "$IGA_HOME"
read -ra start <<<"$IGA_START"
setsid "${start[@]}" >"$work/log" 2>&1 </dev/null &
server=$!
# Its end is no news of the shell's.
disown "$server"
for ((tries = 0; ; tries++)); do
    curl --fail-with-body --silent --max-time 5 --output "$work/answer" "http://127.0.0.1:$PORT/api/health" && break
    kill -0 "$server" 2>/dev/null || fail "the server ended before /api/health answered"
    [ "$tries" -lt 60 ] || fail "/api/health does not answer: $(cat "$work/answer" 2>/dev/null)"
    sleep 1
done
jq -e '.status == "ok"' "$work/answer" >/dev/null || fail "/api/health says: $(cat "$work/answer")"
echo "smoke: the server is healthy on the restored database"
