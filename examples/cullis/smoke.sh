#!/usr/bin/env bash
# What [drill.smoke] runs for Cullis: the broker, of the image that production runs, on the scratch database; then what
# `demo_network/smoke.sh` asks of a broker: that it is ready, that admins get in, that the audit chains are whole.
#
# `demo_network/smoke.sh full` itself makes databases of its own: it proves the program, not the backup.
# Needs docker, curl and openssl, and a scratch database of scratch-container.sh.
set -euo pipefail

: "${DATABASE_URL:?the drill gives the scratch database}"
: "${CULLIS_HOME:=/opt/cullis}"
network=lifeboat-drill
name=cullis-smoke-$$
work=$(mktemp -d)

finish() {
    local code=$?
    trap '' TERM INT HUP
    [ "$code" = 0 ] || docker logs --tail 30 "$name" >&2 || true
    docker rm --force "$name" >/dev/null 2>&1 || true
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM INT HUP

fail() {
    echo "smoke: $*" >&2
    exit 1
}

answers() {
    for ((tries = 0; ; tries++)); do
        curl --fail --silent --max-time 5 --output "$work/answer" "$1" && return
        [ "$(docker inspect --format '{{.State.Running}}' "$name")" = true ] || fail "the broker ended before $1 answered"
        [ "$tries" -lt 60 ] || fail "$1 does not answer: $(cat "$work/answer" 2>/dev/null)"
        sleep 2
    done
}

compose=(docker compose --project-directory "$CULLIS_HOME" -f "$CULLIS_HOME/deploy/compose/docker-compose.yml")
image=$("${compose[@]}" images --quiet broker)
image=${image%%$'\n'*}
[ -n "$image" ] || fail "the stack in $CULLIS_HOME has no container of the broker"

# A certificate authority for this run alone: production's stays in Vault.
# The broker is another user: it has to be able to read what is copied to it.
umask 022
mkdir "$work/certs" "$work/audit"
openssl req -x509 -newkey rsa:3072 -nodes -days 1 -subj /CN=drill \
    -keyout "$work/certs/broker-ca-key.pem" -out "$work/certs/broker-ca.pem" 2>/dev/null
chmod 644 "$work/certs"/*

ADMIN_SECRET=$(openssl rand -hex 32)
DASHBOARD_SIGNING_KEY=$(openssl rand -hex 32)
# The broker's driver is asyncpg, which knows none of libpq's parameters.
url=${DATABASE_URL%%\?*}
DATABASE_URL=postgresql+asyncpg://${url#*://}
export ADMIN_SECRET DASHBOARD_SIGNING_KEY DATABASE_URL
docker create --name "$name" --label "lifeboat.drill=$$" --network "$network" \
    --env DATABASE_URL --env ADMIN_SECRET --env DASHBOARD_SIGNING_KEY --env ENVIRONMENT=development \
    --env KMS_BACKEND=local --env CULLIS_LOCAL_KMS_DIR=/tmp --env REDIS_URL= --env OTEL_ENABLED=false "$image" >/dev/null
# Copied, not mounted: docker does not see the private /tmp of a unit.
docker cp --quiet "$work/certs/." "$name:/app/certs"
docker start "$name" >/dev/null
address=$(docker inspect --format "{{(index .NetworkSettings.Networks \"$network\").IPAddress}}" "$name")
broker=http://$address:8000

answers "$broker/health"
answers "$broker/readyz"
grep -Eq '"database": ?"ok"' "$work/answer" || fail "/readyz says: $(cat "$work/answer")"
echo "smoke: the broker is ready on the restored database"

# The header comes from a file: command lines are read by others.
printf 'x-admin-secret: %s\n' "$ADMIN_SECRET" >"$work/header"
curl --fail --silent --show-error --max-time 120 --header "@$work/header" --output "$work/audit/audit.ndjson" \
    "$broker/v1/admin/audit/export?format=json&limit=10000" || fail "the audit log cannot be exported"
[ -s "$work/audit/audit.ndjson" ] || fail "the audit log is empty"
docker cp --quiet "$work/audit/." "$name:/in"
docker cp --quiet "$CULLIS_HOME/demo_network/verify_audit_chain.py" "$name:/tmp/verify.py"
verified=$(docker exec "$name" python /tmp/verify.py) || fail "the audit chains are not whole: $verified"
echo "smoke: audit chains: $verified"
