#!/bin/sh
#
# faults.sh - deaths and shortages: nothing hangs, nothing is lost, nobody is
# left behind.
#
#     tests/faults.sh               all tests, with 200 random rounds
#     tests/faults.sh 1000          with so many of them
#     tests/faults.sh 0 'real'      those whose names match: a pattern of the
#                                   shell, found anywhere in the name
#     SEED=7 tests/faults.sh        the same random numbers as last time, when
#                                   that printed `# seed 7`
#     GATHER=/path/to/gather tests/faults.sh     tests another binary, which
#                                   must not have a sanitizer: see inject.c
#     DEADLINE=100 tests/faults.sh               gives each run so many seconds
#                                   (20)
#
# Every run of gather is a child of reap, which see: its deadline, then 3
# seconds for whatever it has started, in whichever session.  `judge` compares
# status, messages, ledger and output with each other and with what they should
# be.  A run that is wrong is shown with the line that repeats it:
#
#     INJECT=child0:sent:36:KILL INJECT_NOISE=7:50 gather ...
#
# for inject.so, made of inject.c, as LD_PRELOAD.  Which thread or process
# comes first nobody can repeat, so a run may differ from the one before it.
#
# What test.sh proves already is not here: its tests `accident: ...`,
# `output: full...`, `descriptors: ...`, `jobs: ... few descriptors`,
# `death by ...`, `time: ...`, `signals: ...` and `command: CHLD ...`.
#
# Some tests need to be root, and Linux's namespaces.  Output is TAP.  The last
# line is `N passed, N failed`, then `, N skipped` if some were; the exit
# status is 0 if none failed.

# What is mounted here goes with this process.  The network is its own, too:
# the well-known port has to be free, or the second socket() is not a second
# chance but the last.
if [ -z "$FAULTS_OWN" ] && unshare -mn ip link set lo up 2>/dev/null; then
    FAULTS_OWN=yes
    export FAULTS_OWN
    # shellcheck disable=SC2016 # for another shell
    exec unshare -mn sh -c 'ip link set lo up; exec sh "$0" "$@"' "$0" "$@"
fi
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
unset INJECT INJECT_NOISE INJECT_LOG LD_PRELOAD
umask 022

rounds=${1:-200}
pattern=${2-}
tested
: "${SEED:=$(date +%s)}" "${DEADLINE:=20}" "${CC:=cc}"
if [ ! -r /proc/$$/task/$$/children ] || ! command -v "$CC" >/dev/null; then
    echo '1..0 # SKIP no children in /proc, or no compiler'
    exit 0
fi

mkdir "$dir/work" "$dir/bin" || exit 1
chmod 755 "$dir"
cp "$GATHER" "$dir/bin/gather" # others than root shall reach it
"$CC" -std=c99 -o "$dir/bin/reap" "$here/tests/reap.c" &&
    "$CC" -std=c99 -shared -fPIC -o "$dir/inject.so" "$here/tests/inject.c" \
        -ldl -lpthread || exit 1
PATH=$dir/bin:$PATH
export PATH
cd "$dir/work" || exit 1
echo "# seed $SEED"

# --- The machinery

runs=0

# t NAME COMMAND: a test; it is passed if the command says nothing.  If `lack`
# is set, it is skipped, as there is none of that.
t() {
    name=$1
    shift
    wanted "$name" || return 0
    if [ -n "$lack" ]; then
        skip "$name" "$lack"
        return
    fi
    "$@" >"$dir/wrong" 2>&1
    result "$name" "$(sed 40q "$dir/wrong")"
}
lack=''

# is WHAT EXPECTED GOT: says so if these are different.
is() {
    [ "$2" = "$3" ] || echo "$1: expected $2, got $3"
}

# clear: makes the directory empty, in which gather runs.
clear() {
    rm -rf "$dir/work" "$dir/fired" && mkdir -m 777 "$dir/work" &&
        cd "$dir/work" || exit 1
}

# g ARGUMENTS: runs gather in it, by the plans of `plan`, with the noise of
# `noise`, below `under`, a command; sets `status`.  `input` is its standard
# input, `reaping` are options of reap.  Its standard output is the file `out`,
# or if `piped` is set a pipe, which ends there.
g() {
    clear
    runs=$((runs + 1)) target=out
    if [ -n "$piped" ]; then
        mkfifo pipe || exit 1
        cat pipe >out &
        target=pipe
    fi
    # shellcheck disable=SC2086 # words
    INJECT=$plan INJECT_NOISE=$noise INJECT_LOG=$dir/fired \
        reap ${plan:+-l "$dir/inject.so"} -s "$DEADLINE" $reaping \
        "$dir/report" $under "$dir/bin/gather" "$@" >"$target" 2>err <"$input"
    status=$?
    args=$*
    [ -z "$piped" ] || wait $!
}
plan='' noise='' under='' reaping='' input=/dev/null piped=''

# fired: has a plan come to pass?
fired() {
    [ -s "$dir/fired" ]
}

# wrong: shows what it reads, if anything, and the run to which it applies.
wrong() {
    [ ! -s "$dir/bad" ] && return
    echo "INJECT=$plan INJECT_NOISE=$noise $under gather $args: $status"
    sed 20q "$dir/bad"
    if [ -s err ]; then
        echo "standard error:"
        sed 9q err
    fi
}

# The judge.  Items of the tests are lines of 7 digits, `lines` for each: item
# 0 begins with 0000000, item 1 with the number of lines, and so on.
#   items, lines    as they are
#   mode            out: standard output; files: f0, f1, ...; table: the
#                   demonstration
#   any             items may be in any order (-u); keep: holes may be (-k)
#   dead            gather has been killed: only what is there is judged
#   pulled          the list is a file: if an item of it is lost for lack of
#                   memory, so are those behind it
cat >"$dir/judge" <<'.'
function bad(text) { print text }
function state_of(i) { return (i in state) ? state[i] : "absent" }

# Does a text begin with what was cut off: of the item `from`, which goes on
# with `goes_on`, and of items behind it, of each less than a line?  Leaves the
# first line of an item in `rest`; or nothing, at the end.
function heads(text, goes_on, from, end, n, i, head, more) {
    rest = text
    i = int(text / lines)
    if (end ? text == "" : length(text) == 7)
        return end || (text % lines == 0 && (any || i > from))
    for (n = end ? 7 : length(text) - 7; n > 0; n--) {
        head = substr(text, 1, n)
        more = substr(text, n + 1)
        if (index(goes_on, head) == 1 && heads(more, "", from, end)) {
            if (more != "") cut[from] = 1
            return 1
        }
        for (i = any ? 0 : from + 1; i < items; i++)
            if (index(sprintf("%07d", i * lines), head) == 1) break
        if (i < items && heads(more, "", i, end)) {
            if (more != "") cut[i] = 1
            return 1
        }
    }
    return 0
}

# A line of the output, or at its end a part of one.
function take(text, end, i, goes_on) {
    if (end || length(text) > 7) {
        goes_on = ""
        if (at >= 0 && got[at] < lines) goes_on = sprintf("%07d", last + 1)
        if (text !~ /^[0-9]*$/ || !heads(text, goes_on, at, end)) {
            bad("output: " text " after " last)
            return
        }
        text = rest
    }
    if (text !~ /^[0-9]*$/ || (!end && length(text) != 7)) {
        bad("output: " text " after " last)
    } else if (!end) {
        i = int(text / lines)
        if (text % lines == 0) {
            if (i in got) bad("output: item " i " twice")
            if (!any && i < at) bad("output: item " i " after " at)
            if (at >= 0 && got[at] < lines) cut[at] = 1
            at = i
        } else if (text + 0 != last + 1)
            bad("output: " text " after " last)
        got[i]++
        last = text + 0
    }
}

function missing(state, words) {
    return count[state] ? ", " count[state] " " words : ""
}

