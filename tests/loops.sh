#!/bin/sh
#
# loops.sh - looks for races by repetition: each kind of run so many times.
#
#     tests/loops.sh              100 runs of each kind; about a minute
#     tests/loops.sh 500          500 runs of each
#     tests/loops.sh 500 kill     of those whose names match: a pattern of the
#                                 shell, found anywhere in the name
#     SEED=7 tests/loops.sh       the same moments as last time, when that
#                                 printed `# seed 7`
#     GATHER=/path/to/gather tests/loops.sh     tests another binary
#     DEADLINE=100 tests/loops.sh               gives each run so many seconds
#                                               (20)
#
# A kind of run is a function of three random numbers from 0 to 999.  It says
# what is wrong with this run, if anything is.  3 seconds after the last run of
# a kind, none of its processes may be left.
#
# Output is TAP, one test for each kind; the last line is `N passed, N failed`;
# the exit status is 0 if none failed.  How many runs `hit` says for how many a
# signal came in time.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
runs=${1:-100}
pattern=${2-}
tested
: "${SEED:=$(date +%s)}" "${DEADLINE:=20}"
if [ ! -r /proc/$$/task/$$/children ] || ! sleep 0.01; then
    echo '1..0 # SKIP no children in /proc, or no sleep 0.01'
    exit 0
fi

mkdir "$dir/work"
cd "$dir/work" || exit 1
echo "# seed $SEED"

# --- The machinery

# g: gather, with a mark in its environment, that of its children and commands.
g() {
    GATHER_TEST=$mark "$GATHER" "$@"
}

# dog: kills what belongs to a run that is still the same after DEADLINE
# seconds.
dog() {
    last='' age=0
    while sleep 1 && [ -d "$dir" ]; do
        now=''
        read -r now <"$dir/now"
        [ "$now" = "$last" ] || age=0
        last=$now age=$((age + 1))
        if [ $age -gt "$DEADLINE" ]; then
            echo "$now" >"$dir/hung"
            sweep
        fi
    done
}

# pause MS: sleeps so many milliseconds.
pause() {
    sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"
}

# kids PID: its children.
kids() {
    cat "/proc/$1/task/$1/children" 2>/dev/null
}

# hit: counts, of the runs of this kind, those which `hit` what they aim at.
hit() {
    hits=$((hits + 1))
}

# is WHAT EXPECTED GOT: says so if these are different.
is() {
    [ "$2" = "$3" ] || echo "$1: expected $2, got $3"
}

# same EXPECTED GOT: says so if these files are different.
same() {
    cmp -s "$1" "$2" && return
    echo "$2 is wrong:"
    diff -a "$1" "$2" | sed 5q
}

# only PATTERN: says so if standard error has a line without that.
only() {
    if grep -a -v "$1" err >odd; then
        echo 'standard error has:'
        sed 20q odd
    fi
}

# start FILE: does it consist of the first lines of what it should be?
start() {
    head -c "$(wc -c <"$2")" "$1" | cmp -s - "$2" && return
    echo "$2 is no beginning:"
    diff -a "$1" "$2" | sed 5q
}

# loop KIND NAME: makes the runs of a kind.
loop() {
    wanted "$2" || return 0
    run=0 hits=0 bad=0
    awk -v seed="$((SEED + number))" -v n="$runs" '
        function r() { return int(rand() * 1000) }
        BEGIN { srand(seed); while (n-- > 0) print r(), r(), r() }
    ' >"$dir/numbers"
    while read -r x y z; do
        run=$((run + 1))
        echo "$number.$run" >"$dir/now"
        rm -rf ./*
        $1 "$x" "$y" "$z" >"$dir/wrong" 2>&1 </dev/null
        if [ -e "$dir/hung" ]; then
            echo "no end in $DEADLINE seconds" >>"$dir/wrong"
            rm "$dir/hung"
        fi
        [ -s "$dir/wrong" ] || continue
        bad=$((bad + 1))
        [ $bad -gt 3 ] || sed "s/^/# run $run: /" "$dir/wrong" >>"$dir/bad"
    done <"$dir/numbers"
    left 30 >>"$dir/bad"
    sweep
    if [ -s "$dir/bad" ]; then
        result "$2: $bad of $runs runs" "$(cat "$dir/bad")"
    else
        result "$2: $runs runs" ''
    fi
    [ $hits -eq 0 ] || echo "# $hits of these hit"
    rm -f "$dir/bad"
}

echo >"$dir/now"
dog </dev/null >/dev/null 2>&1 &
seq 0 39 >"$dir/40"
seq 0 3999 >"$dir/4000"
seq 0 19 >"$dir/20"

# --- Runs that come to their end

demonstration() {
    g -n 40 -s 10k >table 2>err
    is status 0 $?
    is total '40 of 40 cursors complete and right, 409600 of 409600 bytes' \
        "$(sed -n '$s/ bytes, .*/ bytes/p' table)"
    only '^$'
}
loop demonstration 'demonstration: 40 cursors are complete'

