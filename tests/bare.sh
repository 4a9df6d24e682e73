#!/bin/sh
#
# bare.sh - the README's commands, and the suite, where next to nothing is
# installed: in a Debian that has gcc, make and no more than has to be, and in
# a root that has nothing but busybox and a gather linked with musl.  Neither
# has /proc, /etc/hosts or a ps that POSIX knows.
#
#     tests/bare.sh              all tests; some three minutes
#     tests/bare.sh busybox      those whose names match: a pattern of the
#                                shell, found anywhere in the name
#     CI=1 tests/bare.sh         what is missing is a failure
#
# What is built there is HEAD, not what has been changed since.  Needs root,
# git, unshare, the network, and of Debian debootstrap and musl-tools; it takes
# packages from where apt takes them.
#
# Output is TAP.  The last line is `N passed, N failed`, then `, N skipped` if
# some were; the exit status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
umask 022
chmod 755 "$dir"
cd "$dir" || exit 1

lack=''

# need COMMAND PACKAGE: sets lack if there is no such command.
need() {
    command -v "$1" >/dev/null || lack=${lack:-$1 (Debian: $2)}
}

# try NAME COMMAND: the command proves it; what it says is what is wrong.
try() {
    name=$1
    shift
    wanted "$name" || return 0
    if [ -n "$lack" ] && [ -z "${CI-}" ]; then
        skip "$name" "$lack"
    elif [ -n "$lack" ]; then
        result "$name" "there is no $lack"
    else
        result "$name" "$("$@" 2>&1)"
        sweep
    fi
}

# limited SECONDS COMMAND: runs it, with its output in ./log; shows the end of
# that if it fails.  It may mount things, which are gone when it ends.
limited() {
    seconds=$1
    shift
    GATHER_TEST=$mark timeout -k 10 "$seconds" unshare -m "$@" >log 2>&1 \
        </dev/null && return
    echo "# status $?: $*"
    awk '/^not ok/ { on = 1 } /^ok/ { on = 0 } on' log | sed 's/^/# /;40q'
    tail -n 20 log
    return 1
}

# inside ROOT SCRIPT: runs it in that root's /src, with nothing from here.
inside() {
    limited 500 chroot "$1" /usr/bin/env -i GATHER_TEST="$mark" \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /src && $2"
}

# copy DIRECTORY: puts HEAD there.
copy() {
    mkdir -p "$1" && git -c safe.directory='*' -C "$here" archive HEAD |
        tar -x -f - -C "$1"
}

# demonstrate ROOT COMMANDS: they end with the demonstration, which is right.
demonstrate() {
    inside "$1" "$2" && tail -n 1 log |
        grep -v '^20 of 20 cursors complete and right, 20971520 of 20971520 '
}

# suite ROOT COMMAND: runs test.sh by that command.  None fails, and what is
# skipped is what nobody could have there.
suite() {
    inside "$1" "$2"
    tail -n 1 log | grep -q '^[1-9][0-9]* passed, ' || tail -n 40 log
    cat >want <<'end'
/proc/self/fd
ingreslock in /etc/services
localhost in /etc/hosts
ps -A
ps -A -o ppid
ps -o rss
end
    sed -n 's/.* # SKIP no //p' log | sort -u >got
    cmp -s want got || diff want got | sed 's/^/# skipped, < wanted, > got: /'
}

# --- Debian

need git git
need unshare util-linux
need debootstrap debootstrap
[ "$(id -u)" = 0 ] || lack='root'

# debian: builds that root.
debian() {
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2016 # for apt-get
    site=$(apt-get indextargets --format '$(SITE) $(RELEASE)' \
        'Created-By: Packages' | sed -n "s/ $release\$//p" | sed 1q)
    limited 400 debootstrap --variant=minbase --include=gcc,libc6-dev,make \
        "$release" debian "$site" || return
    rm -rf debian/var/cache debian/usr/share/doc
    copy debian/src
}

try 'Debian: it can be built' debian
[ -d debian/src ] || lack=${lack:-such root}
try 'Debian: make && ./gather' demonstrate debian 'make && ./gather'
try 'Debian: make test' suite debian 'make test'
rm -rf debian

# --- busybox

lack=''
need git git
need unshare util-linux
need dpkg-deb dpkg
need musl-gcc musl-tools
need make make
[ "$(id -u)" = 0 ] || lack='root'

# busybox: builds that root.
busybox() {
    for d in bin usr/bin dev tmp; do
        mkdir -p "little/$d"
    done
    chmod 1777 little/tmp
    mknod -m 666 little/dev/null c 1 3
    mknod -m 666 little/dev/zero c 1 5
    mknod -m 666 little/dev/full c 1 7
    mknod -m 666 little/dev/urandom c 1 9
    if ! limited 100 apt-get -q -o APT::Sandbox::User=root download \
        busybox-static || ! dpkg-deb -x busybox-static*.deb package; then
        return
    fi
    cp package/bin/busybox little/bin
    limited 60 chroot little /bin/busybox --install -s /bin
    ln -s /bin/env little/usr/bin/env
    copy little/src
    limited 100 make -C little/src CC='musl-gcc -static' \
        CFLAGS='-O2 -Wall -Werror'
}

try 'busybox: it can be built' busybox
[ -x little/src/gather ] || lack=${lack:-such root}
try 'busybox: ./gather' demonstrate little ./gather
try 'busybox: test.sh' suite little 'sh test.sh'

finish
