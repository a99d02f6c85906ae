#!/usr/bin/env bash
# What [drill.smoke] runs for briven: the API and the runtime, of the images that production runs, on the scratch database;
# then what the runbook's drill asks for: sign in, create a project, deploy, invoke. Secrets of the restored projects have to
# open with the key of today.
#
# Needs docker, curl and jq, and a scratch server that this host's containers reach at the address in DATABASE_URL.
set -euo pipefail

: "${DATABASE_URL:?the drill gives the scratch database}"
# Put your images here, as `docker service ls` names them.
: "${BRIVEN_API_IMAGE:=briven-api:latest}" "${BRIVEN_RUNTIME_IMAGE:=briven-runtime:latest}"
# The file with BRIVEN_ENCRYPTION_KEY; nothing else of it gets into the containers.
: "${BRIVEN_ENV_FILE:=/etc/briven/api.env}"
: "${BRIVEN_SMOKE_API_PORT:=13001}" "${BRIVEN_SMOKE_RUNTIME_PORT:=13003}"
api=briven-smoke-api-$$
runtime=briven-smoke-runtime-$$
origin=http://127.0.0.1:$BRIVEN_SMOKE_API_PORT
work=$(mktemp -d)

finish() {
    local code=$? container
    trap '' TERM INT HUP
    for container in "$api" "$runtime"; do
        [ "$code" = 0 ] || docker logs --tail 20 "$container" >&2 || true
        docker rm --force "$container" >/dev/null 2>&1 || true
    done
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 143' TERM INT HUP

fail() {
    echo "smoke: $*" >&2
    exit 1
}

secret() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

answers() {
    for ((tries = 0; ; tries++)); do
        curl --fail --silent --max-time 5 --output "$work/answer" "$1" && return
        [ "$(docker inspect --format '{{.State.Running}}' "$2")" = true ] || fail "$2 ended before $1 answered"
        [ "$tries" -lt 60 ] || fail "$1 does not answer: $(cat "$work/answer" 2>/dev/null)"
        sleep 2
    done
}

# A smoke test that takes too long is killed, and cannot clean up: the next one does.
sweep() {
    local container owner
    docker ps --all --filter label=lifeboat.drill --format '{{.ID}} {{.Label "lifeboat.drill"}}' | while read -r container owner; do
        [ -d "/proc/$owner" ] || docker rm --force "$container" >/dev/null
    done
}

# post PATH JSON: the answer's body, or the end.
post() {
    curl --fail-with-body --silent --show-error --max-time 60 --cookie "$work/cookies" --cookie-jar "$work/cookies" \
        --header "origin: $origin" --header 'content-type: application/json' --data "$2" "$origin$1" >"$work/answer" ||
        fail "POST $1: $(cat "$work/answer")"
    cat "$work/answer"
}

sweep
BRIVEN_ENCRYPTION_KEY=$(sed -n 's/^BRIVEN_ENCRYPTION_KEY=//p' "$BRIVEN_ENV_FILE" | tail -n 1)
[ -n "$BRIVEN_ENCRYPTION_KEY" ] || fail "$BRIVEN_ENV_FILE has no BRIVEN_ENCRYPTION_KEY"
BRIVEN_BETTER_AUTH_SECRET=$(secret)
BRIVEN_RUNTIME_SHARED_SECRET=$(secret)
# New projects get their schemas beside the restored tables: the scratch database is both planes.
BRIVEN_DATABASE_URL=$DATABASE_URL
BRIVEN_DATA_PLANE_URL=$DATABASE_URL
export BRIVEN_ENCRYPTION_KEY BRIVEN_BETTER_AUTH_SECRET BRIVEN_RUNTIME_SHARED_SECRET BRIVEN_DATABASE_URL BRIVEN_DATA_PLANE_URL

# In development it sends no mail, and new users need not confirm their address. No Redis, no Polar, no MinIO.
common=(--detach --label "lifeboat.drill=$$" --network host --env BRIVEN_ENV=development --env BRIVEN_DATA_PLANE_URL
    --env BRIVEN_RUNTIME_SHARED_SECRET)
docker run --name "$runtime" "${common[@]}" --env "BRIVEN_RUNTIME_PORT=$BRIVEN_SMOKE_RUNTIME_PORT" \
    --env "BRIVEN_API_INTERNAL_URL=$origin" --env BRIVEN_RUNTIME_BUNDLE_DIR=/tmp/bundles "$BRIVEN_RUNTIME_IMAGE" >/dev/null
docker run --name "$api" "${common[@]}" --env "BRIVEN_API_PORT=$BRIVEN_SMOKE_API_PORT" --env "BRIVEN_API_ORIGIN=$origin" \
    --env "BRIVEN_RUNTIME_URL=http://127.0.0.1:$BRIVEN_SMOKE_RUNTIME_PORT" --env BRIVEN_DATABASE_URL \
    --env BRIVEN_ENCRYPTION_KEY --env BRIVEN_BETTER_AUTH_SECRET "$BRIVEN_API_IMAGE" >/dev/null
answers "http://127.0.0.1:$BRIVEN_SMOKE_RUNTIME_PORT/health" "$runtime"
answers "$origin/ready" "$api"
echo "smoke: the API is ready on the restored control plane"

# The API's own code opens them. Rows are counted, not shown.
docker exec --interactive "$api" bun run - <<'END' || fail "secrets of restored projects do not open with BRIVEN_ENCRYPTION_KEY"
import postgres from 'postgres';
import { decryptValue } from './src/services/project-env.ts';
const sql = postgres(process.env.BRIVEN_DATABASE_URL, { max: 1 });
let closed = 0, all = 0;
for (const { encrypted_value: value } of await sql`SELECT encrypted_value FROM project_env_vars`) {
  all += 1;
  try { decryptValue(value); } catch { closed += 1; }
}
await sql.end();
console.log(`smoke: ${all - closed} of ${all} project secrets open`);
process.exit(closed === 0 ? 0 : 1);
END

email=drill-$$@example.invalid
password=$(secret)
post /v1/auth/sign-up/email "$(jq -nc --arg email "$email" --arg password "$password" '{name: "drill", $email, $password}')" >/dev/null
post /v1/auth/sign-in/email "$(jq -nc --arg email "$email" --arg password "$password" '{$email, $password}')" >/dev/null
project=$(post /v1/projects '{"name": "restore drill"}' | jq -er .project.id) || fail "no project was made"
hello='export default async function hello() { return "hello from the drill"; }'
post "/v1/projects/$project/deployments" \
    "$(jq -nc --arg hello "$hello" '{functionCount: 1, functionNames: ["hello"], bundle: {"hello.ts": $hello}}')" |
    jq -e .deployment.id >/dev/null || fail "no deployment was made"
post "/v1/projects/$project/functions/hello" '{}' | jq -e '.ok and .value == "hello from the drill"' >/dev/null ||
    fail "the function says: $(cat "$work/answer")"
echo "smoke: signed in, made a project, deployed, invoked"
