#!/bin/bash
# docker exec [-i] [-u USER] [-e NAME=VALUE]... CONTAINER COMMAND...
folder='@FOLDER@'
printf '%q ' "$@" | sed 's/ $/\n/' >>"$folder/calls"

[ "$1" = exec ] || { echo "docker: '$1' is not a docker command." >&2; exit 1; }
shift
variables=()
while true; do
    case $1 in
        -i | --interactive) shift ;;
        -u | --user) shift 2 ;;
        -e | --env) variables+=("$2"); shift 2 ;;
        -*) echo "unknown shorthand flag: '$1'" >&2; exit 125 ;;
        *) break ;;
    esac
done
[ "$1" = '@CONTAINER@' ] || { echo "Error response from daemon: No such container: $1" >&2; exit 1; }
shift

tool=(env -i @ENVIRONMENT@ "${variables[@]}")
"${tool[@]}" env >>"$folder/environments"

# In a session of its own, and drained when our reader is gone: a killed client does not end what runs in the container.
exec 3<&0
setsid bash -c 'set -o pipefail; "$@" <&3 3<&- | { cat || cat >/dev/null; }' bash "${tool[@]}" "$@" &
wait $!