BEGIN {
    at = last = -1
    failure = "^item [0-9]+: (exit [0-9]+|signal [0-9]+|timed out|" \
        "unable to execute (seq|told|a command|a cursor): [A-Z].*|" \
        "unable to execute its command|" \
        "incomplete: its client went away after [0-9]+ bytes)" \
        "(, trying again)?$"
    while ((getline text < "err") > 0) {
        sub(/^gather: /, "", text)
        sub(/ \[after [0-9]+\.[0-9][0-9][0-9] s.*\]$/, "", text)
        if (text ~ /^fatal: /) {
            fatal = 1
            if (text ~ /unable to (write|create) log/) no_log = 1
            if (text ~ /unable to (take|hold an) item/) torn = 1
        } else if (text ~ failure) {
            split(text, word, "[ :]+")
            why[word[2]] = text
        } else if (text ~ /^[0-9]+( of [0-9]+)? complete[,;]/)
            closing = text
        else if (text !~ /^warning: ./)
            bad("message: " text)
    }
    while (!no_log && mode != "table" && (getline text < "log") > 0) {
        n = split(text, field, "\t")
        if (n != 10) {
            if (!dead) bad("ledger: " text)
            continue
        }
        if (field[1] == "Seq") continue
        if (field[1] in state) bad("ledger: item " field[1] " twice")
        state[field[1]] = field[10]
        value[field[1]] = field[7]
        count[field[10]]++
        known++
        if (field[10] == "complete" && field[6] != lines * 8)
            bad("ledger: item " field[1] ": " field[6] " bytes")
    }
    if (mode == "out") {
        for (n = 0; (getline text < "out") > 0; before = text)
            if (n++) take(before, 0)
        if (n) take(before, !ended)
    }
    for (i in cut)
        if (!keep && !any) bad("output: item " i " is cut before " at)
    if (mode == "files")
        for (i = 0; i < items; i++) {
            file = "f" i
            while ((getline text < file) > 0)
                if (text != sprintf("%07d", i * lines + got[i]++))
                    bad(file ": " text)
            if (i in got && got[i] != lines) bad(file ": " got[i] " lines")
            if (i in got && !dead && !no_log && state_of(i) != "complete")
                bad(file ": item is " state_of(i))
        }
    for (i in state)
        if (state[i] == "complete" && got[i] != lines && status != 141)
            bad("item " i " is complete with " got[i] + 0 " lines")
    if (mode == "table") {
        while ((getline text < "out") > 0) total = text
        right = index(total, items " of " items " cursors complete") == 1
        if (right != (status == 0) && !dead && !fatal)
            bad("table: " total)
        if (status == 0 && !right) bad("table: " total)
    }
    if (dead) exit
    if (mode == "table") {
        for (i in why) if (why[i] !~ /again$/) failed = 1
        want = fatal ? 1 : failed ? 123 : 0
        if (failed && why[0] why[1] why[2] why[3] why[4] ~ /execute/)
            want = status == 127 ? 127 : 126
    } else if (!no_log) {
        for (i in state) {
            s = state[i]
            w = s == "complete" || s == "unstarted" ? 0 : \
                s == "timeout" ? 124 : s == "killed" ? 125 : \
                why[i] ~ /unable to execute/ ? value[i] : 123
            rank = index("0    123  125  124  126  127  ", w " ")
            if (rank > best) {
                best = rank
                want = w
            }
            if (s != "complete") lost++
            if ((s == "failed" || s == "killed" || s == "timeout") &&
                !(i in why))
                bad("item " i " is " s " without a message")
        }
        if (fatal) want = 1
        for (i = 0; i < items && known > 0; i++)
            if (!(i in state) && !(torn && pulled)) bad("ledger: no item " i)
        text = count["complete"] + 0
        if (closing ~ /; the list was not read to its end/)
            known = -1
        else
            text = text " of " known
        text = text " complete" missing("failed", "failed") \
            missing("killed", "killed by a signal") \
            missing("timeout", "timed out") \
            missing("incomplete", "incomplete") \
            missing("unstarted", "not started")
        if (known < 0)
            text = text "; the list was not read to its end"
        text = text "; see log"
        if (lost && text != closing || !lost && known >= 0 && closing)
            bad("closing line: " closing ", not " text)
        if (status == 0 && known != items) bad("ledger: " known " lines")
    } else
        want = 1
    if (status < 128 && status != want + 0) bad("status, not " want + 0)
    if (status >= 128 && status != signal + 128) bad("status")
}
.

# judged: judges the latest run, and shows it if it is wrong.
judged() {
    {
        cat "$dir/report"
        awk -v items="$items" -v lines="$lines" -v mode="$mode" \
            -v any="$any" -v keep="$keep" -v dead="$dead" \
            -v pulled="$pulled" -v ended="$(tail -c 1 out | wc -l)" \
            -v status="$status" -v signal="$signal" -f "$dir/judge"
        for part in *.part; do
            [ ! -e "$part" ] || [ -n "$dead" ] || echo "left: $part"
        done
    } >"$dir/bad" 2>&1
    wrong
}
any=0 keep=0 dead='' signal=0 pulled=0

# scene NAME: a run of that kind.
scene() {
    mode=out any=0 keep=0 items=4 lines=1000 pulled=0
    case $1 in
    demonstration)
        mode=table items=5
        g -n 5 -j 2 -s 40000
        ;;
    ordered)
        g -l log -n 4 -j 2 seq -f %07.0f {}000 {}999
        ;;
    piped)
        lines=10000 piped=1
        g -l log -n 4 -j 2 seq -f %07.0f {}0000 {}9999
        piped=''
        ;;
    unordered)
        any=1 lines=10000
        g -l log -u -m 0 -n 4 -j 2 seq -f %07.0f {}0000 {}9999
        ;;
    files)
        mode=files
        g -l log -o 'f{}' -n 4 -j 2 seq -f %07.0f {}000 {}999
        ;;
    environment)
        g -l log -n 4 -j 2 told {}
        ;;
    retries)
        keep=1 input=$dir/list pulled=1
        g -l log -r 1 -k -j 2 seq -f %07.0f {}000 {}999
        input=/dev/null
        ;;
    esac
}
printf '%s\n' 0 1 2 3 >"$dir/list"

# told: writes what is wrong instead, if its input or environment is.
cat >"$dir/bin/told" <<'.'
#!/bin/sh
cat || echo input
[ "$GATHER_WHICH $GATHER_ITEM" = "$1 $1" ] || echo environment
exec seq -f %07.0f "$1"000 "$1"999
.
chmod +x "$dir/bin/told"

# --- The n-th call fails, for every n until the run succeeds

# every WHO CALL HOW SCENE...: with plans who:call:1how, who:call:2how, ...
# until two in a row have not come to pass.  One has to, or nothing is proved.
# Failures that need not end anything must not, and those that lose something
# have to end so many runs of a scene.
every() {
    who=$1 call=$2 how=$3 hits=0
    shift 3
    for scene; do
        n=0 missed=0 wrongs=0 ends=0 least=0
        while [ $missed -lt 2 ] && [ $wrongs -lt 3 ]; do
            n=$((n + 1))
            plan=$who:$call:$n$how
            scene "$scene"
            judged
            [ ! -s "$dir/bad" ] || wrongs=$((wrongs + 1))
            case $who:$call in
            parent:accept | parent:bind | parent:getservbyname | \
                parent:listen | parent:poll | parent:setrlimit | \
                parent:setsockopt | parent:socket | parent:splice | \
                parent:wait | parent:condition | child*:fork | \
                child*:connect | child*:setrlimit | child*:setsockopt | \
                child*:wait | fork:open)
                is "status, $scene, $n" 0 "$status"
                ;;
            esac
            [ "$status" = 0 ] || ends=$((ends + 1))
            missed=$((missed + 1))
            ! fired || { missed=0 && hits=$((hits + 1)); }
            [ $missed = 0 ] || is "status, $scene, noise" 0 "$status"
        done
        total=$((total + n))
        case $who:$call:$scene in
        parent:open:files | parent:close:files) least=5 ;;
        parent:rename:files) least=4 ;;
        parent:open:* | parent:read:* | parent:write:* | parent:close:* | \
            parent:recv:ordered | parent:getsockname:* | \
            parent:gethostbyname:*) least=1 ;;
        esac
        [ $ends -ge $least ] || echo "$scene: $ends of $least runs have ended"
    done
    [ $hits -gt 0 ] || echo "there is no $call"
    plan=''
}

# shellcheck disable=SC3045  # all shells that run this have it
ulimit -S -n 1000 # gather has something to raise
noise=$SEED:30 total=0
for call in fork thread memory open read write recv send close wait socket \
    bind listen getsockname setsockopt accept poll pipe fcntl \
    condition setrlimit gethostbyname getservbyname; do
    t "injector: parent, every $call fails once" every parent $call '' \
        demonstration ordered unordered files retries
done
for call in rename unlink; do
    t "injector: parent, every $call fails once" every parent $call '' files
done
# tagged: no lack of memory in the parent is called the death of a client.
tagged() {
    n=0 missed=0 hits=0
    while [ $missed -lt 2 ]; do
        n=$((n + 1))
        plan=parent:memory:$n
        g -T -o 'f{}' -n 2 -j 2 seq 9
        missed=$((missed + 1))
        ! fired || { missed=0 && hits=$((hits + 1)); }
        ! grep 'went away' err || echo "memory, $n"
    done
    [ $hits -gt 0 ] || echo 'there is no memory'
    plan=''
}
t 'injector: parent, every memory fails once, -T -o: clients are not blamed' \
    tagged