ordered() {
    g -n 40 -j $((1 + $1 % 9)) -m "$2" seq {}00 {}99 >out 2>err
    is status 0 $?
    same "$dir/4000" out
    only '^$'
}
loop ordered 'commands: 40 in order, some jobs, some bytes of memory'

unordered() {
    g -n 40 -j 7 -u -m $((($1 % 2) * 1000000)) seq {}00 {}99 >out 2>err
    is status 0 $?
    awk 'NR % 100 != 1 && $1 != last + 1 { print "mixed: " last, $1 }
        { last = $1 }' out
    sort -n out >sorted
    same "$dir/4000" sorted
    only '^$'
}
loop unordered 'commands: 40 with -u, whole, with and without memory'

piped() {
    {
        seq 0 $(($1 % 40))
        pause $(($2 % 30))
        seq $(($1 % 40 + 1)) 39
    } | g -j 7 echo >out 2>err
    is status 0 $?
    same "$dir/40" out
    only '^$'
}
loop piped 'commands: the list is a pipe, and slow at some place'

retries() {
    g -n 20 -r 1 sh -c '[ -e {} ] || { : >{}; exit 3; }; echo {}' >out 2>err
    is status 0 $?
    same "$dir/20" out
    is failures 20 "$(grep -c 'exit 3, trying again' err)"
    only '^gather: item [0-9]*: exit 3, trying again \[after .*\]$'
}
loop retries 'retries: 20 commands that fail at first'

# finished: a client from elsewhere hangs up as soon as it has delivered an
# item.  It is not given another one; somebody else is.
finished() {
    for i in 0 1 2; do
        seq $i $(($1 + i)) | tee -a expected >data.$i
    done
    g -p 0 -j 0 -n 3 >out 2>err &
    port=''
    while [ -z "$port" ] && kill -0 $! 2>/dev/null; do
        sleep 0.01
        port=$(sed -n 's/.* port //p' err 2>/dev/null)
    done
    "$dir/stranger" finished "$port" go >item
    g -c "127.0.0.1:$port" cat 'data.{}'
    is 'status of a client' 0 $?
    wait $!
    is status 0 $?
    same expected out
    only '^gather: waiting for clients '
}
if "${CC:-cc}" -std=c99 -D_POSIX_C_SOURCE=200112L -o "$dir/stranger" \
    "$here/tests/stranger.c" 2>/dev/null; then
    GATHER_TOKEN=00112233445566778899aabbccddeeff
    export GATHER_TOKEN
    loop finished 'clients: one hangs up after its item, and gets no other'
    unset GATHER_TOKEN
else
    skip 'clients: one hangs up after its item, and gets no other' compiler
fi

# --- Runs that do not

# account N: says so if the closing line does not account for N items.
account() {
    grep -q "^gather: [0-9]* of $1 complete, " err || echo "not of $1"
    sed -n 's/^gather: \([0-9]*\) of [0-9]*\( complete.*\)/\1\2/p' err |
        awk -F '[^0-9]+' -v n="$1" '{ for (i = 1; i <= NF; i++) sum += $i }
            END { if (sum != n) print "accounts for " sum + 0 " of " n }'
}

failure() {
    n=$(($1 % 40))
    g -n 40 sh -c "[ {} -ne $n ] || exit 3
        [ {} -lt $n ] || exec sleep 60
        echo {}" >out 2>err
    is status 123 $?
    start "$dir/40" out
    account 40
    is reason "gather: item $n: exit 3" "$(sed -n '/item/s/ \[.*//p' err)"
    only '^gather: '
}
loop failure 'abort: one of 40 commands fails'

