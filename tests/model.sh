#!/bin/sh
#
# model.sh - has spin check gather.pml: every order in which threads, children,
# others and signals can come, for 3 clients and 5 items; fewer items where 5
# would take too long.  Needs spin and a compiler.
#
#     tests/model.sh               all tests; a minute and a half
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
# generated program would take longer than it runs, except for loops.
search() {
    speed=-O0 kind=-DSAFETY loops=
    case " $* " in
    *' -DLOOPS '*) speed=-Og kind=-DNP loops=-l ;;
    esac
    rm -f out pan*
    spin -a "$@" "$model" >out 2>&1 &&
        "$CC" $speed -w $kind -DMEMLIM=2000 -o pan pan.c >>out 2>&1 &&
        timeout "$DEADLINE" ./pan $loops -m100000 -w21 >>out 2>&1
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

# Others come: any number of them, up to so many, children beside them or not.
others='-DKEEP_GOING=1 -DCHILDREN=0 -DREADY=0 -DOTHERS=3'
both='-DKEEP_GOING=1 -DCHILDREN=1 -DOTHERS=2 -DLIMIT=2 -DRETRIES=1 -DKILLS=1'
# shellcheck disable=SC2086  # options
{
    holds 'clients who want one item each, memory for nothing' $others \
        -DPICKY=3 -DSTRANGERS=1 -DITEMS=2 -DMEMORY=0
    holds 'clients from elsewhere, without order, a death' $others \
        -DPICKY=1 -DGUESTS=2 -DITEMS=3 -DMEMORY=0 -DUNORDERED=1 -DKILLS=1
    holds 'clients from elsewhere, a list that stalls, a death' $others \
        -DPICKY=1 -DGUESTS=2 -DITEMS=3 -DMEMORY=0 -DSTALL=1 -DKILLS=1
    holds 'clients from elsewhere beside a child, a full house, retries' \
        $both -DPICKY=2 -DGUESTS=1 -DITEMS=3 -DMEMORY=0
    holds 'no endless loop with clients from elsewhere' -DLOOPS $both \
        -DPICKY=1 -DGUESTS=1 -DITEMS=2 -DREADY=0
}
holds 'strangers, a full house, any deaths, -k' -DSTRANGERS=3 -DLIMIT=2 \
    -DCHILDREN=2 -DOTHERS=2 -DKILLS=2 -DREADY=0 -DITEMS=3 -DKEEP_GOING=1
holds 'files, a death, a failure, a full disk, a signal, retries' -DFILES=1 \
    -DCHILDREN=2 -DITEMS=3 -DKILLS=1 -DFAILURES=1 -DFAULTS=1 -DTERM=1 \
    -DRETRIES=1 -DREADY=0
holds 'files, clients from elsewhere, a death, a full disk' -DFILES=1 \
    -DCHILDREN=1 -DOTHERS=1 -DPICKY=1 -DGUESTS=1 -DITEMS=3 -DKILLS=1 \
    -DFAULTS=1 -DKEEP_GOING=1

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
    -DBREAK_PUT_BACK -DKILLS=1 -DMEMORY=12 -DRETRIES=1 $keep
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
breaks 'broken: a reader that outlasts the end tells nobody' "$hang" \
    -DBREAK_PROMPT -DTERM=1 -DREADY=0
breaks 'broken: the end of the last item wakes nobody' "$hang" \
    -DBREAK_BROADCAST -DRETRIES=1 -DFAILURES=1 -DKILLS=1 -DITEMS=2 $keep

breaks 'broken: who says goodbye wakes nobody' "$hang" \
    -DBREAK_CHAIN -DRETRIES=1 -DFAILURES=1 -DITEMS=2 $keep

# What a client who wants one item gets; a house that is full; who is there.
wish='picky[' late='threads==0' all='said[k]==0' file='file[' left='part['
house='-DKEEP_GOING=1 -DLIMIT=2 -DITEMS=3'
files='-DFILES=1 -DKEEP_GOING=1 -DCHILDREN=2 -DITEMS=2'
# shellcheck disable=SC2086  # options
{
    breaks 'broken: who wants one item gets another' "$wish" $others \
        -DBREAK_WANTED -DPICKY=2 -DITEMS=2
    breaks 'broken: who wants one item does not read the list' "$wish" \
        $others -DBREAK_ASK -DPICKY=2 -DITEMS=2
    breaks 'broken: nobody learns that the list has ended' came $others \
        -DBREAK_LEARN -DPICKY=2 -DITEMS=1
    breaks 'broken: the end of the list wakes nobody' "$late" $others \
        -DBREAK_LISTED -DPICKY=1 -DGUESTS=1 -DITEMS=1
    breaks 'broken: nobody says that it waits for clients' told $others \
        -DBREAK_SAY -DGUESTS=1 -DITEMS=1
    breaks 'broken: a child is shut out, the others wait for it' "$late" \
        $house -DBREAK_SHUT_OUT -DCHILDREN=1 -DOTHERS=2 -DGUESTS=2
    breaks 'broken: a stranger has the list read' 'stranger[' $others \
        -DBREAK_CURIOUS -DPICKY=1 -DSTRANGERS=1 -DITEMS=2
    breaks 'broken: a stranger gets an item' "$all" $keep \
        -DITEMS=3 -DBREAK_TOKEN -DCHILDREN=2 -DOTHERS=1 -DSTRANGERS=1
    breaks 'broken: strangers may stay' "$hang" $house \
        -DBREAK_OPENING -DCHILDREN=2 -DOTHERS=2 -DSTRANGERS=2
    breaks 'broken: nobody sees that the house is no longer full' "$hang" \
        $house -DBREAK_WAKE -DCHILDREN=2 -DOTHERS=1 -DSTRANGERS=2
    breaks 'broken: the end of the last connection wakes nobody' "$late" \
        $house -DBREAK_WAKE -DCHILDREN=1 -DOTHERS=1 -DGUESTS=1 -DKILLS=1
    breaks 'broken: a file gets its name whatever its end said' "$file" \
        $files -DBREAK_CLOSE -DKILLS=1
    breaks 'broken: a file without its name counts as complete' "$file" \
        $files -DBREAK_RENAME -DFAULTS=1
    breaks 'broken: files that are cut off are left' "$left" \
        $files -DBREAK_PART -DTERM=1
}

finish && [ "$number" -gt 0 ]
