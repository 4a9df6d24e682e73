#!/bin/sh
#
# bare.sh - the README's commands, and the suite, where next to nothing is
# installed: in root directories that have nothing from here, no /proc, no
# /etc/hosts and no ps that POSIX knows.
#
#     Debian     gcc, make, and no more than has to be
#     busybox    nothing of GNU: gather is built by bmake and tcc, with musl,
#                and these are gone when the suite runs
#     toybox     the same; dash, Kernighan's awk, and from busybox the four
#                utilities that toybox lacks (dd, diff, fold, tr)
#
#     tests/bare.sh              all tests; some two minutes
#     tests/bare.sh busybox      those whose names match: a pattern of the
#                                shell, found anywhere in the name
#     CI=1 tests/bare.sh         what is missing is a failure
#
# What is built there is HEAD, not what has been changed since.  Needs root,
# git, unshare, timeout, the network, and of Debian dpkg and debootstrap; it
# takes packages from where apt takes them.  The suite runs in the three of
# them at the same time, as it sleeps for longer than it computes.
#
# Output is TAP.  The last line is `N passed, N failed`, then `, N skipped` if
# some were; the exit status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
umask 022
chmod 755 "$dir"
cd "$dir" || exit 1

tidy() {
    for mark in "$dir/Debian" "$dir/busybox" "$dir/toybox"; do
        sweep
    done
}

# try ROOT PROPERTY COMMAND: the command, whose log is ./ROOT.log, proves it of
# that root; what it says is what is wrong.
try() {
    root=$1 name="$1: $2" mark=$dir/$1
    shift 2
    wanted "$name" || return 0
    lacking "$name" && return
    result "$name" "$("$@" 2>&1)"
    sweep
}

# limited SECONDS COMMAND: runs it, with its output in the log; shows the end
# of that if it fails.  It may mount things, which are gone when it ends.
limited() {
    seconds=$1
    shift
    GATHER_TEST=$mark timeout -k 10 "$seconds" unshare -m "$@" \
        >"$root.log" 2>&1 </dev/null && return
    echo "# status $?: $*"
    awk '/^not ok/ { on = 1 } /^ok/ { on = 0 } on' "$root.log" |
        sed 's/^/# /;40q'
    tail -n 20 "$root.log"
    return 1
}

# inside SCRIPT: runs it in the root's /src, with nothing from here.
inside() {
    limited 500 chroot "$root" /bin/env -i GATHER_TEST="$mark" \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd /src && $1"
}

# copy DIRECTORY: puts HEAD there.
copy() {
    mkdir -p "$1" && git -c safe.directory='*' -C "$here" archive HEAD |
        tar -x -f - -C "$1"
}

# demonstrate COMMANDS: they end with the demonstration, which is right.
demonstrate() {
    inside "$1" && tail -n 1 "$root.log" |
        grep -v '^20 of 20 cursors complete and right, 20971520 of 20971520 '
}

# begin ROOT COMMAND: runs test.sh by that command, beside what comes next, if
# the test that asks for its verdict is wanted.
begin() {
    root=$1 mark=$dir/$1
    # shellcheck disable=SC2254 # it is a pattern
    case "$root: test.sh" in
    *$pattern*) ;;
    *) return ;;
    esac
    [ ! -x "$root/src/gather" ] || inside "$2" >"$root.said" 2>&1 &
}

# verdict: what the run of test.sh in this root had to say.  None fails, and
# what is skipped is what nobody could have there.
verdict() {
    cat "$root.said"
    tail -n 1 "$root.log" | grep -q '^[1-9][0-9]* passed, ' ||
        tail -n 40 "$root.log"
    cat >want <<'end'
/dev/stderr
/dev/stdin
/dev/stdout
/proc
/proc/self/fd
ingreslock in /etc/services
localhost in /etc/hosts
ps -A
ps -A -o ppid
ps -o rss
unshare and ps -A
end
    sed -n 's/.* # SKIP no //p' "$root.log" | sort -u >got
    cmp -s want got || diff want got | sed 's/^/# skipped, < wanted, > got: /'
}

# --- Without GNU

need git git
need unshare util-linux
need dpkg-deb dpkg
[ "$(id -u)" = 0 ] || lack='root'
musl=$(uname -m)-linux-musl

