#!/bin/bash
# deps.sh - installs what hedgerow needs to be built, tested, checked or measured.
#
#   appliance/deploy/deps.sh GROUP...      groups: build test lint bench
#
# Owns:     build/deps, in the shape which the Makefile expects of DEPS_PREFIX and BORINGSSL_PREFIX:
#               build/deps/include  build/deps/lib  build/deps/boringssl/{include,lib}
#           and one stamp per group, build/deps/GROUP.stamp.
# Promises: to be a quick no-op, without the network, when everything is there; to touch of the system
#           nothing but what `apt-get install` of named packages of its own release does (with sudo
#           when not root).
# Refuses:  systems which are not Debian 12 or later, unless DEPS_PREFIX and BORINGSSL_PREFIX say where
#           the libraries are; then it installs nothing at all.
#
# Why two ways: Debian 12 has no yyjson and llhttp, and its liburing, c-ares and BoringSSL are too old.
# The packages of Debian 13 run on Debian 12's libc, so those are fetched with an apt configuration of
# our own (sources, lists and cache under build/deps; the mirror is the one which the machine's own
# sources name; signatures are checked against the installed Debian keyring) and unpacked, not
# installed. Debian 13 takes the same way, so that both build against the same libraries.
set -euo pipefail
cd "$(dirname "$0")/../.."

deps=$PWD/build/deps
unpacked_suite=trixie
unpacked_packages="liburing-dev liburing2 libc-ares-dev libcares2 libllhttp-dev libllhttp9.2
    libyyjson-dev libyyjson0 android-libboringssl-dev android-libboringssl linux-libc-dev"

# The packages of a group which the system's own release provides.
packages_of() {
    case $1 in
    build) echo gcc libc6-dev binutils make libjemalloc-dev libyaml-dev zlib1g-dev libnghttp2-dev \
        libstdc++6 ca-certificates ;;
    test) echo clang libclang-rt-dev curl openssl procps $(missing_command node nodejs) \
        $(missing_command npm npm) $(missing_command python3 python3) $(missing_venv) ;;
    lint) echo clang clang-format clang-tidy ;;
    bench) echo nginx-light curl openssl procps ;;
    *) die "no such group: $1 (build, test, lint, bench)" ;;
    esac
}

# Not every machine has node from a Debian package; any node will do.
missing_command() {
    command -v "$1" >/dev/null || echo "$2"
}

# Python can make environments with pip in them; Debian has that apart.
missing_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

say() { echo "deps: $*" >&2; }
die() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "need root or sudo for: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The system's lists, when there are none or they are more than a day old.
apt_lists_refresh() {
    local young
    young=$(find /var/lib/apt/lists -maxdepth 1 -name '*_InRelease' -mmin -1440 -print -quit 2>/dev/null)
    [ -n "$young" ] && [ "${1:-}" != now ] || as_root apt-get -q update >&2
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@" >&2
}