# behind: a file cannot get its name when an item has ended the run already.
# If that is the exit status, it is said.
behind() {
    late=parent:rename:1:LATE
    plan=$late,$late,$late,$late,parent:rename:1
    for n in 1 2 3 4 5; do
        # shellcheck disable=SC2016  # for the command's shell
        g -o 'f{}' -n 2 -j 2 sh -c '[ "$1" = 0 ] || exit 0
            until [ -s "$2" ]; do sleep 0.01; done
            exit 3' sh '{}' "$dir/fired"
        fired || echo 'no file was to get its name'
        [ "$status" != 1 ] || grep -q 'fatal: unable to write f1:' err ||
            echo "$n: nothing is said"
    done
    plan=''
}
t 'injector: a file gets no name behind an item that has failed: it is said' \
    behind

for call in splice recv write poll memory thread; do
    t "injector: parent, every $call fails once, into a pipe" \
        every parent $call '' piped
done
for call in fork memory recv send connect close wait socket setsockopt poll \
    pipe fcntl setrlimit stat access; do
    t "injector: child, every $call fails once" every child $call '' \
        demonstration ordered retries
    t "injector: one child, every $call fails once" every child1 $call '' \
        ordered files
done
for call in open close dup2 setsid execve; do
    t "injector: before exec, every $call fails once" every fork $call '' \
        ordered retries environment
done
noise=''

# --- Connections that a full queue refuses, or resets, as systems like

# reset PLAN SCENE...: that happens to each child, which dials again.
reset() {
    plan=$1
    shift
    for scene; do
        scene "$scene"
        judged
        is "status, $scene" 0 "$status"
        is "messages, $scene" '' "$(cat err)"
        fired || echo "nothing was reset"
    done
    plan=''
}
t 'queue: children are refused, reset, ignored, and have no port' reset \
    child:connect:1,child:connect:2:104,child:connect:3:110,child:connect:4:99 \
    demonstration ordered files
t 'queue: children are reset before the first answer, 5 times' reset \
    child:recv:1,child:recv:2,child:recv:3,child:recv:4,child:recv:5 \
    demonstration ordered files

# hung_up: that happens to the only child behind its opening, which is every
# second thing that the parent reads.
hung_up() {
    plan=parent:recv:2,parent:recv:4,parent:recv:6,parent:recv:8,parent:recv:10
    g -l log -n 2 -j 1 sh -c 'echo {}'
    is status 0 "$status"
    is output '0 1' "$(xargs <out)"
    is messages '' "$(cat err)"
    fired || echo 'nobody was hung up on'
    plan=''
}
t 'queue: a child is hung up on behind its opening, 5 times' hung_up

# idle: children that had nothing to do for longer than they would dial, and
# then the run is ended.
idle() {
    rm -f "$dir/slow"
    mkfifo "$dir/slow"
    (exec >"$dir/slow"; echo 0; sleep 33) &
    items=1 input=$dir/slow reaping='-s 100'
    g -l log -j 5 sh -c 'sleep 31; exit 3'
    is status 123 "$status"
    grep fatal err
    input=/dev/null reaping=''
    wait
}
t 'queue: children are idle for 31 s, then an item fails: nothing to say' idle

# hopeless: what will not get better ends the run, and is said.
hopeless() {
    plan=child:socket:1+
    scene ordered
    judged
    is status 1 "$status"
    grep -q '^gather: fatal: unable to connect to 127\.0\.0\.1 port [0-9]*: '\
'Too many open files$' err || cat err
    plan=''
}
t 'queue: a child that gets no socket does not try again' hopeless

# --- Every transfer moves one byte

# one_byte SCENE...: everybody reads and writes one byte at a time.
one_byte() {
    for scene; do
        for plan in parent:write:1+:CUT \
            parent:send:1+:CUT,parent:recv:1+:CUT \
            child:send:1+:CUT,child:recv:1+:CUT; do
            scene "$scene"
            judged
            is "status, $scene, $plan" 0 "$status"
            fired || echo "$plan: nothing was cut"
        done
    done
    plan=''
}
t 'injector: every transfer is of one byte' \
    one_byte demonstration ordered files
t 'injector: every transfer is of one byte, -r' one_byte retries

# --- Calls that do not return

# stuck LEFT PLAN ARGUMENTS: the call of the plan takes a minute, and gather
# gets TERM meanwhile.  It ends by that soon, though it may leave files: then
# LEFT is one.  Item 0 is short, item 1 does not end.
cat >"$dir/bin/short_and_long" <<'.'
#!/bin/sh
[ "$1" != 1 ] || exec sleep 100
exec seq -f %07.0f 0 99
.
chmod +x "$dir/bin/short_and_long"
stuck() {
    may_leave=$1 plan=$2
    shift 2
    rm -f "$dir/pid" "$dir/fired"
    (
        until [ -s "$dir/fired" ] && [ -s "$dir/pid" ]; do
            sleep 0.02
        done
        kill -s TERM "$(cat "$dir/pid")"
        date +%s >"$dir/sent"
    ) &
    sender=$!
    reaping="-p $dir/pid"
    g "$@" -n 2 -j 2 short_and_long {}
    ended=$(date +%s)
    reaping=''
    if ! fired; then
        echo "$plan has not come to pass"
        kill $sender
    fi
    wait $sender
    is status 143 $status
    # 2 seconds are promised; the others are for a machine that is busy.
    took=$((ended - $(cat "$dir/sent")))
    [ $took -le 6 ] || echo "it took $took seconds to end"
    cat "$dir/report"
    for part in *.part; do
        [ ! -e "$part" ] || [ -n "$may_leave" ] || echo "left: $part"
    done
    plan=''
}
t 'stuck: standard output, TERM' stuck '' parent:write:2:HANG -l log
t 'stuck: the line of an item in the ledger, TERM' \
    stuck '' parent:write:3:HANG -l log
t 'stuck: the line of an item in the ledger, -o, TERM' \
    stuck '' parent:write:3:HANG -l log -o 'f{}'
t 'stuck: the file of an item is written, TERM' \
    stuck 1 parent:write:2:HANG -l log -o 'f{}'
t 'stuck: the same, and each file that is removed after TERM' \
    stuck 1 parent:write:2:HANG,parent:unlink:3+:HANG -l log -o 'f{}'
t 'stuck: the file of an item is created, TERM' \
    stuck 1 parent:open:3:HANG -l log -o 'f{}'
t 'stuck: what an earlier run has left is removed, TERM' \
    stuck 1 parent:unlink:1:HANG -l log -o 'f{}'
t 'stuck: the file of an item is closed, TERM' \
    stuck 1 parent:close:2:HANG -l log -o 'f{}'
t 'stuck: the file of an item gets its name, TERM' \
    stuck 1 parent:rename:1:HANG -l log -o 'f{}'
t 'stuck: a child connects, TERM' stuck '' child0:connect:1:HANG
t 'stuck: a child delivers, TERM' stuck '' child0:send:3:HANG
t 'stuck: a child waits for its command, TERM' stuck '' child1:wait:1:HANG
t 'stuck: a command is executed, TERM' stuck '' fork:execve:1:HANG

# executing: a child is killed while its command is executed, which takes a
# minute.  That has announced itself before, so gather ends it.
executing() {
    plan=fork:execve:1:HANG
    rm -f "$dir/pid" "$dir/fired"
    (
        until [ -s "$dir/fired" ]; do
            sleep 0.02
        done
        read -r gather <"$dir/pid"
        read -r child rest <"/proc/$gather/task/$gather/children"
        kill -s KILL "$child"
    ) &
    sender=$!
    reaping="-p $dir/pid"
    g -n 1 -j 1 true
    reaping=''
    fired || kill $sender
    wait $sender
    is status 123 $status
    cat "$dir/report"
    plan=''
}
t 'stuck: a command is executed, its child is killed' executing

# --- Deaths of children

