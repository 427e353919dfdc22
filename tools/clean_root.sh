#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# clean_root.sh: runs a command of this tree in a Debian that has nothing else in it.
#
#     tools/clean_root.sh SUITE COMMAND...      bookworm, trixie; as root, or else by sudo
#
# A root made by debootstrap is kept in $XDG_CACHE_HOME/carillon (else /var/cache/carillon) and
# copied for each run, together with the tracked files of the tree as they are on disk. There an
# ordinary user, who may become root by sudo without a password, runs the command. Packages that it
# installs are fetched once. The mirror and the way to it are those of this machine's own apt;
# DEBIAN_MIRROR names another.
#
# The run has its own process numbers and mounts, so that whatever ends it, the kernel ends its
# processes and takes its mounts away, and nobody else ever sees them.

set -eu
cd "$(dirname "$0")/.."

die() {
    printf 'clean_root: %s\n' "$*" >&2
    exit 1
}

# --- What apt knows ------------------------------------------------------------------------------

# Where this machine's apt gets the release from that is installed here.
mirror() {
    if [ -n "${DEBIAN_MIRROR:-}" ]; then
        echo "$DEBIAN_MIRROR"
        return
    fi
    local here
    here=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # The names in the format are apt's.
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v here="$here" '$1 == here && $2 == "main" && !seen++ { print $3 }'
}

# Proxies, and whether the dates of a mirror can be believed.
apt_settings() {
    apt-config dump --format '%f "%v";%n' | grep -E '^Acquire::(http|https|Check-|Retries)' || true
}

# --- The root ------------------------------------------------------------------------------------

# Made under another name, so that a root with its own is whole.
make_root() { # ROOT SUITE
    local from proxy=
    from=$(mirror)
    [ -n "$from" ] || die "this machine's apt has no mirror of Debian: set DEBIAN_MIRROR"
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    rm -rf "$1.new"
    http_proxy=${proxy:-${http_proxy:-}} debootstrap --variant=minbase \
        --include=sudo,ca-certificates "$2" "$1.new" "$from" >"$1.log" 2>&1 ||
        die "debootstrap failed: see $1.log"
    apt_settings >"$1.new/etc/apt/apt.conf.d/50machine"
    echo 'tester ALL=(ALL) NOPASSWD: ALL' >"$1.new/etc/sudoers.d/tester"
    chroot "$1.new" useradd --create-home --shell /bin/sh tester
    mv "$1.new" "$1"
}

# The files of the tree that git knows, as they are; not those that are deleted here.
copy_tree() { # FOLDER
    mkdir "$1"
    git -c "safe.directory=$PWD" ls-files -z | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
    done | tar --null --files-from=- --create | tar --extract --no-same-owner --directory "$1"
}

prepare_run() { # RUN ROOT
    rm -rf "$1"
    cp -a --reflink=auto "$2" "$1"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
    printf '127.0.0.1 localhost %s\n::1 localhost\n' "$(uname -n)" >"$1/etc/hosts"
    copy_tree "$1/home/tester/carillon"
    chroot "$1" chown -R tester: /home/tester
}

# --- The run -------------------------------------------------------------------------------------

# Becomes the first process of the run: arguments are RUN, PACKAGES, and the command.
# shellcheck disable=SC2016
inside='
    set -eu
    run=$1 packages=$2
    shift 2
    mount -t proc proc "$run/proc"
    mount --rbind /dev "$run/dev"
    mount --rbind /sys "$run/sys"
    mount --bind "$packages" "$run/var/cache/apt/archives"
    chroot --userspec=tester: "$run" env --ignore-environment --chdir=/home/tester/carillon \
        HOME=/home/tester USER=tester PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
'

child=
end_run() { # Called by a trap.
    # shellcheck disable=SC2317
    [ -z "$child" ] || kill -KILL "$child" 2>/dev/null || true
    # shellcheck disable=SC2317
    rm -rf "$run" || true
}

[ $# -ge 2 ] || die "usage: tools/clean_root.sh SUITE COMMAND..."
[ "$(id -u)" -eq 0 ] || exec sudo -- "$PWD/tools/clean_root.sh" "$@"
suite=$1
shift
command -v debootstrap >/dev/null || die "it needs the package debootstrap"
[[ $suite =~ ^[a-z]+$ && -e /usr/share/debootstrap/scripts/$suite ]] ||
    die "debootstrap knows no suite '$suite': bookworm or trixie?"

cache=${XDG_CACHE_HOME:-/var/cache}/carillon
root=$cache/$suite
run=$cache/$suite.run
packages=$cache/$suite.packages
mkdir -p "$packages"

exec 9>"$cache/$suite.lock"
flock --nonblock 9 || die "another run in $suite is under way"
[ -d "$root" ] || make_root "$root" "$suite"
trap end_run EXIT
trap 'exit 143' TERM INT HUP
prepare_run "$run" "$root"
# The run ends with this script, however that ends, and has the lock for as long as it lasts.
setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
    sh -c "$inside" clean_root "$run" "$packages" "$@" &
child=$!
code=0
wait "$child" || code=$?
child=
exit "$code"
