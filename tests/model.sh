#!/bin/sh
#
# model.sh - has spin check gather.pml: every order in which threads, children
# and signals can come, for 3 children and 5 items; 3 or 4 items where 5 would
# take too long.  Needs spin and a compiler.
#
#     tests/model.sh               all tests; about a minute
#     tests/model.sh 'memory'      those whose names match: a pattern of the
#                                  shell, found anywhere in the name
#     CC=clang tests/model.sh      compiles with that (cc)
#     DEADLINE=200 tests/model.sh  gives each search so many seconds (60)
#
# The second half breaks the model, each time in one place, so that each thing
# it claims is seen to fail.  Output is TAP; the comment behind a test says how
# many states there are, and what was found.  The last line is `N passed, N
# failed`; the exit status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
: "${CC:=cc}" "${DEADLINE:=60}"
model=$here/tests/gather.pml
for tool in spin "$CC" timeout; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "1..0 # SKIP no $tool"
        echo '0 passed, 0 failed'
        exit 0
    fi
done
cd "$dir" || exit 1

# search OPTION ...: generates, compiles and runs the search; memory at most
# 2,000 MB.  What it says is in `out`.  Without optimisation: compiling the
# generated program would take longer than it runs.
search() {
    kind=-DSAFETY loops=
    case " $* " in
    *' -DLOOPS '*) kind=-DNP loops=-l ;;
    esac
    rm -f out pan*
    spin -a "$@" "$model" >out 2>&1 &&
        "$CC" -O0 -w $kind -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c >>out 2>&1 &&
        timeout "$DEADLINE" ./pan $loops -m100000 >>out 2>&1
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out)
    found=$(sed -n 's/^pan:1: *\(.*\) (at depth.*/\1/p' out)
}

# verdict GOOD NAME: counts a test, GOOD being yes or not.
verdict() {
    bad=''
    [ "$1" = yes ] || bad=$(echo not so; cat out)
    result "$2 # ${states:-?} states${found:+: $found}" "$bad"
}

# A search that is not complete, since time, depth or memory did not suffice,
# is none.
holds() {
    wanted "$1" || return 0
    name=$1
    shift
    search "$@"
    good=not
    if grep -q 'errors: 0' out && ! grep -q 'Search not completed' out &&
        ! grep -q 'max search depth too small' out; then
        good=yes
    fi
    verdict $good "$name"
}

# breaks NAME WHAT OPTION ...: WHAT is what spin has to find.
breaks() {
    wanted "$1" || return 0
    name=$1 what=$2
    shift 2
    search "$@"
    case $found in
    *"$what"*) verdict yes "$name" ;;
    *) verdict not "$name" ;;
    esac
}

# --- What holds

holds 'a list known beforehand, any deaths, -k' -DKILLS=3 -DKEEP_GOING=1
holds 'a list that is read, any deaths, -k' \
    -DKILLS=3 -DKEEP_GOING=1 -DREADY=0
holds 'a list that stalls, any deaths, -k -r 1' \
    -DKILLS=3 -DKEEP_GOING=1 -DREADY=0 -DSTALL=1 -DRETRIES=1 -DITEMS=3
holds 'memory for nothing, retries' \
    -DMEMORY=0 -DRETRIES=1 -DKILLS=1 -DFAILURES=1 -DKEEP_GOING=1
holds 'memory for one piece, retries' \
    -DMEMORY=4 -DRETRIES=1 -DKILLS=1 -DFAILURES=1 -DKEEP_GOING=1
holds 'without order, little memory, retries' \
    -DUNORDERED=1 -DMEMORY=3 -DRETRIES=1 -DKILLS=1 -DFAILURES=1 \
    -DKEEP_GOING=1 -DITEMS=4
holds 'a failure or a signal aborts, deaths' \
    -DTERM=1 -DFAILURES=1 -DKILLS=1 -DMEMORY=3 -DITEMS=4
holds 'no endless loop' -DLOOPS -DKILLS=1 -DFAILURES=1 -DRETRIES=1 \
    -DMEMORY=3 -DKEEP_GOING=1 -DITEMS=4 -DREADY=0
holds 'no endless loop without order' -DLOOPS -DUNORDERED=1 -DKILLS=1 \
    -DFAILURES=1 -DRETRIES=1 -DMEMORY=3 -DKEEP_GOING=1 -DITEMS=3

# --- What does not, once it is broken

# What spin finds is an assertion: the one behind `timeout` means a hang, the
# one in report() an item that is said to be complete and is not.
hang='stalled&&' short='wrote['
keep=-DKEEP_GOING=1
stall='-DREADY=0 -DSTALL=1 -DKEEP_GOING=1'

breaks 'broken: end of file passes for an end' "$short" -DBREAK_EOF -DKILLS=1
breaks 'broken: what was not written is reported complete' "$short" \
    -DBREAK_REPORT -DTERM=1
breaks 'broken: an item that was written runs again' "$short" \
    -DBREAK_RETRY=1 -DFAILURES=1 -DRETRIES=1 -DMEMORY=0 $keep
breaks 'broken: output as items end' 'over==' -DBREAK_ORDER $keep
breaks 'broken: two threads write' '!(writing)' -DBREAK_FLUSHING -DMEMORY=9
breaks 'broken: nobody looks at the limit' 'total<=' -DBREAK_LIMIT -DMEMORY=0
breaks 'broken: nothing is lent while the turn waits' "$hang" \
    -DBREAK_EXCEED -DMEMORY=1 -DRETRIES=1 -DKILLS=1 $keep
breaks 'broken: the turn waits for memory' "$hang" -DBREAK_TURN -DMEMORY=0
breaks 'broken: the next turn is not woken' "$hang" -DBREAK_OWNER -DMEMORY=0
breaks 'broken: nobody is woken for an item put back' "$hang" \
    -DBREAK_PUT_BACK -DKILLS=1 -DMEMORY=12 $keep
breaks 'broken: what a dead child was promised is lost' "$hang" \
    -DBREAK_PROMISE -DKILLS=1 $keep
breaks 'broken: nobody sees that no child is left' "$hang" \
    -DBREAK_NO_CHILD -DKILLS=3 $keep
# shellcheck disable=SC2086  # options
{
    breaks 'broken: it is not seen beside a reader' "$hang" \
        -DBREAK_READER -DKILLS=2 -DCHILDREN=2 -DITEMS=2 -DRETRIES=1 $stall
    breaks 'broken: the last item wakes main only at the end' "$hang" \
        -DBREAK_LAST -DKILLS=3 -DITEMS=3 $stall
    breaks 'broken: a reader without children tells nobody' "$hang" \
        -DBREAK_TOLD -DKILLS=3 -DITEMS=3 $stall
}
breaks 'broken: the end of the list wakes one' "$hang" \
    -DBREAK_LISTED -DREADY=0
breaks 'broken: the end of the last item wakes one' "$hang" \
    -DBREAK_BROADCAST -DRETRIES=1

finish && [ "$number" -gt 0 ]