# dies SIGNAL LOST PLAN: a child with number 0 gets the signal at that moment,
# which loses its item (1) or does not (0), or perhaps (x); unless -r runs it
# again.  Then two do at once, then all.  A child that is stopped is continued.
dies() {
    sig=$1 lost=$2
    set -- "$3:$sig"
    plan=child0:$1,child1:fork:1+:LATE keep=1
    tries=0 # the other child is late, lest it takes this one's second item
    while g -k -l log -n 6 -j 2 seq -f %07.0f {}00 {}99
        ! grep -qs '^child0' "$dir/fired" && [ $((tries += 1)) -lt 20 ]; do :
    done
    judged
    grep -qs '^child0' "$dir/fired" || echo 'nobody was hit'
    case $sig$lost in
    STOP?) is status 0 $status ;;
    *0) is 'status, child 0' 0 $status ;;
    *1) is 'status, child 0' 123 $status ;;
    esac
    plan=child0:$1 keep=0
    g -r 1 -l log -n 6 -j 2 seq -f %07.0f {}00 {}99
    judged
    is 'status, child 0, -r' 0 $status
    plan=child0:$1,child1:$1
    g -r 2 -l log -n 6 -j 3 seq -f %07.0f {}00 {}99
    judged
    is 'status, two at once' 0 $status
    plan=child:$1
    g -r 9 -l log -n 6 -j 3 seq -f %07.0f {}00 {}99
    judged
    if [ "$sig" = STOP ]; then
        is 'status, all' 0 $status
    else
        is 'status, all' 1 $status
        grep -q 'unable to go on: no child is left' err || cat err
    fi
    plan=''
}

# The items are of 800 bytes, so their data are one message.  A hello has 20
# bytes, the server's answer 28, an opening 16; a header 8, an end 24; a reply
# 8 and those of the text, here 1.
mode=out any=0 items=6 lines=100
for sig in KILL STOP SEGV; do
    while read -r lost plan name; do
        t "child, $sig: $name" dies $sig "$lost" "$plan" </dev/null
    done <<'.'
0 connect:1 before it connects
0 sent:0 before its hello
0 sent:10 in the middle of its hello
0 got:0 waiting for the server to prove itself
0 got:14 in the middle of the proof of the server
0 sent:20 before its opening
0 sent:28 in the middle of its opening
x got:28 waiting for an item
1 got:32 in the middle of a reply
1 fork:1 before it forks
1 sent:36 before a header
1 sent:40 in the middle of a header
1 sent:44 between header and data
1 sent:400 in the middle of data
1 sent:844 between data and end
1 sent:854 in the middle of an end
x got:37 after an end
1 got:40 in the middle of the next reply
1 sent:1000 in the middle of the next item
.
    plan=''
done

# reaped: the only child dies, at 30 ms, before it connects, when the parent
# has just found that nobody has, but has not read why it woke up, at 45 ms.
reaped() {
    plan=parent:wait:1+,child:connect:1:LATE,child:connect:1:KILL
    g -l log -n 6 -j 1 seq -f %07.0f {}00 {}99
    judged
    is status 1 $status
    grep -qs '^child0 connect' "$dir/fired" || echo 'nobody was hit'
    plan=''
}
t 'child, KILL: while the parent looks for the dead' reaped

# asked: the only child dies while its item is taken from the list, which is a
# file, so all of it is known.  The n-th time that memory is asked for is late,
# and one of these is then.
asked() {
    input=$dir/list pulled=1 items=4 lines=1000 n=0
    while [ $((n += 1)) -le 40 ]; do
        plan=parent:memory:$n:LATE,child:got:28:KILL
        g -l log -j 1 seq -f %07.0f {}000 {}999
        judged
        is "lines of the ledger, $n" 5 "$(wc -l <log)"
        grep -qs '^child0 got' "$dir/fired" || echo "nobody was hit, $n"
    done
    plan='' input=/dev/null pulled=0 items=6 lines=100
}
t 'child, KILL: while its item is taken from a list' asked

# goodbye SIGNAL: the only child dies before it has read the goodbye.
goodbye() {
    plan=child0:got:37:$1 items=1
    g -l log -n 1 seq -f %07.0f 0 99
    judged
    is status 0 $status
    fired || echo 'nobody was hit'
    [ "$1" != STOP ] || grep -q 'child 0 was stopped: continuing it' err ||
        cat err
    plan='' items=6
}
for sig in KILL STOP SEGV; do
    t "child, $sig: before the goodbye, all being complete" goodbye $sig
done

# turn SIGNAL OPTIONS: child 1 dies when 100,000 of its 800,000 bytes are on
# their way, which the parent does not take, as it holds none and it is item
# 0's turn until that has happened.
turn() {
    sig=$1 plan=child1:sent:100000:$1 items=4 lines=100000
    shift
    # shellcheck disable=SC2016 # for another shell
    g -l log -k -m 0 -n 4 -j 2 "$@" sh -c '
        [ {} = 0 ] || until [ -s out ]; do sleep 0.01; done
        seq -f %07.0f {}00000 {}49999
        until [ {} != 0 ] || [ -s ../fired ]; do sleep 0.01; done
        seq -f %07.0f {}50000 {}99999'
    judged
    case $sig in
    STOP) is status 0 $status ;;
    *) is status 123 $status ;;
    esac
    fired || echo 'nobody was hit'
    plan='' items=6 lines=100
}
keep=1
for sig in KILL STOP SEGV; do
    t "child, $sig: while it waits for its turn" turn $sig
    any=1
    t "child, $sig: while it waits for its turn, -u" turn $sig -u
    any=0
done
keep=0

# --- Deaths of commands

# signalled: items 1 to 64 kill themselves by the signal of that number; with
# those that are ignored or stop, and what no kernel sends, left out.
signalled() {
    # shellcheck disable=SC2016 # for another shell
    g -k -l log -j 4 -a "$dir/signals" sh -c 'kill -$1 $$; echo alive' -
    cat "$dir/report"
    is status 125 $status
    cut -f 7,8,10 log | sed 1d | tr '\t' ' ' >got
    sed 's/.*/-1 & killed/' "$dir/signals" | diff - got
    sed -n 's/.*item .*: signal \([0-9]*\) .*/\1/p' err | sort -n | diff "$dir/signals" -
    is output '' "$(cat out)"
}
{
    seq 1 16
    seq 24 27
    seq 29 31
    seq 34 64
} >"$dir/signals"
t 'command: each signal that can end it' signalled

# early SIGNAL: what a child has forked dies before it is the command.
early() {
    plan=fork:execve:1:$1 items=3
    g -k -l log -n 3 -j 2 seq -f %07.0f {}00 {}99
    judged
    [ "$1" != STOP ] && is status 125 $status
    plan=fork:dup2:1:$1
    g -k -l log -n 3 -j 2 seq -f %07.0f {}00 {}99
    judged
    [ "$1" != STOP ] && is status 125 $status
    plan='' items=6
}
for sig in KILL SEGV; do
    t "command, $sig: before its exec" early $sig
done

# noticed: commands whose output ends at any moment of their end.
noticed() {
    i=0
    while [ $((i += 1)) -le 40 ]; do
        noise=$((SEED + i)):300
        g -l log -n 22 -j 5 -m 100k seq -f %07.0f {}00 {}99
        judged
        is status 0 $status
    done
    noise=''
}
items=22 lines=100
t 'noise: the end of each command is noticed, 40 times' noticed
items=6

# unafforded: four children are forked for which there is no room, and would
# connect before they are killed, if nobody kept them from it.
unafforded() {
    plan=parent:fork:6:LATE,parent:fork:6
    for k in 1 2 3 4; do
        plan=$plan,child$k:send:1:HANG
    done
    g -l log -n 6 -j 6 seq -f %07.0f {}00 {}99
    judged
    is status 0 $status
    grep -v 'warning: only 1 jobs: unable to fork more' err
    plan=''
}
t 'child, KILL: there is no room for it: nobody calls it a stranger' unafforded

# careless: process 1 collects nobody, so what gather has to end it has to
# collect as well, or it would be taken for what still runs.
careless() {
    reaping=-z
    # shellcheck disable=SC2016 # for another shell
    g -n 20 -j 20 sh -c '
        if [ {} = 0 ]; then
            until set -- at*; [ $# = 19 ]; do sleep 0.05; done
            exit 3
        fi
        sleep 100 &
        : >at{}
        wait'
    is status 123 $status
    cat "$dir/report"
    reaping=''
}
t 'commands: process 1 collects nobody: no zombie is left or waited for' \
    careless

# --- Processes that cannot be killed

# rooted FILE: a set-uid program that becomes root altogether, so that the user
# who has started it may not kill it.  Its number goes into the file.
"$CC" -std=c99 -D_POSIX_C_SOURCE=200112L -x c -o "$dir/bin/rooted" - <<'.'
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    if (setuid(0) < 0 || getuid() != 0 || argc < 2) return 99;
    FILE *f = fopen(argv[1], "w");
    if (f == NULL || fprintf(f, "%ld\n", (long)getpid()) < 0) return 99;
    if (fclose(f) != 0) return 99;
    alarm(100);
    for (;;) pause();
}
.
chmod 4755 "$dir/bin/rooted"

# frozen FILE: stops in the middle of nowhere, as if a disk did not answer.
cat >"$dir/bin/frozen" <<'.'
#!/bin/sh
echo $$ >"$FREEZER/tasks"
echo $$ >"$1"
echo FROZEN >"$FREEZER/freezer.state"
exec sleep 100
.

