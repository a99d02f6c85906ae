#!/usr/bin/env bash
# What [drill.smoke] runs for Pilot: the gateway, of the image that production runs, on the scratch database: GET /health is
# 200, and the connector tokens open with the ENCRYPTION_KEY of today. After a rotation that went wrong they do not.
#
# Needs docker, curl and jq, and a scratch database of scratch-container.sh.
set -euo pipefail

: "${DATABASE_URL:?the drill gives the scratch database}"
# The container whose image is taken, and the file with ENCRYPTION_KEY; nothing else of that gets into the gateway.
: "${PILOT_CONTAINER:=pilot}" "${PILOT_ENV_FILE:=/opt/pilot/current/.env.production.pilot}"
network=lifeboat-drill
name=pilot-smoke-$$
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
        [ "$(docker inspect --format '{{.State.Running}}' "$name")" = true ] || fail "the gateway ended before $1 answered"
        [ "$tries" -lt 60 ] || fail "$1 does not answer: $(cat "$work/answer" 2>/dev/null)"
        sleep 2
    done
}

image=$(docker inspect --format '{{.Image}}' "$PILOT_CONTAINER") || fail "no container is called $PILOT_CONTAINER"
ENCRYPTION_KEY=$(sed -n 's/^ENCRYPTION_KEY=//p' "$PILOT_ENV_FILE" | tail -n 1)
[ -n "$ENCRYPTION_KEY" ] || fail "$PILOT_ENV_FILE has no ENCRYPTION_KEY"
SESSION_SECRET=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export ENCRYPTION_KEY SESSION_SECRET DATABASE_URL

# HELM is not started: nothing here asks a model, and /health need not wait for it. Migrations stay as they were backed up.
docker run --detach --name "$name" --label "lifeboat.drill=$$" --network "$network" \
    --env DATABASE_URL --env ENCRYPTION_KEY --env SESSION_SECRET --env NODE_ENV=production --env PORT=3100 \
    --env RUN_MIGRATIONS_ON_STARTUP=false --env ALLOWED_ORIGINS=http://localhost --env APP_URL=http://localhost \
    --env HELM_GOVERNANCE_URL=http://127.0.0.1:9 --env HELM_FAIL_CLOSED=0 "$image" >/dev/null
address=$(docker inspect --format "{{(index .NetworkSettings.Networks \"$network\").IPAddress}}" "$name")

answers "http://$address:3100/health"
jq -e '.checks.db and .checks.pgboss' "$work/answer" >/dev/null || fail "/health says: $(cat "$work/answer")"
echo "smoke: the gateway is healthy on the restored database"

# Pilot's layout: base64 of iv(16) tag(16) ciphertext; the key is scrypt of the variable. Tokens are counted, not shown.
docker exec --interactive "$name" node --input-type=module - <<'END' || fail "connector tokens do not open with ENCRYPTION_KEY"
import { createDecipheriv, scryptSync } from 'node:crypto';
import postgres from 'postgres';
const key = scryptSync(process.env.ENCRYPTION_KEY, 'pilot-salt', 32);
const opens = (text) => {
  const bytes = Buffer.from(text, 'base64');
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 16));
  cipher.setAuthTag(bytes.subarray(16, 32));
  try { cipher.update(bytes.subarray(32)); cipher.final(); return true; } catch { return false; }
};
const sql = postgres(process.env.DATABASE_URL, { max: 1 });
const tokens = await sql`
  SELECT access_token_enc AS token FROM connector_tokens
  UNION ALL SELECT refresh_token_enc FROM connector_tokens WHERE refresh_token_enc IS NOT NULL
  UNION ALL SELECT session_data_enc FROM connector_sessions`;
await sql.end();
const closed = tokens.filter(({ token }) => !opens(token)).length;
console.log(`smoke: ${tokens.length - closed} of ${tokens.length} connector tokens open`);
process.exit(closed === 0 ? 0 : 1);
END