# unpack PACKAGE ...: puts these of Debian there.
unpack() {
    limited 100 apt-get -q -o APT::Sandbox::User=root download "$@" || return
    for package; do
        dpkg-deb -x "$package"_*.deb "$root" || return
    done
    rm ./*.deb
}

# little: makes a root directory with tcc and bmake, and the libc that Debian
# links these with; libraries of musl are where that tcc looks for any.
little() {
    mkdir "$root" "$root/bin" "$root/dev" "$root/tmp"
    chmod 1777 "$root/tmp"
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/zero" c 1 5
    mknod -m 666 "$root/dev/full" c 1 7
    mknod -m 666 "$root/dev/urandom" c 1 9
    copy "$root/src" && unpack tcc bmake libc6 musl-dev busybox-static "$@" &&
        cp "$root/usr/lib/$musl"/*.[ao] "$root/usr/lib/${musl%musl}gnu" &&
        ln -s bmake "$root/usr/bin/make"
}

busybox() {
    little && limited 60 chroot "$root" /bin/busybox --install -s /bin
}

toybox() {
    little toybox libcrypt1 dash original-awk || return
    mv "$root/usr/bin/original-awk" "$root/bin/awk"
    limited 60 chroot "$root" /bin/toybox || return
    tools=$(cat "$root.log")
    for tool in $tools; do
        ln -s toybox "$root/bin/$tool"
    done
    for tool in dd diff fold tr; do
        ln -s busybox "$root/bin/$tool" # toybox has none
    done
}

# built: builds gather there, and shows what the compiler has to say.
built() {
    inside "make -s CC='tcc -Wall -I/usr/include/$musl' LDFLAGS=-static" &&
        cat "$root.log"
}

# common: what the suites have in common does its work there.
common() {
    cat >want <<'end'
ok 1 - good
not ok 2 - a bad one
# why
ok 3 - another # SKIP no luck
1..3
1 passed, 1 failed, 1 skipped
-O2
end
    # shellcheck disable=SC2016 # for the shell there
    inside 'sh -c ". tests/tap.sh; pattern=oo; wanted good && result good \"\"
        wanted bad; pattern=; wanted bad && result \"a bad one\" why
        wanted another && skip another luck; finish; value CFLAGS" tests/x' \
        "$root/src"
    diff want "$root.log"
}

# bared: takes away what the build has needed, and shows what GNU has made of
# what is left.
bared() {
    rm -r "${root:?}/usr"
    [ "$root" = toybox ] || rm -r "$root"/lib*
    find "$root/bin" -type f -exec \
        grep -l 'GNU coreutils\|Free Software Foundation' {} +
}

# little_root NAME: all that is proved of it but its verdict.
little_root() {
    try "$1" 'it can be made' "$1"
    [ -d "$1/src" ] || lack=${lack:-such root}
    try "$1" 'bmake, with tcc and musl' built
    try "$1" 'what the suites have in common' common
    try "$1" 'nothing of GNU is left' bared
    try "$1" './gather' demonstrate ./gather
    begin "$1" 'sh test.sh'
}
little_root busybox
little_root toybox

# --- Debian

lack=''
need git git
need unshare util-linux
need debootstrap debootstrap
[ "$(id -u)" = 0 ] || lack='root'

# debian: makes that root.
debian() {
    release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    # shellcheck disable=SC2016 # for apt-get
    site=$(apt-get indextargets --format '$(SITE) $(RELEASE)' \
        'Created-By: Packages' | sed -n "s/ $release\$//p" | sed 1q)
    limited 400 debootstrap --variant=minbase --include=gcc,libc6-dev,make \
        "$release" "$root" "$site" || return
    rm -rf "$root/var/cache" "$root/usr/share/doc"
    copy "$root/src"
}

try Debian 'it can be made' debian
[ -d Debian/src ] || lack=${lack:-such root}
try Debian 'make && ./gather' demonstrate 'make && ./gather'
begin Debian 'make test'

# --- The verdicts

wait
for name in busybox toybox Debian; do
    lack=''
    [ -f "$name.said" ] || lack='such root'
    try "$name" 'test.sh' verdict
done

finish
