#!/usr/bin/env bash
# A scratch database in a container, for `scratch = "command"` in [drill]: prints its connection string, and lives until
# SIGTERM or the end of standard input.
#
#   scratch-container.sh IMAGE        postgres:16-alpine, pgvector/pgvector:pg17: what production runs
#
# The container lies in the network lifeboat-drill, which has no way out: a restored copy knows the addresses and passwords of
# production, and must not reach it. This host reaches the container by its address; so do containers in the same network.
set -euo pipefail

image=${1:?usage: scratch-container.sh IMAGE}
network=lifeboat-drill
name=lifeboat-scratch-$$
# A container that nobody removed ends itself, and is gone then.
longest_seconds=43200

fail() {
    echo "scratch-container: $*" >&2
    exit 1
}

# Containers of drills and smoke tests that were killed: their label is the process id of the script that started them.
sweep() {
    local container owner
    docker ps --all --filter label=lifeboat.drill --format '{{.ID}} {{.Label "lifeboat.drill"}}' | while read -r container owner; do
        [ -d "/proc/$owner" ] || docker rm --force --volumes "$container" >/dev/null
    done
}

finish() {
    trap '' TERM INT HUP
    docker rm --force --volumes "$name" >/dev/null 2>&1 || true
    sweep || true
}

sweep
trap finish EXIT
trap 'exit 143' TERM INT HUP
docker network inspect "$network" >/dev/null 2>&1 || docker network create --internal "$network" >/dev/null

# From the environment, not the command line: other users of this host read command lines.
POSTGRES_PASSWORD=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
export POSTGRES_PASSWORD
docker run --detach --rm --name "$name" --label "lifeboat.drill=$$" --network "$network" --shm-size 256m \
    --env POSTGRES_PASSWORD --env POSTGRES_DB=drill --entrypoint timeout "$image" "$longest_seconds" \
    docker-entrypoint.sh postgres -c fsync=off -c full_page_writes=off -c max_wal_size=4GB >/dev/null

# Over TCP: while the image sets itself up, its server listens on a socket only.
for ((tries = 0; ; tries++)); do
    docker exec "$name" pg_isready --quiet --host 127.0.0.1 --username postgres && break
    [ "$tries" -lt 60 ] || fail "$image is not ready after a minute: $(docker logs --tail 5 "$name" 2>&1)"
    sleep 1
done
address=$(docker inspect --format "{{(index .NetworkSettings.Networks \"$network\").IPAddress}}" "$name")
[ -n "$address" ] || fail "$name has no address in the network $network"
echo "postgresql://postgres:$POSTGRES_PASSWORD@$address:5432/drill"
# The reader has its line; nothing else comes.
exec >/dev/null

# Standard input ends with the drill, even when that is killed. In the background, so that a signal is not kept waiting.
exec 3<&0
cat <&3 &
wait $!
