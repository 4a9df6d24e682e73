# shellcheck shell=sh
#
# tap.sh - what the suites beside it have in common; sourced by them first.
#
#     here          the top of the tree
#     dir           an empty directory, which is gone at the end
#     tested        makes GATHER an absolute name, or bails out
#     wanted NAME   is this test to be run?  If so, it is counted
#     result NAME REASON   it has passed, if there is no reason against it
#     skip NAME LACK       it cannot be run, as there is none of that
#     need COMMAND PACKAGE sets `lack` if there is no such command
#     lacking NAME         is `lack` set?  Then the test is skipped, or fails if
#                          CI is set
#     left N        what has the mark of this test N tenths of a second later
#     sweep         kills that
#     finish        the last lines; fails if a test has
#     value NAME    a variable of the Makefile
#
# The mark is GATHER_TEST=$mark in the environment.  A suite may define tidy(),
# which is called before its end, and set `pattern`, of the tests to run.
#
# POSIX shell and utilities are enough for this, but for processes with a mark:
# to find them takes Linux's /proc, and a grep with -z, as GNU, busybox and
# toybox have it.  Elsewhere there seem to be none.  A suite that needs more
# says so.

LC_ALL=C
export LC_ALL
unset GATHER_ITEM GATHER_WHICH GATHER_TOKEN CDPATH ENV PS4
umask 077

here=$(cd "$(dirname "$0")/.." && pwd) || exit 1
passed=0 failed=0 skipped=0 number=0 pattern='' lack=''
# In another namespace there may be another process of this number.
try=0
until dir=${TMPDIR:-/tmp}/gather.$$.$try && mkdir "$dir" 2>/dev/null; do
    [ $((try += 1)) -lt 100 ] && continue
    echo "Bail out! Unable to create $dir."
    exit 1
done
dir=$(cd "$dir" && pwd) || exit 1
mark=$dir
tidy() { :; }
trap 'sweep; tidy; cd /; rm -rf "$dir"' 0
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

tested() {
    case ${GATHER:=$here/gather} in
    /*) ;;
    *) GATHER=$(pwd)/$GATHER ;;
    esac
    export GATHER
    [ -x "$GATHER" ] && [ ! -d "$GATHER" ] && return
    echo "Bail out! There is no $GATHER: say make first."
    exit 1
}

wanted() {
    # shellcheck disable=SC2254 # it is a pattern
    case $1 in
    *$pattern*) number=$((number + 1)) ;;
    *) return 1 ;;
    esac
}

result() {
    if [ -z "$2" ]; then
        passed=$((passed + 1))
        printf '%s\n' "ok $number - $1"
    else
        failed=$((failed + 1))
        printf '%s\n' "not ok $number - $1"
        printf '%s\n' "$2" | sed '/^#/!s/^/# /'
    fi
}

skip() {
    skipped=$((skipped + 1))
    printf '%s\n' "ok $number - $1 # SKIP no $2"
}

need() {
    command -v "$1" >/dev/null || lack=${lack:-$1 (Debian: $2)}
}

lacking() {
    [ -n "$lack" ] || return
    if [ -n "${CI-}" ]; then
        result "$1" "there is no $lack"
    else
        skip "$1" "$lack"
    fi
}

# marked: the processes of this test.
marked() {
    grep -lsFxz "GATHER_TEST=$mark" /proc/[0-9]*/environ | tr -cd '0-9\n'
}

sweep() {
    for pid in $(marked); do
        kill -s KILL "$pid"
    done 2>/dev/null
}

left() {
    n=0
    while [ -n "$(marked)" ] && [ $((n += 1)) -le "$1" ]; do
        sleep 0.1
    done
    for pid in $(marked); do
        echo "# left behind: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
    done 2>/dev/null
}

value() {
    # shellcheck disable=SC2016 # for make
    printf 'include Makefile\nshow-value:\n\t@echo $(%s)\n' "$1" |
        (cd "$here" && make -s -f - show-value)
}

finish() {
    echo "1..$number"
    printf '%s' "$passed passed, $failed failed"
    [ "$skipped" -eq 0 ] || printf '%s' ", $skipped skipped"
    echo
    [ "$failed" -eq 0 ]
}
