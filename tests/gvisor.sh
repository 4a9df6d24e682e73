#!/bin/sh
#
# gvisor.sh - test.sh on a kernel that is not Linux: gVisor, which has
# processes, signals, pipes, files and TCP of its own, in one process of Linux.
#
#     tests/gvisor.sh              the groups of tests named below; some five
#                                  minutes
#     tests/gvisor.sh ledger       those groups whose names match: a pattern of
#                                  the shell, found anywhere in the name
#     ALL=1 tests/gvisor.sh        all of test.sh, in one sandbox: ten minutes
#     CI=1 tests/gvisor.sh         what is missing is a failure
#     DEADLINE=300 tests/gvisor.sh gives each test so many seconds (200)
#
# Needs root, timeout, make, a C compiler and runsc (Debian: runsc); no KVM,
# since gVisor catches system calls by ptrace() here.  The network is its own
# loopback interface, which is up; files are those of this machine, and what is
# written to them is gone at the end.
#
# Each group has a sandbox of its own.  gVisor takes a thread of Linux for each
# of its own threads in each of its processes, and its threads become more as
# it runs: all of test.sh in one sandbox had 21,428 at a time.  Without another
# thread to have (/proc/sys/kernel/pid_max, 32,768 as a rule) it panics, and
# says so in its panic log only: then that is shown.
#
# Output is TAP.  The last line is `N passed, N failed`, then `, N skipped` if
# some were; the exit status is 0 if none failed.  A group is one test here;
# the line before has what test.sh counts.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
umask 022
cd "$dir" || exit 1
export DEADLINE="${DEADLINE:-200}"

need runsc runsc
need timeout coreutils
need make make
need cc gcc
[ "$(id -u)" = 0 ] || lack='root'

# sandbox COMMAND: runs it in a sandbox, with its output in ./log.
sandbox() {
    TMPDIR=$dir GATHER_TEST=$mark timeout -k 10 1200 runsc --network=none \
        --platform=ptrace --ignore-cgroups --panic-log="$dir/panic" \
        'do' -quiet "$@" >log 2>errors </dev/null
}

# build: gather, in a copy of the sources.
build() {
    mkdir src src/lib &&
        cp "$here"/*.[ch] "$here/Makefile" "$here/test.sh" src &&
        cp "$here"/lib/*.[ch] src/lib && (cd src && make -s)
}

# kernel: what the sandbox runs on says that it is gVisor.
kernel() {
    sandbox dmesg
    grep -q 'Starting gVisor' log || sed 5q log errors
}

# group PATTERN: these tests of test.sh.  None fails; what is skipped is what
# gVisor has not, or this machine.
group() {
    sandbox sh src/test.sh "$1"
    awk '/^not ok/ { on = 1 } /^ok/ { on = 0 } on' log
    tail -n 1 log | grep -q '^[1-9][0-9]* passed, ' || {
        echo "# it ended after: $(tail -n 1 log)"
        sed 20q errors
        [ ! -s panic ] || sed 5q panic
    }
    cat >known <<'end'
E2BIG for one that is too long (gVisor)
ingreslock in /etc/services
orphaned groups that TSTP does not stop (gVisor)
orphaned groups that get no HUP later on (gVisor)
unshare and ps -A
unshare, for a loopback interface that is down
end
    sed -n 's/.* # SKIP no //p' log | grep -vxF -f known |
        sed 's/^/# skipped, too: /'
}

# try NAME COMMAND: the command proves it; what it says is what is wrong.
try() {
    name=$1
    shift
    wanted "$name" || return 0
    lacking "$name" && return
    : >log
    bad=$("$@" 2>&1)
    sed -n '$s/^[0-9]* passed/# &/p' log
    result "$name" "$bad"
    sweep
}

if [ -z "$lack" ] && ! build; then
    echo 'Bail out! Unable to build gather.'
    exit 1
fi
try 'the kernel is gVisor' kernel

# What asks the kernel for most.
set -- 'status' 'death by' 'signals:' 'descriptors:' 'command:' 'jobs:' \
    'output:' 'failure:' 'time:' 'files:' 'ledger:' '-[bctw][:,]' '-j 0:' \
    'token:' 'strangers:' 'accident:'
[ -z "${ALL-}" ] || set -- '' # a part of every name
for name; do
    try "test.sh '$name'" group "$name"
done

finish