# staying ITEM: of four items the second stays; in the way of $WAY, `below` a
# shell that can be killed.  The last one sees to what $EVENT says.
cat >"$dir/bin/staying" <<'.'
#!/bin/sh
case $1 in
1)
    echo $PPID >child
    [ "$WAY" = below ] || exec "$WAY" stays
    rooted stays &
    wait
    ;;
3)
    until [ -s stays ] && { [ "$WAY" != frozen ] ||
        grep -q FROZEN "$FREEZER/freezer.state"; }; do
        sleep 0.02
    done
    case $EVENT in
    TERM | KILL)
        kill -s "$EVENT" "$(cat ../pid)"
        exec sleep 60
        ;;
    failure) exit 3 ;;
    orphan) kill -s KILL "$(cat child)" ;;
    esac
    ;;
esac
exec seq -f %07.0f "$1"00 "$1"99
.
chmod +x "$dir/bin/frozen" "$dir/bin/staying"

FREEZER=/sys/fs/cgroup/freezer/gather.$$
export FREEZER
user=$((200000 + $$))
as_user="setpriv --reuid=$user --regid=$user --clear-groups"
tidy() {
    [ ! -d "$FREEZER" ] || { thaw && rmdir "$FREEZER"; }
}

# freezer: makes a group of processes that the user can freeze.
freezer() {
    mkdir "$FREEZER" && chown "$user" "$FREEZER/tasks" "$FREEZER/freezer.state"
} 2>/dev/null

# thaw: lets them go on, and end of what they got meanwhile.
thaw() {
    echo THAWED >"$FREEZER/freezer.state"
    until [ ! -s "$FREEZER/tasks" ]; do
        sleep 0.02
    done
}

# release: when gather and its children have ended, as they should, though
# what stays has not: ends that.  It has to be there.
release() {
    until [ -s "$dir/pid" ] && [ ! -d "/proc/$(cat "$dir/pid")" ] &&
        [ "$(ps -o pid= -U "$user" | wc -l)" = "$(wc -l <"$FREEZER/tasks")" ]
    do
        sleep 0.05
    done
    if [ "$(wc -l <"$FREEZER/tasks")" -gt 0 ]; then
        thaw
    else
        kill -s KILL "$(cat "$dir/work/stays")"
    fi
}

# stays WAY EVENT STATUS MESSAGE OPTIONS: a run that leaves something behind,
# and says so.
stays() {
    way=$1 event=$2 want=$3 message=$4
    shift 4
    rm -f "$dir/pid"
    release &
    under="$as_user env WAY=$way EVENT=$event" reaping="-p $dir/pid"
    g "$@" -l log -n 4 -j 2 staying {}
    wait $! || echo 'nothing was left behind'
    is status "$want" $status
    [ -z "$message" ] || grep -q "^gather: warning: $message" err || cat err
    case $event in
    time | orphan) is 'complete items' 3 "$(grep -c '[^n]complete$' log)" ;;
    esac
    cat "$dir/report"
    under='' reaping=''
}

# lost WAY SIGNAL STATUS: a client from elsewhere whose command stays gets the
# signal; or its server does, if that is KILL.
lost() {
    way=$1 sig=$2 want=$3
    GATHER_TOKEN=00112233445566778899aabbccddeeff
    export GATHER_TOKEN
    rm -f "$dir/pid"
    clear
    release &
    gather -p 1525 -j 0 -n 4 >server 2>&1 &
    server=$!
    (
        until [ -s stays ] && { [ "$way" != frozen ] ||
            grep -q FROZEN "$FREEZER/freezer.state"; }; do
            sleep 0.02
        done
        target=$server
        [ "$sig" = KILL ] || target=$(cat "$dir/pid")
        kill -s "$sig" "$target"
    ) &
    # shellcheck disable=SC2086 # words
    reap -s "$DEADLINE" -p "$dir/pid" "$dir/report" $as_user env "WAY=$way" \
        gather -c 127.0.0.1:1525 staying {} >out 2>err
    is status "$want" $?
    kill -s KILL $server
    wait
    grep -q 'item 1: its command cannot be killed: it is left' err || cat err
    cat "$dir/report"
    unset GATHER_TOKEN
} 2>/dev/null

[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || lack='root, or setpriv'
[ -n "$lack" ] || freezer || lack='freezer of processes (cgroups, version 1)'
gone='child [01] is gone, and its command cannot be killed: it is left behind'
left='item 1: its command cannot be killed: it is left behind'
for way in rooted below frozen; do
    case $way in
    rooted) is='of root' ;;
    below) is='that has a child of root' ;;
    frozen) is='that is frozen' ;;
    esac
    t "a command $is: its time is up, others go on" \
        stays $way time 124 "$left" -k -t 5
    t "a command $is: TERM ends gather" stays $way TERM 143 "$left"
    t "a command $is: an item fails" stays $way failure 123 "$left"
    t "a command $is: the parent is killed" stays $way KILL 137 "$left"
    t "a command $is: a client gets TERM" lost $way TERM 143
    t "a command $is: the server of a client is killed" lost $way KILL 1
done
t 'a command of root: its child is killed' stays rooted orphan 123 "$gone" -k
t 'a command that is frozen: its child is killed' \
    stays frozen orphan 123 '' -k # the system lets it be killed

# helpless: a child that is frozen when it has nothing more to do, and so does
# not end.
helpless() {
    rm -f "$dir/pid"
    release &
    under=$as_user reaping="-p $dir/pid"
    # shellcheck disable=SC2016 # for another shell
    g -r 1 -n 2 -j 2 sh -c '
        if [ {} = 0 ]; then
            echo $PPID >child
        else
            until [ -s child ]; do sleep 0.02; done
            sleep 1 # it asks for another item
            cat child >"$FREEZER/tasks"
            echo FROZEN >"$FREEZER/freezer.state"
        fi
        echo {}'
    wait $!
    is status 0 $status
    is output '0 1 ' "$(tr '\n' ' ' <out)"
    cat err "$dir/report"
    under='' reaping=''
}
t 'a child that is frozen after its last item: the run ends' helpless
lack=''

# --- Deaths of the parent

# kept: item 1 does not end before item 3 has begun.
cat >"$dir/bin/kept" <<'.'
#!/bin/sh
[ "$1" != 3 ] || : >end
until [ "$1" != 1 ] || [ -e end ]; do
    sleep 0.02
done
exec seq -f %07.0f "$1"000 "$1"999
.
chmod +x "$dir/bin/kept"

# killed SIGNAL CALL: the parent gets the signal at its n-th such call, for
# every n.
killed() {
    n=0 missed=0 hits=0
    case $1 in
    KILL) signal=9 ;;
    SEGV) signal=11 ;;
    TERM) signal=15 ;;
    esac
    while [ $missed -lt 2 ]; do
        n=$((n + 1))
        plan=parent:$2:$n:$1 items=4 lines=1000
        if [ $((n % 2)) = 0 ]; then
            mode=files
            g -l log -o 'f{}' -n 4 -j 2 kept {}
        else
            mode=out
            g -l log -n 4 -j 2 kept {}
        fi
        missed=$((missed + 1)) dead=''
        ! fired || { missed=0 && hits=$((hits + 1)); }
        if fired && [ "$1" != TERM ]; then
            is status $((128 + signal)) $status
            dead=1
        fi
        judged
    done
    [ $hits -gt 0 ] || echo "there is no $2"
    plan='' dead='' signal=0 mode=out items=6 lines=100
}
for call in fork thread memory open read write recv send close socket bind \
    listen accept poll pipe rename unlink wait fcntl; do
    t "parent, KILL: at every $call" killed KILL $call
done
for call in fork thread recv send poll write; do
    t "parent, SEGV: at every $call" killed SEGV $call
done

# cut_off: the parent dies after so many bytes on standard output.
cut_off() {
    signal=9 dead=1 items=4 lines=1000
    for n in 0 1 8000 8001 20000; do
        plan=parent:wrote:$n:KILL
        g -l log -n 4 -j 2 kept {}
        judged
        is status 137 $status
        is bytes $n "$(wc -c <out)"
    done
    piped=1 lines=10000
    for n in 0 1 16384 80000 80001 200000; do
        plan=parent:wrote:$n:KILL
        g -l log -n 4 -j 2 seq -f %07.0f {}0000 {}9999
        judged
        is status 137 $status
        is bytes $n "$(wc -c <out)"
    done
    plan='' dead='' signal=0 items=6 lines=100 piped=''
}
t 'parent, KILL: in the middle of its output' cut_off

