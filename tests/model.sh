#!/bin/sh
#
# model.sh - has spin check gather.pml: every order in which threads, children,
# others and signals can come, for up to 3 clients and 4 items.  Needs spin and
# a compiler.
#
#     tests/model.sh               all tests; three minutes
#     tests/model.sh 'memory'      those whose names match: a pattern of the
#                                  shell, found anywhere in the name
#     CC=clang tests/model.sh      compiles with that (cc)
#     DEADLINE=300 tests/model.sh  gives each search so many seconds (120)
#
# The second part has rules that the program once had, each with a fault; the
# third breaks the model, each time in one place.  So each thing it claims is
# seen to fail.  Output is TAP; the comment behind a test says how many states
# there are, and what was found.  The last line is `N passed, N failed`; the
# exit status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
: "${CC:=cc}" "${DEADLINE:=120}"
model=$here/tests/gather.pml
for tool in spin "$CC" timeout; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "1..0 # SKIP no $tool"
        echo '0 passed, 0 failed'
        exit 0
    fi
done
cd "$dir" || exit 1

# search SPEED OPTION ...: generates, compiles and runs the search; memory at
# most 2,000 MB.  What it says is in `out`.  A search of less than a million
# states is not worth an optimisation, which takes longer; nor is one for what
# is broken worth the code that looks at each index, as the others have it.
search() {
    speed=$1 kind=-DSAFETY loops=
    shift
    case " $* " in
    *' -DLOOPS '*) kind=-DNP loops=-l ;;
    esac
    rm -f out pan* ./*.trail
    spin -a "$@" "$model" >out 2>&1 &&
        "$CC" "$speed" -w $kind $bounds -DMEMLIM=2000 -o pan pan.c \
            >>out 2>&1 &&
        timeout "$DEADLINE" ./pan $loops -m200000 -w21 >>out 2>&1
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
    name=$1 bounds=
    shift
    search "$optimisation" "$@"
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
    name=$1 what=$2 bounds=-DNOBOUNDCHECK
    shift 2
    search -O0 "$@"
    case $found in
    *"$what"*) verdict yes "$name" ;;
    *) verdict not "$name" ;;
    esac
}

# --- What holds

keep=-DKEEP_GOING=1
optimisation=-O1
holds 'a list known beforehand, any deaths, -k' -DKILLS=3 $keep
holds 'a list that is read, any deaths, -k' \
    -DKILLS=3 $keep -DREADY=0 -DITEMS=3
holds 'a list that stalls, deaths, -k -r 1' \
    -DKILLS=2 $keep -DREADY=0 -DSTALL=1 -DRETRIES=1 -DITEMS=3
holds 'a list that stalls, any deaths, -k' \
    -DKILLS=3 $keep -DREADY=0 -DSTALL=1 -DITEMS=2
optimisation=-O0
holds 'memory for nothing, retries' \
    -DMEMORY=0 -DRETRIES=1 -DKILLS=1 -DFAILURES=1 $keep
holds 'memory for one block, retries, an item that outgrows it' \
    -DMEMORY=2 -DRETRIES=1 -DKILLS=1 -DFAILURES=1 $keep -DITEMS=3 -DL1=3
holds 'without order, little memory, retries' \
    -DUNORDERED=1 -DMEMORY=2 -DRETRIES=1 -DKILLS=1 -DFAILURES=1 $keep \
    -DITEMS=3
holds 'without order, memory is used up, blocks that are not full' \
    -DUNORDERED=1 -DMEMORY=2 -DCAP=2 -DKILLS=2 $keep -DITEMS=3 -DL0=3 \
    -DL1=3 -DL2=2
holds 'in order, retries, blocks that are not full' \
    -DMEMORY=2 -DCAP=2 -DRETRIES=1 -DFAILURES=1 -DKILLS=1 $keep -DITEMS=3 \
    -DL0=3 -DL1=3
holds 'the system has no memory but the reserve: nothing fails' \
    -DSYSTEM=0 -DMEMORY=8 -DITEMS=3 -DL0=3 -DL2=2 -DREADY=0
holds 'the system has no memory, retries' \
    -DSYSTEM=2 -DMEMORY=8 -DRETRIES=1 -DKILLS=1 $keep -DITEMS=3 -DL1=2
holds 'the system has no memory, without order' \
    -DSYSTEM=2 -DMEMORY=8 -DUNORDERED=1 -DKILLS=1 $keep -DITEMS=3 -DL2=2
holds 'the progress is drawn, data are relayed, standard output fails' \
    -DTICKS=1 -DRELAY=1 -DMEMORY=2 -DKILLS=1 -DFAULTS=1 $keep -DITEMS=3 \
    -DL1=3
holds 'a failure or a signal aborts, deaths' \
    -DTERM=1 -DFAILURES=1 -DKILLS=1 -DMEMORY=2 -DITEMS=3
holds 'threads are left behind anywhere after an abort' \
    -DLATE=1 -DTERM=1 -DKILLS=1 -DMEMORY=2 -DCHILDREN=2 -DITEMS=3 $keep
holds 'no endless loop' -DLOOPS -DKILLS=1 -DFAILURES=1 -DRETRIES=1 \
    -DMEMORY=2 $keep -DITEMS=2 -DREADY=0
holds 'no endless loop without order' -DLOOPS -DUNORDERED=1 -DKILLS=1 \
    -DFAILURES=1 -DRETRIES=1 -DMEMORY=2 $keep -DITEMS=2

# Others come: any number of them, up to so many, children beside them or not.
others="$keep -DCHILDREN=0 -DREADY=0 -DOTHERS=3"
both="$keep -DCHILDREN=1 -DOTHERS=2 -DLIMIT=2 -DRETRIES=1 -DKILLS=1"
# shellcheck disable=SC2086  # options
{
    holds 'clients who want one item each, memory for nothing' $others \
        -DPICKY=3 -DSTRANGERS=1 -DITEMS=2 -DMEMORY=0
    holds 'clients from elsewhere, without order, a death' $others \
        -DPICKY=1 -DGUESTS=2 -DITEMS=3 -DMEMORY=0 -DUNORDERED=1 -DKILLS=1
    holds 'clients from elsewhere, a list that stalls, a death' $others \
        -DPICKY=1 -DGUESTS=2 -DITEMS=2 -DMEMORY=0 -DSTALL=1 -DKILLS=1
    holds 'clients from elsewhere beside a child, a full house, retries' \
        $both -DPICKY=2 -DGUESTS=1 -DITEMS=2 -DMEMORY=0
    holds 'no endless loop with clients from elsewhere' -DLOOPS $both \
        -DPICKY=1 -DGUESTS=1 -DITEMS=2 -DREADY=0
}
holds 'strangers, a full house, any deaths, -k' -DSTRANGERS=3 -DLIMIT=2 \
    -DCHILDREN=2 -DOTHERS=2 -DKILLS=2 -DREADY=0 -DITEMS=2 $keep
holds 'files, a death, a failure, a full disk, a signal, retries' -DFILES=1 \
    -DCHILDREN=2 -DITEMS=3 -DKILLS=1 -DFAILURES=1 -DFAULTS=1 -DTERM=1 \
    -DRETRIES=1 -DREADY=0
holds 'files, clients from elsewhere, a death, a full disk' -DFILES=1 \
    -DCHILDREN=1 -DOTHERS=1 -DPICKY=1 -DGUESTS=1 -DITEMS=3 -DKILLS=1 \
    -DFAULTS=1 $keep

# An item that has failed is DELAYED (-d).
delay="$keep -DDELAY=1 -DRETRIES=1"
# shellcheck disable=SC2086  # options
{
    holds 'pauses, in order, little memory, a death, a failure' $delay \
        -DMEMORY=2 -DITEMS=3 -DL1=2 -DL2=1 -DKILLS=1 -DFAILURES=1
    holds 'pauses, without order, little memory, a death, a failure' $delay \
        -DUNORDERED=1 -DMEMORY=2 -DITEMS=3 -DL1=2 -DL2=1 -DKILLS=1 \
        -DFAILURES=1
    holds 'pauses, memory for nothing, a list that stalls' $delay \
        -DMEMORY=0 -DITEMS=2 -DREADY=0 -DSTALL=1 -DKILLS=1 -DFAILURES=1
    holds 'pauses, any deaths' $delay -DCHILDREN=2 -DITEMS=2 -DKILLS=2
    holds 'pauses, a second failure or a signal aborts' -DDELAY=1 \
        -DRETRIES=1 -DCHILDREN=2 -DITEMS=2 -DMEMORY=0 -DFAILURES=2 \
        -DTERM=1 -DKILLS=1
    holds 'pauses, clients who want one item each, a death' $delay $others \
        -DPICKY=3 -DITEMS=2 -DKILLS=1
    holds 'pauses, clients from elsewhere beside a child' $delay $both \
        -DPICKY=1 -DGUESTS=1 -DITEMS=2 -DMEMORY=0 -DREADY=0
    holds 'pauses, no endless loop' -DLOOPS $delay -DMEMORY=2 -DITEMS=2 \
        -DCHILDREN=2 -DKILLS=1 -DFAILURES=1 -DTERM=1
    holds 'means for two connections, a death, pauses' $delay -DMEANS=2 \
        -DMEMORY=0 -DITEMS=3 -DL2=1 -DKILLS=1
    holds 'means for one connection, no endless loop' -DLOOPS $delay \
        -DMEANS=1 -DCHILDREN=2 -DITEMS=2 -DKILLS=1 -DTERM=1
    holds 'means for two connections, strangers, a death, a signal' \
        $keep -DMEANS=2 -DCHILDREN=2 -DOTHERS=1 -DSTRANGERS=2 -DITEMS=2 \
        -DKILLS=1 -DTERM=1
    holds 'means for two threads, a death, pauses' $delay -DSTACKS=2 \
        -DMEMORY=0 -DITEMS=3 -DL2=1 -DKILLS=1
    holds 'means for one thread, no endless loop' -DLOOPS $keep \
        -DSTACKS=1 -DCHILDREN=2 -DITEMS=2 -DKILLS=1 -DTERM=1
    holds 'means for one thread, clients from elsewhere beside a child' \
        $keep -DSTACKS=1 -DCHILDREN=1 -DOTHERS=2 -DGUESTS=2 -DSTRANGERS=1 \
        -DITEMS=2 -DKILLS=1
}

# What spin finds is an assertion: of those that sleep though they could go on,
# the ones in settled(), for takers of any item, for those of one, for memory,
# for the role, and for the main thread; the one in quiet() means a hang; the
# one in done() an item that is said to be complete and is not; the one in
# turn_dispatch() that a taker of any item is beside one that is queued.
any='any_count==0)||(verdict' one='(verdict==0)' memory='||(taken>='
role='(state[x]!=7)&&' hang='(stalled&&' short='!=0)||(wrote['
late='threads==0' wish='picky[' loop='non-progress cycle' alarm='(alarm||'
idle='any_count==0))||('
main='(atwork+handed_out)==0'

# --- Rules that the program has had

# shellcheck disable=SC2086  # options
{
    breaks 'old: one signal for all who want an item' "$one" $others \
        -DOLD_TAKERS -DGUESTS=2 -DPICKY=1 -DITEMS=2
    breaks 'old: one line for memory and the turn, its head is woken' \
        "$memory" -DOLD_LINE -DUNORDERED=1 -DMEMORY=6 -DKILLS=1 $keep
    breaks 'old: who gets the turn as he waits for memory just sleeps' \
        "$role" -DOLD_SLEEP -DUNORDERED=1 -DMEMORY=2 $keep -DITEMS=3
    breaks 'old: an item gives the turn away while it is written' \
        'put[i]==0' -DOLD_WITHDRAW -DUNORDERED=1 -DMEMORY=2 -DCAP=2 \
        -DKILLS=1 $keep -DCHILDREN=2 -DITEMS=2 -DL0=3 -DL1=3
    breaks 'old: what is to run again is told before it is taken back' \
        'wrote[i]==0' -DOLD_AGAIN -DRETRIES=1 -DFAILURES=1 -DKILLS=1 $keep \
        -DMEMORY=2 -DITEMS=3 -DL1=3
    breaks 'old: the turn is passed, nobody looks until that is told' \
        "$role" -DOLD_PASS -DUNORDERED=1 -DRETRIES=1 -DFAILURES=1 \
        -DMEMORY=2 -DITEMS=3 $keep
    breaks 'old: an item that was handed out cannot come back' dismissed \
        -DOLD_HANDED -DKILLS=1 $keep -DCHILDREN=2 -DITEMS=1
    breaks 'old: the last look tells nobody that the list has ended' \
        "$any" $keep -DOLD_AHEAD -DCHILDREN=0 -DOTHERS=2 -DGUESTS=2 \
        -DREADY=0 -DKILLS=1 -DITEMS=1
    breaks 'old: no last look by a child beside others' came $keep \
        -DOLD_LOOK -DCHILDREN=1 -DOTHERS=1 -DGUESTS=1 -DREADY=0 -DSTALL=1 \
        -DKILLS=1 -DITEMS=1
    breaks 'old: the exempt one waits for memory of the system' "$hang" \
        -DOLD_STARVED -DSYSTEM=1 -DMEMORY=8 -DCHILDREN=2 -DITEMS=2 -DL1=2 \
        -DKILLS=1 -DRETRIES=1 $keep
}

# --- What does not hold, once it is broken

stall="-DREADY=0 -DSTALL=1 $keep"
breaks 'broken: end of file passes for an end' "$short" -DBREAK_EOF -DKILLS=1
breaks 'broken: what was not written is reported complete' "$short" \
    -DBREAK_REPORT -DTERM=1
breaks 'broken: an item that was written runs again' 'wrote[i]==0' \
    -DBREAK_RETRY=1 -DFAILURES=1 -DRETRIES=1 -DMEMORY=0 $keep -DL0=3
breaks 'broken: output as items end' 'over==' -DBREAK_ORDER $keep
breaks 'broken: two threads write' '(role!=1)' -DBREAK_ROLE -DMEMORY=8
breaks 'broken: nobody looks at the limit' '<=((2*0)+4)' -DBREAK_LIMIT \
    -DMEMORY=0 -DL1=3 -DL2=3
breaks 'broken: nothing is lent while the turn waits' "$hang" \
    -DBREAK_EXEMPT -DMEMORY=2 -DRETRIES=1 -DKILLS=1 -DCHILDREN=2 -DL1=2 $keep
breaks 'broken: the turn waits for memory' "$hang" -DBREAK_TURN -DMEMORY=0
breaks 'broken: the turn waits in line' "$memory" -DBREAK_SERVE -DMEMORY=0
breaks 'broken: the system has no memory for the turn, nobody says so' \
    "$hang" -DBREAK_STARVED -DSYSTEM=1 -DMEMORY=8 -DCHILDREN=2 -DITEMS=2 \
    -DRETRIES=1 -DL0=4
breaks 'broken: there is no reserve' 'said[k]==0' \
    -DRESERVE=0 -DSYSTEM=1 -DMEMORY=8 -DCHILDREN=2 -DITEMS=2
breaks 'broken: nobody is served for an item put back' "$any" \
    -DBREAK_PUT_BACK -DUNORDERED=1 -DKILLS=1 -DRETRIES=1 $keep
breaks 'broken: nobody is served for the end of the last item' "$any" \
    -DBREAK_RETIRE -DMEMORY=0 -DREADY=0 $keep
breaks 'broken: memory has become free, nobody reads the list' "$any" \
    -DBREAK_FREED -DMEMORY=2 -DREADY=0 -DL1=2 $keep
breaks 'broken: what a dead child was to begin with is lost' "$hang" \
    -DBREAK_PROMISE -DKILLS=1 $keep
breaks 'broken: nobody sees that no child is left' "$main" \
    -DBREAK_NO_CHILD -DKILLS=3 $keep
# shellcheck disable=SC2086  # options
breaks 'broken: the last item wakes main only at the end' "$main" \
    -DBREAK_LAST -DKILLS=3 -DITEMS=3 $stall
breaks 'broken: nobody hangs up after an abort' 'shut[a]' \
    -DBREAK_HANG_UP -DTERM=1
breaks 'broken: after an abort a child dials for ever' "$loop" -DLOOPS \
    -DBREAK_IDLE -DTERM=1 -DCHILDREN=1 -DITEMS=1
breaks 'broken: who cannot be accepted keeps its item' "$hang" \
    -DBREAK_SHORTAGE -DMEANS=1 -DCHILDREN=2 -DITEMS=2 $keep
breaks 'broken: who gets no thread keeps its item' "$hang" \
    -DBREAK_SHORTAGE -DSTACKS=1 -DCHILDREN=2 -DITEMS=2 $keep
# shellcheck disable=SC2086  # options
{
    breaks 'broken: nobody tells main that an item is delayed' "$alarm" \
        $delay -DBREAK_ALARM -DCHILDREN=2 -DITEMS=2 -DFAILURES=1
    breaks 'broken: clients are sent away while an item is delayed' \
        dismissed $delay -DBREAK_DISMISS -DCHILDREN=2 -DITEMS=2 -DFAILURES=1
    breaks 'broken: a delayed item wants no client' "$main" $delay \
        -DBREAK_WANT -DCHILDREN=2 -DITEMS=2 -DKILLS=2
    breaks 'broken: the last that ran has ended, nobody looks at a pause' \
        "$main" $delay -DBREAK_LAST_RUN -DCHILDREN=2 -DITEMS=2 -DKILLS=2
    breaks 'broken: an item is due, nothing is lent' "$hang" $delay \
        -DBREAK_DUE -DCHILDREN=2 -DITEMS=3 -DMEMORY=2 -DL1=2 -DL2=1 \
        -DFAILURES=1
    breaks 'broken: an item is due, memory is lent before a client has it' \
        "$idle" $delay -DBREAK_LENT -DCHILDREN=2 -DITEMS=2 -DFAILURES=1
    breaks 'broken: who wants a delayed item does not get it' "$wish" \
        $delay -DBREAK_PAUSE -DCHILDREN=0 -DOTHERS=2 -DPICKY=2 -DREADY=0 \
        -DITEMS=1 -DKILLS=1
}

# What a client who wants one item gets; a house that is full; who is there.
all='said[k]==0' file='file[' left='part[' stay='conn[a]!=2'
door='conn[k]!=2'
house="$keep -DLIMIT=2 -DITEMS=3"
files="-DFILES=1 $keep -DCHILDREN=2 -DITEMS=2"
# shellcheck disable=SC2086  # options
{
    breaks 'broken: who wants one item gets another' "$wish" $others \
        -DBREAK_WANTED=1 -DPICKY=2 -DITEMS=2
    breaks 'broken: who wants one item does not read the list' "$wish" \
        $others -DBREAK_ASK -DPICKY=2 -DITEMS=2
    breaks 'broken: nobody learns that the list has ended' came $others \
        -DBREAK_LOOK -DPICKY=2 -DITEMS=1 -DSTALL=1
    breaks 'broken: nobody says that it waits for clients' told $others \
        -DBREAK_SAY -DGUESTS=1 -DITEMS=1 -DSTALL=1
    breaks 'broken: a child is shut out, the others wait for it' "$late" \
        $house -DBREAK_SHUT_OUT -DCHILDREN=1 -DOTHERS=2 -DGUESTS=2
    breaks 'broken: a stranger has the list read' 'stranger[' $others \
        -DBREAK_TOKEN -DPICKY=1 -DSTRANGERS=1 -DITEMS=2 -DKILLS=1
    breaks 'broken: a stranger gets an item' "$all" $keep \
        -DITEMS=3 -DBREAK_TOKEN -DCHILDREN=2 -DOTHERS=1 -DSTRANGERS=1
    breaks 'broken: nobody listens to a visitor' "$hang" $keep \
        -DBREAK_POLL -DCHILDREN=2 -DITEMS=2
    breaks 'broken: strangers may stay at the door' "$late" $others \
        -DBREAK_OPENING -DGUESTS=1 -DSTRANGERS=1 -DITEMS=1
    breaks 'broken: nobody has to leave the door' '<=2)' $house \
        -DBREAK_DROP -DCHILDREN=1 -DOTHERS=2 -DGUESTS=1 -DSTRANGERS=1
    breaks 'broken: after an abort visitors may stay' "$stay" \
        -DBREAK_CLEAR -DTERM=1 -DCHILDREN=2 -DITEMS=2
    breaks 'broken: at the end strangers may stay, though no client comes' \
        "$stay" $keep -DBREAK_CLEAR -DCHILDREN=1 -DOTHERS=1 -DSTRANGERS=1 \
        -DITEMS=1
    breaks 'broken: at the end a client is left at the door' "$door" $keep \
        -DBREAK_DOOR -DCHILDREN=1 -DOTHERS=1 -DGUESTS=1 -DITEMS=1
    breaks 'broken: nobody sees that the house is no longer full' looking \
        $house -DBREAK_HOUSE -DCHILDREN=1 -DOTHERS=2 -DGUESTS=2
    breaks 'broken: the end of the last connection wakes nobody' \
        'threads<=' $house -DBREAK_WAKE -DCHILDREN=1 -DOTHERS=1 -DGUESTS=1
    breaks 'broken: a file gets its name whatever its end said' "$file" \
        $files -DBREAK_CLOSE -DKILLS=1
    breaks 'broken: a file without its name counts as complete' "$file" \
        $files -DBREAK_RENAME -DFAULTS=1
    breaks 'broken: files that are cut off are left' "$left" \
        $files -DBREAK_PART -DTERM=1 -DLATE=1
}

finish && [ "$number" -gt 0 ]
