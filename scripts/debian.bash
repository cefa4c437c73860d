# What scripts do with Debian's archives; they read this file with `source`. It needs apt-get, and functions
# `say` and `die` of the script.
#
# Packages are looked for on the machine's own mirrors, also in suites that the machine does not use. For
# that, apt has lists of its own in the current folder, so the machine's apt state stays as it is. apt checks
# the archive's signatures.
# shellcheck shell=bash

readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the archives that this machine installs from, one address per line, in the order of apt's own files.
mirrors() {
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ -r $file ]] || continue
        # deb822 has stanzas of "Key: values". Indented lines continue the values. A disabled stanza doesn't
        # count.
        awk '
            function finish() { if (enabled) printf "%s", found; found = ""; enabled = 1; key = "" }
            BEGIN { enabled = 1 }
            /^#/ { next }
            /^[ \t]*$/ { finish(); next }
            /^[^ \t]/ { key = tolower($1); sub(/:.*/, "", key); sub(/^[^:]*:/, "") }
            key == "enabled" && tolower($1) ~ /^(no|false|0|off|without|disable)$/ { enabled = 0 }
            key == "uris" { for (i = 1; i <= NF; i++) found = found $i "\n" }
            END { finish() }' "$file"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -r $file ]] || continue
        sed -nE 's/^[[:space:]]*deb(-src)?[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\3/p' "$file"
    done
}

# Calls apt-get, or apt-cache if that is $1, with a state of its own in the current folder.
apt() {
    local command=apt-get
    [[ $1 != apt-cache ]] || { command=$1 && shift; }
    "$command" -oDir::Etc::SourceList="$PWD/sources.list" -oDir::Etc::SourceParts=/dev/null \
        -oDebug::NoLocking=1 -oDir::State="$PWD/state" \
        -oDir::State::Lists="$PWD/lists" -oDir::State::status="$PWD/status" \
        -oDir::Cache="$PWD/cache" -oAPT::Update::Error-Mode=any -oAcquire::AllowInsecureRepositories=false \
        -oAPT::Get::AllowUnauthenticated=false -oAcquire::Languages=none -oAcquire::http::Timeout=20 "$@"
}

# in_a_suite KIND SUITES COMMAND...: calls the command after apt has read the lists of a suite, for each suite
# and mirror until one call succeeds. KIND is `deb` or `deb-src`. All output goes to the file `log`.
in_a_suite() {
    local kind=$1 suites=$2 suite mirror
    mkdir -p lists/partial cache/archives/partial state
    : >status # as if nothing were installed: then everything that is needed is downloaded
    for suite in $suites; do
        while read -r mirror; do
            echo "$kind [signed-by=$KEYRING] $mirror $suite main" >sources.list
            apt update && "${@:3}" && return
        done < <(mirrors | awk '!seen[$0]++')
    done >>log 2>&1
    return 1
}

# Makes a temporary folder the current one, and puts its name into $work. Fails if this is no Debian system.
enter_work_folder() {
    [[ -r $KEYRING ]] || { say "$KEYRING is missing: apt-get install debian-archive-keyring"; return 1; }
    type -P apt-get dpkg-deb >/dev/null ||
        { say "this is no Debian system, which has apt-get and dpkg-deb"; return 1; }
    work=$(mktemp -d)
    chmod 755 "$work" # apt downloads as a user of its own, which needs access to the folder
    cd "$work"
}

# Installs those of the packages that are missing. Fails, with a word about it, if that is not possible.
install_packages() {
    local package missing=() as_root=()
    type -P dpkg-query apt-get >/dev/null ||
        { say "needed, on a Debian system: apt-get install $*"; return 1; }
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || { say "needed: apt-get install ${missing[*]}"; return 1; }
        as_root=(sudo -n)
    fi
    say "installing ${missing[*]}"
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get install -y --no-install-recommends "${missing[@]}")
    "${install[@]}" || { "${as_root[@]}" apt-get update && "${install[@]}"; } ||
        { say "could not install ${missing[*]}"; return 1; }
}