# many: 60 commands that ignore TERM are gone 3 seconds after the parent.
many() {
    # shellcheck disable=SC2016 # for another shell
    g -n 60 -j 60 sh -c 'trap "" TERM; : >at{}
        if [ {} = 0 ]; then
            while set -- at*; [ $# -lt 60 ]; do sleep 0.05; done
            kill -KILL $(ps -o ppid= -p $PPID)
        fi
        while sleep 60; do :; done'
    cat "$dir/report"
    is status 137 $status
}
t 'parent, KILL: 60 commands that ignore TERM end' many

# --- Real shortages

# unloaded: has there been too little for the system to begin with gather?
unloaded() {
    grep -q -e 'error while loading shared libraries' \
        -e 'cannot allocate TLS data structures for initial thread' err
}

# short LOW HIGH STEP UNDER ARGUMENTS: runs with each value from LOW to HIGH, @
# in UNDER being the value.  Every run has to come out right, or to say why
# not; the last one right.  If `must` is set, one of them has said that.
short() {
    : >"$dir/said"
    v=$1 high=$2 step=$3 whole=$4
    shift 4
    while [ "$v" -le "$high" ]; do
        under=$(echo "$whole" | sed "s/@/$v/g")
        g "$@"
        cat err >>"$dir/said"
        v=$((v + step))
        unloaded || judged
    done
    is "the last status" 0 "$status"
    grep -q "$must" "$dir/said" || echo "nobody has said: $must"
    under=''
}

mode=out items=30 lines=100
command -v prlimit >/dev/null || lack=prlimit
must='warning: file descriptors allow only [0-9]* jobs'
t 'real: 5 to 60 descriptors' short 5 60 1 'prlimit --nofile=@' \
    -k -l log -n 30 -j 20 seq -f %07.0f {}00 {}99
mode=files
t 'real: 5 to 60 descriptors, -o' short 5 60 1 'prlimit --nofile=@' \
    -k -l log -n 30 -j 20 -o 'f{}' seq -f %07.0f {}00 {}99
# crowded N COMMAND: runs it with descriptors 10 to 9 + N open.
cat >"$dir/bin/crowded" <<'.'
#!/usr/bin/env bash
for ((fd = 10; fd < 10 + $1; fd++)); do
    eval "exec $fd</dev/null" || exit
done
shift
exec "$@"
.
chmod +x "$dir/bin/crowded"
[ -n "$lack" ] || command -v bash >/dev/null || lack=bash
mode=out must='fatal: unable to run: too few file descriptors'
t 'real: 55 to 100 descriptors, of which 40 came in open' short 55 100 5 \
    'prlimit --nofile=@ crowded 40' -k -l log -n 30 -j 20 \
    seq -f %07.0f {}00 {}99
[ "$lack" != bash ] || lack=''
items=12 must=''
t 'real: 3 to 40 MiB of address space' short 3000000 40000000 700000 \
    'prlimit --as=@' -k -l log -n 12 -j 8 seq -f %07.0f {}00 {}99

# room: items that wait do not fit into memory, though -m allows them.  With
# less than 40 MB the one whose turn it is may find none, but not always.
room() {
    items=3 lines=1000000 right=0
    for megabytes in 14 18 20 40; do
        under="prlimit --as=${megabytes}000000"
        # shellcheck disable=SC2016 # for another shell
        g -l log -m 1G -n 3 ${1+"$1"} sh -c '[ {} != 0 ] || sleep 0.5
            seq -f %07.0f {}000000 {}999999'
        unloaded || judged
        [ $megabytes = 40 ] || [ "$status" != 0 ] || right=$((right + 1))
    done
    is 'status, 40' 0 "$status"
    [ $right -gt 0 ] || echo 'never right with less'
    under=''
}
t 'real: 16 MB that wait, 14 to 40 MB of address space' room
any=1
t 'real: 16 MB that wait, 14 to 40 MB of address space, -u' room -u
any=0

lack=''
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || lack='root, or setpriv'
user=$((100000 + $$))
items=12 lines=100 must='warning: only [0-9]* jobs: unable to fork more'
t 'real: 1 to 40 processes' short 1 40 3 "setpriv --reuid=$user \
    --regid=$user --clear-groups prlimit --nproc=@" \
    -k -l log -n 12 -j 8 seq -f %07.0f {}00 {}99

# few: children, a thread and a command for each, gather itself, and an eighth
# for what commands fork: every number of processes from 2 to 12 that may be
# all of these.
few() {
    items=12
    for n in 2 3 4 5 6 7 8 9 10 11 12; do
        for jobs in 2 8 100; do
            user=$((user + 1)) # the system may not have counted down yet
            room=$(((n - 1 - (n - 1) / 8) / 3))
            under="setpriv --reuid=$user --regid=$user --clear-groups"
            under="$under prlimit --nproc=$n"
            g -l log -n 12 -j $jobs seq -f %07.0f {}00 {}99
            echo "gather: warning: only $room jobs: unable to fork more" >want
            [ $room -lt $jobs ] || : >want
            if [ $room -gt 0 ]; then
                judged
                is "status, $n" 0 "$status"
            else
                is "status, $n" 1 "$status"
                echo 'gather: fatal: unable to fork:' \
                    'Resource temporarily unavailable' >want
                cat "$dir/report"
            fi
            diff want err
        done
    done
    under=''
}
t 'real: 2 to 12 processes: room for thread and command of each job' few

# enough: few processes, but more than all jobs need.
enough() {
    under="setpriv --reuid=$user --regid=$user --clear-groups"
    under="$under prlimit --nproc=600"
    g -l log -n 60 -j 60 seq -f %07.0f {}00 {}99
    judged
    is status 0 "$status"
    cat err
    under=''
}
items=60
t 'real: 600 processes, and 60 jobs: none is missing' enough

# Each time as many children as may be, and then some more are forked, and have
# to be gone before there are threads.
crowd() {
    under="setpriv --reuid=$user --regid=$user --clear-groups prlimit"
    under="$under --nproc=12 $*"
    i=0
    while [ $((i += 1)) -le 15 ]; do
        g -l log -n 30 -j 100 seq -f %07.0f {}00 {}99
        judged
        is status 0 "$status"
        grep stranger err
    done
    under=''
}
items=30
t 'real: 12 processes, but 100 jobs are wanted, 15 times' crowd
t 'real: 12 processes, one processor, 15 times' crowd taskset -c 0
lack=''

# narrow: so few descriptors that there is hardly a place for each job.
narrow() {
    # shellcheck disable=SC2034 # for g
    for n in 24 25 26 27 28 29 30 31 32 33; do
        under="prlimit --nofile=$n"
        g -l log -n 7 -j 4 seq -f %07.0f {}00 {}99
        case $status in
        1) grep -q 'unable to run: too few file descriptors$' err || cat err ;;
        *) judged; is "status with $n" 0 "$status" ;;
        esac
    done
    under=''
}
command -v prlimit >/dev/null || lack='prlimit'
items=7
t 'real: 24 to 33 descriptors, 4 jobs' narrow
lack=''

# unknown: a million jobs, and a list that nobody knows the length of.
unknown() {
    rm -f "$dir/slow"
    mkfifo "$dir/slow"
    (
        exec >"$dir/slow"
        until grep -qs 'descriptors allow only 1[0-9]* jobs' "$dir/work/err"
        do
            sleep 0.1
        done
        printf '%s\n' 0 1 2 3
    ) &
    items=4 input=$dir/slow under='prlimit --nofile=2000' reaping='-s 300'
    g -l log -j 1000000 seq -f %07.0f {}00 {}99
    judged
    is status 0 "$status"
    is messages 2 "$(wc -l <err)"
    grep -q 'warning: only 8192 jobs: more might not' err || cat err
    input=/dev/null under='' reaping=''
    wait
}
[ "$(id -u)" = 0 ] && command -v prlimit >/dev/null || lack='root, or prlimit'
t 'real: a million jobs, a list of unknown length: as many as can connect' \
    unknown
lack=''

# mounted OPTIONS COMMAND: runs it beside a new file system named disk, below
# the present directory.
cat >"$dir/bin/mounted" <<'.'
#!/bin/sh
mkdir disk && mount -t tmpfs -o "$1" tmpfs disk || exit 99
shift
exec "$@"
.
# closed FDS COMMAND: runs it without these of its descriptors.
cat >"$dir/bin/closed" <<'.'
#!/bin/sh
fds=$1
shift
case $fds in *0*) exec <&- ;; esac
case $fds in *1*) exec >&- ;; esac
case $fds in *2*) exec 2>&- ;; esac
exec "$@"
.
chmod +x "$dir/bin/mounted" "$dir/bin/closed"