reader() {
    [ $(($2 % 2)) -eq 0 ] || set -- "$@" -u
    n=$(($1 * 2000))
    shift 3
    {
        g "$@" -n 20 -j 7 head -c 200k /dev/zero 2>err
        echo $? >status
    } | head -c $n | wc -c >size
    is status 141 "$(cat status)"
    is size $n "$(cat size)"
    account 20
    only '^gather: '
}
loop reader 'abort: the reader of the output goes away'

# slow OPTIONS: 20 items, which take some time, in the background; `pid`.
slow() {
    # shellcheck disable=SC2016 # for another shell
    script='sleep 0.0$(({} * 7 % 5)); echo {}'
    GATHER_TEST=$mark "$GATHER" -n 20 -j 5 "$@" sh -c "$script" >out 2>err &
    pid=$!
}

term() {
    slow
    pause $(($1 % 150))
    kill -TERM $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    if [ $status -eq 143 ]; then
        hit
        start "$dir/20" out
        [ ! -s err ] || account 20
    else
        is status 0 $status
        same "$dir/20" out
    fi
    only '^gather: [0-9]* of 20 complete'
}
loop term 'abort: TERM at some moment'

files() {
    slow -o file{}
    pause $(($1 % 150))
    kill -TERM $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    if [ $status -eq 143 ]; then
        hit
    else
        is status 0 $status
        is files 20 "$(find . -name 'file*' | wc -l)"
    fi
    for f in file*; do
        [ "$f" = 'file*' ] || is "$f" "${f#file}" "$(cat "$f")"
    done
    only '^gather: [0-9]* of 20 complete'
}
loop files 'abort: TERM at some moment leaves whole files only'

killed() {
    slow
    pause $(($1 % 150))
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    if [ $status -eq 137 ]; then
        hit
        start "$dir/20" out
    else
        is status 0 $status
        same "$dir/20" out
    fi
    only '^gather: fatal: unable to connect to .*: Connection refused$'
}
loop killed 'death: KILL at some moment'

# signal_kids SIGNAL COUNT Y: sends it to so many of the children of $pid.
signal_kids() {
    signal=$1 count=$2 y=$3
    # shellcheck disable=SC2046 # numbers
    set -- $(kids "$pid")
    [ $# -ge "$count" ] || return
    shift $((y % ($# - count + 1)))
    while [ "$count" -gt 0 ]; do
        kill -s "$signal" "$1" 2>/dev/null
        shift
        count=$((count - 1))
    done
    hit
}

child_killed() {
    slow -k
    pause $(($1 % 150))
    signal_kids KILL 1 "$2"
    wait $pid 2>/dev/null
    status=$?
    sed -n 's/^gather: item \([0-9]*\): incomplete: .*/\1/p' err >lost
    [ ! -s lost ] && is status 0 $status
    [ -s lost ] && is status 123 $status && account 20
    sort -nuc out
    sort -nu out lost >all
    same "$dir/20" all
    only "^gather: item [0-9]*: incomplete: \\|\
^gather: warning: child [0-9]* ended early: signal 9\\|\
^gather: [0-9]* of 20 complete"
}
loop child_killed 'children: one is killed; its item is lost, if any'

children_killed() {
    slow -r 4
    pause $(($1 % 150))
    signal_kids KILL $((1 + $3 % 4)) "$2"
    wait $pid 2>/dev/null
    is status 0 $?
    same "$dir/20" out
    only "^gather: item [0-9]*: incomplete: .* trying again\\|\
^gather: warning: child [0-9]* ended early: signal 9"
}
loop children_killed 'children: 1 to 4 of 5 are killed; -r makes up for it'

all_killed() {
    slow -k
    pause $(($1 % 150))
    # shellcheck disable=SC2046 # numbers
    set -- $(kids "$pid")
    [ $# -eq 0 ] || { kill -KILL "$@" && hit; } 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    case $status in
    0) same "$dir/20" out ;;
    1) is 'no child is left' 1 "$(grep -c 'no child is left' err)" ;;
    *) is status 123 $status && is loss 1 $(($(grep -c 'ete: its' err) > 0)) ;;
    esac
    [ $status -eq 0 ] || account 20
    sort -nuc out
    only '^gather: '
}
loop all_killed 'children: all are killed'

child_stopped() {
    slow
    pause $(($1 % 150))
    signal_kids STOP 1 "$2"
    wait $pid 2>/dev/null
    is status 0 $?
    same "$dir/20" out
    only '^gather: warning: child [0-9]* was stopped: continuing it'
}
loop child_stopped 'children: one is stopped, and continued'

finish
