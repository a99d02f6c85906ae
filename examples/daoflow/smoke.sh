#!/usr/bin/env bash
# What [drill.smoke] runs for DaoFlow: the control plane, of the image that production runs, on the scratch database: GET
# /trpc/health says healthy, and what is encrypted opens with the ENCRYPTION_KEY of today.
#
# It gets no docker socket, no SSH keys and a network without a way out: the restored copy knows the servers of production,
# and must not deploy to them. Needs docker, curl and jq, and a scratch database of scratch-container.sh.
set -euo pipefail

: "${DATABASE_URL:?the drill gives the scratch database}"
: "${DAOFLOW_HOME:=/opt/daoflow}"
network=lifeboat-drill
name=daoflow-smoke-$$
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
        curl --fail-with-body --silent --max-time 5 --output "$work/answer" "$1" && return
        [ "$(docker inspect --format '{{.State.Running}}' "$name")" = true ] || fail "the control plane ended before $1 answered"
        [ "$tries" -lt 60 ] || fail "$1 does not answer: $(cat "$work/answer" 2>/dev/null)"
        sleep 2
    done
}

image=$(docker compose -f "$DAOFLOW_HOME/docker-compose.yml" images --quiet daoflow)
image=${image%%$'\n'*}
[ -n "$image" ] || fail "the stack in $DAOFLOW_HOME has no container of daoflow"
ENCRYPTION_KEY=$(sed -n 's/^ENCRYPTION_KEY=//p' "$DAOFLOW_HOME/.env" | tail -n 1)
[ -n "$ENCRYPTION_KEY" ] || fail "$DAOFLOW_HOME/.env has no ENCRYPTION_KEY"
BETTER_AUTH_SECRET=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export ENCRYPTION_KEY BETTER_AUTH_SECRET DATABASE_URL

docker run --detach --name "$name" --label "lifeboat.drill=$$" --network "$network" \
    --env DATABASE_URL --env ENCRYPTION_KEY --env BETTER_AUTH_SECRET --env BETTER_AUTH_URL=http://localhost:3000 \
    --env NODE_ENV=production --env DISABLE_WORKER=true --env DAOFLOW_ENABLE_TEMPORAL=false "$image" >/dev/null
address=$(docker inspect --format "{{(index .NetworkSettings.Networks \"$network\").IPAddress}}" "$name")

answers "http://$address:3000/trpc/health"
jq -e '.result.data.status == "healthy"' "$work/answer" >/dev/null || fail "/trpc/health says: $(cat "$work/answer")"
echo "smoke: the control plane is healthy on the restored database"

# DaoFlow's layout: three parts of base64, the key is sha256 of the variable. Values are counted, not shown.
query="SELECT value_encrypted FROM environment_variables WHERE source = 'inline'
 UNION ALL SELECT value_encrypted FROM project_variables WHERE source = 'inline'
 UNION ALL SELECT value_encrypted FROM service_variables WHERE source = 'inline'
 UNION ALL SELECT ssh_private_key_encrypted FROM servers WHERE ssh_private_key_encrypted IS NOT NULL"
postgres=$(docker ps --filter label=lifeboat.drill --filter "network=$network" --filter name=lifeboat-scratch- --quiet)
[ -n "$postgres" ] || fail "no scratch container is running"
# The words in single quotes are the container's: neither the connection string nor a value is on this host's command lines.
# shellcheck disable=SC2016
docker exec --env DATABASE_URL "${postgres%%$'\n'*}" sh -c 'exec psql -XAtq -v ON_ERROR_STOP=1 -d "$DATABASE_URL" -c "$1"' sh "$query" \
    >"$work/values" || fail "encrypted values cannot be read"
docker exec --interactive "$name" bun -e '
const { createDecipheriv, createHash } = require("node:crypto");
const key = createHash("sha256").update(process.env.ENCRYPTION_KEY).digest();
const opens = (text) => {
  try {
    const [iv, tag, sealed] = text.split(":").map((part) => Buffer.from(part, "base64"));
    const cipher = createDecipheriv("aes-256-gcm", key, iv);
    cipher.setAuthTag(tag);
    cipher.update(sealed);
    cipher.final();
    return true;
  } catch { return false; }
};
const values = (await Bun.stdin.text()).split("\n").filter(Boolean);
const closed = values.filter((value) => !opens(value)).length;
console.log(`smoke: ${values.length - closed} of ${values.length} encrypted values open`);
process.exit(closed === 0 ? 0 : 1);' <"$work/values" || fail "encrypted values do not open with ENCRYPTION_KEY"