# full STATUS MESSAGE OPTIONS ARGUMENTS: a run in which a file system is full.
full() {
    want=$1 message=$2 under="mounted $3"
    shift 3
    g "$@"
    is status "$want" $status
    grep -q "$message" err || cat err
    # shellcheck disable=SC2012 # no names but f0, f1, ... are expected
    ls disk | sed '/^f[0-9]$/d' | sed 's/^/left: /'
    for f in disk/f?; do
        [ -e "$f" ] || continue
        i=${f#disk/f}
        seq -f %07.0f "${i}0000" "${i}9999" | cmp - "$f"
    done
    cat "$dir/report"
    umount disk
    under=''
}
unshare -m true 2>/dev/null || lack='root, or file systems to mount'
t 'real: a full file system, -o: an item does not fit' \
    full 1 'unable to write disk/f.: No space left' size=60k \
    -o 'disk/f{}' -n 4 -j 2 seq -f %07.0f {}0000 {}9999
t 'real: a full file system, -o: the third item does not fit' \
    full 1 'unable to write disk/f2: No space left' size=200k \
    -o 'disk/f{}' -n 4 -j 1 seq -f %07.0f {}0000 {}9999
t 'real: a full file system, -o: no file can be created' \
    full 1 'unable to create disk/f[0-3]\.part: No space left' \
    size=1m,nr_inodes=2 -o 'disk/f{}' -n 4 -j 2 seq -f %07.0f {}0000 {}9999

# spill: the ledger does not fit, and harms nothing else.
spill() {
    items=400 lines=10 under='mounted size=8k'
    g -l disk/log -n 400 seq -f %07.0f {}0 {}9
    is status 1 $status
    grep -q 'unable to write disk/log: No space left' err || cat err
    seq -f %07.0f 0 3999 | cmp - out
    cat "$dir/report"
    umount disk
    under=''
}
t 'real: a full file system, -l: the output is whole' spill
lack=''

# closed_in FDS ARGUMENTS: they are closed on entry.  Without 1 nothing can be
# written, except to files.
closed_in() {
    under="closed $1" fds=$1 items=4 lines=100
    shift
    g "$@"
    case $fds$* in
    *1*-o*) is status 0 $status ;;
    *1*) is status 1 $status ;;
    *) is status 0 $status ;;
    esac
    case $fds in
    *2*) is 'standard error' '' "$(cat err)" ;;
    *) judged ;;
    esac
    cat "$dir/report"
    under=''
}
for fds in 0 1 2 01 02 12 012; do
    mode=out
    t "real: closed on entry: $fds" closed_in $fds \
        -l log -n 4 -j 2 seq -f %07.0f {}00 {}99
    mode=files
    t "real: closed on entry: $fds, -o" closed_in $fds \
        -l log -o 'f{}' -n 4 -j 2 seq -f %07.0f {}00 {}99
    mode=table
    t "real: closed on entry: $fds, demonstration" closed_in $fds -n 4 -j 2
done
mode=out

# nonblocking FDS: these are pipes that do not block, and nobody is in a hurry.
nonblocking() {
    clear
    {
        for i in 0 1 2 3; do
            sleep 0.03
            echo $i
        done
    } | {
        {
            # shellcheck disable=SC2016 # for another shell
            reap -n "$1" "$dir/report" gather -v -j 2 sh -c '
                seq -f %07.0f "$1"0000 "$1"9999; seq 2000 >&2' - 3>&- |
                (sleep 0.3; cat) >out
        } 2>&1 >&3 3>&- | (sleep 0.3; cat) >err
    } 3>&1
    cat "$dir/report"
    seq -f %07.0f 0 39999 | cmp - out
    is 'lines of commands' 8000 "$(grep -c '^[0-9]*$' err)"
    is 'lines of gather' 4 "$(grep -c '^gather: ' err)"
    grep -q '^gather: all 4 complete$' err || tail -n 3 err
}
for fds in 0 1 2 01 02 12 012; do
    t "real: not blocking: $fds" nonblocking $fds
done

# talk: messages into a pipe that does not block, is not read, and full but for
# 2 kB.
talk() {
    clear
    {
        awk 'BEGIN { while (i++ < 1008) printf "%062d\n", i }'
        reap -n 2 "$dir/report" gather -k -j 4 -n 1500 no-such-command 2>&1
    } | (sleep 1; cat) >err
    cat "$dir/report"
    is messages 102 "$(grep -c '^gather: ' err)"
    is lines 1110 "$(wc -l <err)"
}
t 'real: not blocking: 2, full of messages' talk

# jail: makes a root directory of gather and what it needs; nothing else.
jail() {
    root=$dir/root
    rm -rf "$root"
    mkdir -p "$root/dev" "$root$dir/bin"
    seq=$(command -v seq) cat=$(command -v cat)
    cp "$dir/bin/gather" "$root$dir/bin/"
    cp "$seq" "$root/seq"
    cp "$cat" "$root/cat"
    ldd "$dir/bin/gather" "$seq" "$cat" |
        sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u |
        while read -r file; do
        mkdir -p "$root${file%/*}"
        cp "$file" "$root$file"
    done
    head -c 4096 /dev/urandom >"$root/dev/urandom"
}

# jailed: no /etc, no /tmp, no /dev/null.
jailed() {
    jail
    items=4 under="chroot $root"
    g -l log -n 4 -j 2 /seq -f %07.0f {}00 {}99
    cp "$root/log" log
    judged
    is status 0 $status
    is '/etc' '' "$(ls -d "$root/etc" 2>/dev/null)"
    g -n 4 /cat # which has an input, though an empty one
    is 'status, cat' 0 $status
    is 'messages, cat' '' "$(cat err)"
    mode=table
    g -n 4
    judged
    is status 0 $status
    rm -r "${root:?}/dev"
    g -n 4
    is status 1 $status
    is message "gather: fatal: unable to read /dev/urandom: \
No such file or directory" "$(cat err)"
    mode=out under=''
}
chroot / true 2>/dev/null || lack='right to chroot'
t 'real: no /etc, no /dev/null; then no /dev/urandom' jailed
lack=''

# network STATUS COMMAND...: a network of our own, made by the commands.  What
# goes wrong in it is said.
network() {
    want=$1
    shift
    items=4
    cat >"$dir/bin/network" <<.
$*
exec "\$@"
.
    under="unshare -n sh $dir/bin/network" reaping='-s 45'
    g -l log -n 4 -j 2 seq -f %07.0f {}00 {}99
    judged
    is status "$want" $status
    [ "$want" = 0 ] ||
        grep -q 'unable to connect to 127.0.0.1 port [0-9]*: ..' err || cat err
    under='' reaping=''
}
unshare -n true 2>/dev/null || lack='right to have a network'
t 'real: no loopback address' network 1 :
command -v ip >/dev/null || lack='ip, of iproute2'
t 'real: the loopback interface is down: it says so in 40 seconds' network 1 \
    'ip address add 127.0.0.1/8 dev lo'
t 'real: the loopback interface only' network 0 'ip link set lo up'
lack=''

# reused: a command has ended, its group, too, but not its output, which takes
# longer than it may.  Somebody else has its number by then, and is left alone.
cat >"$dir/bin/reused" <<'.'
#!/bin/sh
# shellcheck disable=SC2016 # for another shell
gather -q -t 3 sh -c 'echo $$ >number
    setsid sh -c ": >apart; while echo x; do sleep 0.3; done" &
    until [ -e apart ]; do sleep 0.02; done' ::: a >out 2>err &
until [ -s number ]; do sleep 0.02; done
n=$(cat number)
while kill -0 "-$n" 2>/dev/null; do sleep 0.02; done
until [ "$other" = "$n" ]; do
    echo $((n - 1)) >/proc/sys/kernel/ns_last_pid
    setsid sleep 60 &
    other=$!
done
wait %1
echo $?
kill -0 "$other" || echo "it was killed"
.
chmod +x "$dir/bin/reused"
reused() {
    clear
    reap "$dir/report" unshare -fp --mount-proc reused >status
    is status 124 "$(cat status)"
    is message 'gather: item 0 (a): timed out' "$(sed 's/ \[.*//; 1q' err)"
    cat "$dir/report"
}
unshare -fp --mount-proc test -w /proc/sys/kernel/ns_last_pid 2>/dev/null ||
    lack='right to have processes numbered'
t 'real: the number of a command that has ended is used again' reused

# heir: gather is the first process of a container, and has had a child before
# it became gather.  That leaves it an orphan with the number of a child that
# was killed, which is no child that ends.
# shellcheck disable=SC2016 # for another shell
older='
    until [ -s wanted ]; do sleep 0.02; done
    n=$(cat wanted)
    until [ "$(cat number)" = "$n" ]; do
        sh -c "echo $((n - 1)) >/proc/sys/kernel/ns_last_pid
            sleep 0.1 & echo \$! >number"
    done'