install_missing() {
    local wanted=() package
    for package in "$@"; do
        is_installed "$package" || wanted+=("$package")
    done
    [ ${#wanted[@]} -gt 0 ] || return 0
    say "installing ${wanted[*]}"
    apt_lists_refresh
    apt_install "${wanted[@]}" || {
        apt_lists_refresh now # a mirror moves on, and old lists then name files which are gone
        apt_install "${wanted[@]}"
    }
}

# The mirror which the machine's own sources name for Debian's archive ($1 = Debian) or for its
# security archive ($1 = Debian-Security). apt reads both forms of sources for us.
mirror_of() {
    apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' \
        "Label: $1" 'Component: main' 2>/dev/null | head -n 1
}

debian_keyring() {
    local file
    for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
        [ ! -e "$file" ] || { echo "$file" && return; }
    done
    die "the package debian-archive-keyring is missing"
}

# Writes the private apt configuration. Of the machine's own only what says how to reach a mirror.
apt_private_configure() {
    local mirror security keyring
    mirror=$(mirror_of Debian)
    if [ -z "$mirror" ]; then
        apt_lists_refresh now
        mirror=$(mirror_of Debian)
    fi
    [ -n "$mirror" ] || die "apt's sources name no Debian mirror; set DEPS_PREFIX and BORINGSSL_PREFIX"
    security=$(mirror_of Debian-Security)
    keyring=$(debian_keyring)

    mkdir -p "$deps"/apt/{parts,state/lists/partial,cache/archives/partial}
    {
        echo "deb [signed-by=$keyring] $mirror $unpacked_suite main"
        echo "deb [signed-by=$keyring] $mirror $unpacked_suite-updates main"
        [ -z "$security" ] || echo "deb [signed-by=$keyring] $security $unpacked_suite-security main"
    } >"$deps/apt/sources.list"
    {
        apt-config dump | grep -E '^Acquire::(https?|Retries|ForceIPv[46])\b' || true
        echo "Dir::Etc::main \"/dev/null\";"
        echo "Dir::Etc::parts \"$deps/apt/parts\";"
        echo "Dir::Etc::sourcelist \"$deps/apt/sources.list\";"
        echo "Dir::Etc::sourceparts \"/dev/null\";"
        echo "Dir::Etc::preferences \"/dev/null\";"
        echo "Dir::Etc::preferencesparts \"/dev/null\";"
        echo "Dir::State \"$deps/apt/state\";"
        echo "Dir::State::status \"/dev/null\";"
        echo "Dir::Cache \"$deps/apt/cache\";"
        echo "Acquire::Languages \"none\";"
        echo "APT::Architecture \"$(dpkg --print-architecture)\";"
        # apt's own user may not reach the folder of whoever builds.
        echo "APT::Sandbox::User \"$(id -un)\";"
    } >"$deps/apt/apt.conf"
}

# libcares.a of Debian 13 calls the C23 names of strtol and strtoul, which Debian 12's libc (2.36) has
# not. They differ from the old ones only in reading "0b1" as binary, which c-ares does not ask for.
archives_fit_libc() {
    local lib=$1 archive version
    version=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
    [ "$(printf '%s\n2.38\n' "$version" | sort -V | head -n 1)" = 2.38 ] && return
    for archive in "$lib"/*.a; do
        objcopy --redefine-sym __isoc23_strtol=strtol --redefine-sym __isoc23_strtoul=strtoul \
            --redefine-sym __isoc23_strtoull=strtoull --redefine-sym __isoc23_sscanf=sscanf "$archive"
    done
}

unpack() {
    local triplet root=$deps/root archive list
    # What is unpacked, for which machine, by which version of this script.
    list="$(dpkg --print-architecture) $(getconf GNU_LIBC_VERSION) $(cksum <"$0")"
    [ "$(cat "$root/.unpacked" 2>/dev/null)" != "$list" ] || return 0
    say "fetching $unpacked_suite packages for $deps"
    # Trixie's signing keys came to Debian 12's keyring with an update of it.
    [ -e /usr/share/keyrings/debian-archive-trixie-stable.gpg ] ||
        [ -e /usr/share/keyrings/debian-archive-trixie-stable.pgp ] ||
        { apt_lists_refresh now && apt_install debian-archive-keyring; }

    apt_private_configure
    export APT_CONFIG=$deps/apt/apt.conf
    # Without Error-Mode=any a mirror that cannot be reached is only a warning.
    apt-get -q -o APT::Update::Error-Mode=any update >&2
    rm -rf "$root" "$deps/debs" && mkdir -p "$root" "$deps/debs"
    # shellcheck disable=SC2086 # a list of words
    (cd "$deps/debs" && apt-get -q download $unpacked_packages >&2)
    unset APT_CONFIG
    for archive in "$deps"/debs/*.deb; do
        case $archive in
        # liburing.h wants one header that Debian 12's kernel headers (6.1) do not have. Only that
        # one: the others are to stay those of the system.
        */linux-libc-dev_*)
            dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$root" ./usr/include/linux/blkdev.h ;;
        *) dpkg-deb -x "$archive" "$root" ;;
        esac
    done

    triplet=$(basename "$(dirname "$(find "$root/usr/lib" -name liburing.a)")")
    archives_fit_libc "$root/usr/lib/$triplet"
    mkdir -p "$deps/boringssl"
    ln -sfn root/usr/include "$deps/include"
    ln -sfn "root/usr/lib/$triplet" "$deps/lib"
    ln -sfn ../root/usr/include/android "$deps/boringssl/include"
    ln -sfn "../root/usr/lib/$triplet/android" "$deps/boringssl/lib"
    for archive in include/liburing.h include/ares.h include/llhttp.h include/yyjson.h \
        boringssl/include/openssl/base.h lib/liburing.a lib/libcares.a boringssl/lib/libssl.so; do
        [ -e "$deps/$archive" ] || die "$deps/$archive is not in the packages"
    done
    rm -rf "$deps/debs" "$deps/apt"
    echo "$list" >"$root/.unpacked"
}

prefixes_given() {
    [ -n "${DEPS_PREFIX_GIVEN:-}" ] && [ -n "${BORINGSSL_PREFIX_GIVEN:-}" ]
}

prefixes_help() {
    cat >&2 <<'END'
deps: this system is not Debian 12 or later. Install gcc (12 or later), GNU make, and the development files
deps: of jemalloc, libyaml, zlib and nghttp2; for the tests clang with compiler-rt, curl, openssl and node.
deps: Then say where the other libraries are:
deps:   make DEPS_PREFIX=DIR BORINGSSL_PREFIX=DIR
deps: DEPS_PREFIX       include/ and lib/ of liburing 2.9+, c-ares 1.26+; for the tests llhttp 9 and yyjson
deps: BORINGSSL_PREFIX  include/openssl/ and lib/ (libssl, libcrypto) of BoringSSL
END
    exit 1
}

[ $# -gt 0 ] || die "usage: $0 GROUP... (build, test, lint, bench)"
mkdir -p "$deps"
# Several makes may run in one tree.
exec 9>"$deps/.lock"
flock 9

is_debian=$(. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ] &&
    [ "${VERSION_ID:-99}" -ge 12 ] && echo yes || true)
[ "$is_debian" = yes ] || prefixes_given || prefixes_help

for group in "$@"; do
    packages=$(packages_of "$group")
    if [ "$is_debian" = yes ]; then
        # shellcheck disable=SC2086 # a list of words
        install_missing $packages
        if [ "$group" = build ] && ! prefixes_given; then
            unpack
        fi
    fi
    touch "$deps/$group.stamp"
done
