# HOME RUN SIGNAL GRACE COMMAND...: runs COMMAND until nobody holds a lock on HOME/users, then ends it and removes RUN.
home=$1 run=$2 signal=$3 grace=$4
shift 4
abandoned=

"$@" &
server=$!
echo "$server" >"$run/pid"

finish() {
    kill -s "$signal" "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    # What the server leaves outside its folder.
    [ ! -f "$run/leftovers" ] || xargs -d '\n' rm -f <"$run/leftovers"
    cp "$run/log" "$home/last.log" 2>/dev/null
    grep -qsF "$run" "$home/state" && rm -f "$home/state"
    rm -rf "$run" ${abandoned:+"$abandoned"}
    exit 0
}
trap finish TERM

# The exclusive lock is kept while the server ends: who comes meanwhile waits, and then starts a new one.
exec 9>>"$home/users"
idle=0
while kill -0 "$server" 2>/dev/null; do
    if flock --exclusive --nonblock 9; then
        if [ "$idle" -ge "$grace" ]; then
            # Nobody is left to remove the home of a server of one's own.
            [ "$grace" -gt 0 ] || abandoned=$home
            finish
        fi
        flock --unlock 9
        idle=$((idle + 1))
    else
        idle=0
    fi
    sleep 1 9>&- &
    wait $!
done
finish