# shellcheck disable=SC2016 # for another shell
heir='
    [ "$1" = a ] || exec echo b
    n=$(ps -A -o pid= -o ppid= -o args= |
        awk -v me=$PPID "\$2 == 1 && \$3 == \"gather\" && \$1 != me {
            print \$1 }")
    kill -KILL "$n"
    while [ -e "/proc/$n" ]; do sleep 0.02; done
    echo "$n" >wanted
    until [ "$(cat number)" = "$n" ]; do sleep 0.02; done
    while [ -e "/proc/$n" ]; do sleep 0.02; done
    echo a
    : >gone'
inherited() {
    clear
    : >number
    {
        echo a
        until [ -e gone ] || [ -s status ] || grep -qs fatal err; do
            sleep 0.1
        done
        echo b
    } | {
        # shellcheck disable=SC2016 # for another shell
        reap -s "$DEADLINE" "$dir/report" unshare -fp --mount-proc \
            sh -c "($older) &"'exec gather -q -j 2 sh -c "$1" -' - "$heir" \
            >out 2>err
        echo $? >status
    }
    is status 0 "$(cat status)"
    is output 'a b ' "$(tr '\n' ' ' <out)"
    sed '/warning: child [01] ended early: signal 9$/d' err
    cat "$dir/report"
}
t 'real: an orphan has the number of a child that was killed' inherited
lack=''

# entered OPTIONS: signals are ignored or blocked on entry; a child is stopped,
# one is killed, a command fails, the reader goes away; TERM ends it unless it
# is ignored.
entered() {
    under="env $*" items=6
    g -l log -n 6 -j 2 seq -f %07.0f {}00 {}99
    judged
    is status 0 $status
    # shellcheck disable=SC2016 # for another shell
    g -k -l log -j 2 sh -c 'eval "$1"' - ::: 'kill -STOP $PPID' \
        'kill -KILL $PPID; sleep 60' 'exit 3' 'kill -TERM $$' \
        'grep -E "^Sig(Blk|Ign)" /proc/self/status'
    cat "$dir/report"
    is status 125 $status
    cut -f 10 log | tr '\n' ' ' |
        grep -q 'State complete incomplete failed killed complete ' || cat log
    is masks 'SigBlk: 0000000000000000 SigIgn: 0000000000000000 ' \
        "$(tr '\t\n' '  ' <out)"
    {
        reap "$dir/report" env "$@" gather -l log -n 20 seq 1000000 2>err
        echo $? >status
    } | head -c 1000 >/dev/null
    is 'status, the reader having left' 141 "$(cat status)"
    is 'lines of the ledger, the reader having left' 21 "$(wc -l <log)"
    cat "$dir/report"
    # shellcheck disable=SC2016 # for another shell
    g -n 1 sh -c 'kill -TERM $(ps -o ppid= -p $PPID); sleep 1'
    cat "$dir/report"
    case $* in
    --ignore-signal*TERM | --ignore-signal | --ignore-signal\ *)
        is 'status, TERM' 0 $status
        ;;
    *) is 'status, TERM' 143 $status ;;
    esac
    under=''
}
env --ignore-signal=CHLD --block-signal=CHLD true 2>/dev/null ||
    lack='env --ignore-signal'
for sig in =CHLD =PIPE =USR1 =HUP,INT,QUIT,TERM ''; do # = alone means none
    these=${sig#=}
    t "real: on entry ignored: ${these:-all}" entered "--ignore-signal$sig"
    t "real: on entry blocked: ${these:-all}" entered "--block-signal$sig"
done
t 'real: on entry ignored and blocked: all' entered --ignore-signal \
    --block-signal
lack=''

# first: a client that is the first process of a container is given what its
# commands leave behind, and has to collect it.
first() {
    clear
    GATHER_TOKEN=00112233445566778899aabbccddeeff
    export GATHER_TOKEN
    reap -s "$DEADLINE" "$dir/report" gather -p 1525 -j 0 -n 9 >out 2>err &
    # shellcheck disable=SC2016 # for another shell
    unshare -p --fork --mount-proc gather -c 127.0.0.1:1525 -t 10 sh -c '
        (sleep 0 &)
        until [ {} != 8 ] || ! ps -A -o stat= | grep -q "^Z"; do
            sleep 0.1
        done'
    is client 0 $?
    wait $!
    is server 0 $?
    sed '/waiting for clients/d' err
    cat "$dir/report"
    unset GATHER_TOKEN
}
unshare -p --fork --mount-proc true 2>/dev/null ||
    lack='namespaces of processes'
t 'real: -c as the first process of a container leaves no zombies' first
lack=''

# --- Random rounds

# pick N: a random number below n, in `r`.
pick() {
    state=$(((state * 1103515245 + 12345) % 2147483648))
    r=$((state / 65536 % $1))
}

# one_of WORD...: one of them, in `word`.
one_of() {
    pick $#
    shift "$r"
    word=$1
}

# trouble: a plan, in `word`.
trouble() {
    one_of parent child child0 child1 child2 fork
    who=$word
    case $who in
    parent) one_of memory open read recv send close poll accept thread fork \
        pipe setsockopt rename unlink fcntl wrote sent got splice ;;
    fork) one_of open close dup2 setsid execve ;;
    *) one_of memory recv send close poll fork pipe connect socket wait fcntl \
        stat access sent got sent got sent got ;;
    esac
    call=$word
    one_of 3 10 40 # else many a call would never be meant
    pick "$word"
    n=$((r + 1)) how=''
    # For what becomes a command it begins anew with each: 1 hits all of them.
    [ "$who" != fork ] || one_of 1 "$n" "$n" "$n"
    [ "$who" != fork ] || n=$word
    case $call in
    wrote | sent | got)
        one_of 1 10 100 1000 10000
        n=$((n * word))
        one_of KILL STOP SEGV
        [ "$who" != parent ] || word=KILL
        how=:$word
        ;;
    *)
        pick 6
        if [ "$r" = 0 ] && [ "$who" != fork ]; then
            one_of KILL STOP SEGV
            [ "$who" != parent ] || word=KILL
            how=:$word
        fi
        ;;
    esac
    word=$who:$call:$n$how
}

# round SEED: one.
round() {
    state=$1
    pick 7
    plan=''
    for part in 1 2 3 4 5 6; do
        [ "$part" -gt "$r" ] || {
            set -- "$r"
            trouble
            r=$1 plan=$plan,$word
        }
    done
    plan=${plan#,} noise=$state
    one_of 0 0 20 100 300
    noise=$noise:$word
    one_of 0 00 000 0000
    zeros=$word nines=$(echo "$word" | tr 0 9) lines=1$word
    pick 30
    items=$((r + 1))
    pick 6
    set -- -l log -n $items -j $((r + 1))
    mode=out any=0 keep=0
    one_of 0 1 2 3
    case $word in
    1) any=1 && set -- "$@" -u ;;
    2) mode=files && set -- "$@" -o 'f{}' ;;
    esac
    one_of 0 1k 100k 64M
    [ $mode = files ] || set -- "$@" -m "$word"
    one_of 0 1
    [ "$word" = 0 ] || keep=1
    [ "$word" = 0 ] || set -- "$@" -k
    one_of 0 0 1 5
    [ "$word" = 0 ] || set -- "$@" -r "$word"
    one_of 0 0 30
    [ "$word" = 0 ] || set -- "$@" -t "$word"
    one_of '' 1
    piped=$word
    : "${plan:=fork:fork:99}"
    g "$@" seq -f %07.0f "{}$zeros" "{}$nines"
    dead='' signal=0
    case $status,$plan in # no other death of gather's own is planned
    137,*parent:*:KILL*) dead=1 signal=9 ;;
    esac
    judged
    fired || is 'status, noise' 0 "$status" # which is no reason to fail
    plan='' noise='' dead='' signal=0 piped=''
}

# rounds FROM TO: those of a block.
rounds() {
    i=$1
    while [ "$i" -lt "$2" ]; do
        round $((SEED + i)) >"$dir/round"
        [ ! -s "$dir/round" ] || { echo "round $i:"; cat "$dir/round"; }
        i=$((i + 1))
    done
}
i=0
while [ "$i" -lt "$rounds" ]; do
    to=$((i + 20))
    [ "$to" -lt "$rounds" ] || to=$rounds
    t "random: rounds $i to $((to - 1))" rounds "$i" "$to"
    i=$to
done

# --- The end

echo "# $runs runs"
finish
