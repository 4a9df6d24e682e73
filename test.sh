#!/bin/sh
#
# test.sh - the test suite of gather; POSIX shell and utilities, TAP output.
#
#     ./test.sh              all tests
#     ./test.sh 'ledger'     those whose names match: a pattern of the shell,
#                            found anywhere in the name
#     GATHER=/path/to/gather ./test.sh     tests another binary
#     DEADLINE=200 ./test.sh               gives each test so many seconds
#                            (20), for a slow machine, valgrind and the like
#
# The last line is `N passed, N failed`, then `, N skipped` if some were; the
# exit status is 0 if none failed.  A test looks like this:
#
#     try 'what it proves' <<'.'
#     @ what it needs: a command that succeeds if that is there
#     $ gather -n 2 no-such-command
#     output, as it has to be
#     ! item 0: what gather has to say, after `gather: `, on standard error
#     2> another line on standard error
#     = 0 1 0 0 0 0
#     ? 127
#     .
#
# The `$` lines run in one shell, in an empty directory.  Their output, what
# is on standard error, and the exit status (0 if there is no `?`) have to be
# exactly these.  `=` stands for gather's closing line: how many items were
# complete, failed, killed, timed out, incomplete and not started; a 7th word
# stands there if the list was not read to its end.
#
# What nobody can know is taken out of gather's messages first: how long an
# item took, with what follows, and the end of the closing line, which says
# where to look.  What a test prints of a file has to begin a line as it did
# there, or the test uses `plain`.
#
# A POSIX shell and utilities are all that has to be installed.
#
# What runs in a test has a pipe as its standard error, and the test is over
# when that comes to its end.  So every test also proves that nothing is left
# behind: a process that stays would be there until the deadline.
#
# At the deadline TERM and then KILL are sent to the shell of the test and to
# its process group, then KILL to the reader of the pipe: so the suite goes on,
# whatever happens.  The group is made by setsid(1), or a shell whose `set -m`
# needs no terminal; without either, it is the shell alone that is killed.  A
# gather that is killed takes its children and their commands with it.  What
# has left the group otherwise is ended, too, if there is a ps that tells it.

LC_ALL=C
export LC_ALL
unset GATHER_ITEM GATHER_WHICH GATHER_TOKEN CDPATH ENV
umask 077

pattern=${1-}
here=$(cd "$(dirname "$0")" && pwd) || exit 1
case ${GATHER:=$here/gather} in
/*) ;;
*) GATHER=$(pwd)/$GATHER ;;
esac
if [ ! -x "$GATHER" ] || [ -d "$GATHER" ]; then
    echo "Bail out! There is no $GATHER: say make first."
    exit 1
fi
: "${DEADLINE:=20}"
second=$(((DEADLINE + 19) / 20)) # or more: time for what is not to time out
nl='
'

# The shell that runs this runs the tests, if ps can tell which that is.
shell=$(ps -o args= -p $$ 2>/dev/null) || shell=''
case $shell in
*" $0"*)
    shell=${shell%%" $0"*}
    shell=${shell%% -*}
    ;;
*) shell='sh' ;;
esac
# shellcheck disable=SC2086 # it may be `busybox sh`
$shell -c : 2>/dev/null || shell='sh'

dir=${TMPDIR:-/tmp}/gather-test.$$
mkdir "$dir" || exit 1
dir=$(cd "$dir" && pwd)
trap 'finish KILL; rm -rf "$dir"' 0
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
mkdir "$dir/bin"
ln -s "$GATHER" "$dir/bin/gather"
PATH=$dir/bin:$PATH
if sleep 0.01 2>/dev/null; then # POSIX knows whole seconds only
    nap=0.02
else
    nap=1
fi
# gVisor, a kernel on which tests/gvisor.sh runs this, does a few things in
# another way than POSIX and Linux.
dmesg 2>/dev/null | grep -q 'Starting gVisor' && gvisor=yes || gvisor=''
export PATH GATHER nap nl second gvisor

# --- What tests use; the first five are programs, for commands of gather

# lines N TEXT: N lines, each with the text and its number.
cat >"$dir/bin/lines" <<'.'
#!/bin/sh
exec awk -v n="$1" -v t="$2" 'BEGIN { while (i++ < n) print t, i }'
.

# till COMMAND: tries it until it succeeds.
cat >"$dir/bin/till" <<'.'
#!/bin/sh
until "$@"; do
    sleep "$nap"
done
.

# flaky N ITEM: says which try it is, and fails in the first N of them.
cat >"$dir/bin/flaky" <<'.'
#!/bin/sh
echo "$2" >>tries
n=$(grep -c "^$2\$" tries)
echo "$2: try $n"
exit $((n <= $1))
.

# watched COMMAND: runs it with its own process number in $G.  Returns 128 + n
# when it dies of signal n, without the shell's remarks on that.
cat >"$dir/bin/watched" <<'.'
#!/bin/sh
exec 3>&2 2>/dev/null
sh -c 'exec 2>&3 3>&-; G=$$; export G; exec "$@"' sh "$@"
status=$?
exit $((status > 128 ? 128 + status % 128 : status))
.

# first SIGNAL COMMAND: runs it as process 1 of a container.  When there is a
# file go, it gets the signal, again and again, until it has ended.
cat >"$dir/bin/first" <<'.'
#!/bin/sh
signal=$1
shift
rm -f unshare
{
    till test -s unshare
    till test -e go
    read -r u <unshare
    while kill -0 "$u"; do
        for p in $(ps -A -o pid= -o ppid= | awk -v u="$u" '$2 == u {print $1}')
        do
            kill -s "$signal" "$p"
        done
        sleep "$nap"
    done
} >/dev/null 2>&1 &
sh -c 'echo $$ >unshare; exec unshare -p -f "$@"' - "$@"
status=$?
wait
exit $status
.
chmod +x "$dir/bin/first"
chmod +x "$dir/bin/lines" "$dir/bin/till" "$dir/bin/flaky" "$dir/bin/watched"

# monitor SHELL COMMAND: runs it as the leader of a process group, if that is a
# shell that can do so without a terminal.
cat >"$dir/bin/monitor" <<'.'
#!/bin/sh
shell=$1
shift
exec "$shell" -c 'set -m 2>/dev/null
    "$@" &
    exec 2>/dev/null # for what it has to say on jobs
    wait $!' "$shell" "$@"
.
chmod +x "$dir/bin/monitor"

cat >"$dir/plain" <<'.'
/^gather: item [0-9N]/s/ \[after [0-9N.]* s.*\]$//
/^gather: [0-9N].* complete/s/; see .*//
/^gather: [0-9N].* complete/s/; a ledger .*//
.

# The rest are functions of the shell that runs a test.
cat >"$dir/shell" <<'end'
# plain: takes out of gather's messages what nobody can know.
plain() {
    sed -f ../plain
}

# digits: replaces numbers, which nobody can know, by N.
digits() {
    sed 's/[0-9][0-9]*/N/g'
}

# count: the number of lines.
count() {
    awk 'END { print NR }'
}

# row N: line N of the ledger, without its times.
row() {
    sed -n "$1p" log | cut -f 1-2,5-10 | tr '\t' '|'
}

# rows FILE: the demonstration's table without its first and last line.
rows() {
    sed -e 1d -e '$d' "$1"
}

# total FILE: the last line of the table, without time and rate.
total() {
    sed -n '$s/, [0-9.]* s, [0-9.]* MB\/s$//p' "$1"
}

# port: waits until the server that writes ./err has told its port; says it.
port() {
    tries=0
    until grep -qs ' port [0-9]' err; do
        [ $((tries += 1)) -lt $((second * 200)) ] || break
        sleep "$nap"
    done
    sed -n 's/.* port \([0-9][0-9]*\)$/\1/p' err | sed 1q
    grep -q ' port [0-9]' err || cat err >&2
}

echo $$ >../leader
(
    # without a group this is what has to be killed
    [ -n "$group" ] || sh -c 'echo $PPID' >../leader
    eval "$1"
)
end

# --- The machinery

passed=0 failed=0 skipped=0 number=0

# How to run a command as the leader of a process group, and what says then
# that a number is that of a group.
group=-
for lead in setsid 'monitor sh' 'monitor bash' 'monitor ksh' ''; do
    # shellcheck disable=SC2086 # words
    $lead sh -c 'kill -0 -$$' 2>/dev/null && break
done
[ -n "$lead" ] || group=''
export group

# family: the processes that the shell of the test has started, if ps tells,
# and which have not lost their parent.
family() {
    ps -A -o pid= -o ppid= 2>/dev/null | awk -v top="$1" '
        { up[$1] = $2 }
        END {
            for (p in up) {
                for (q = p; q in up && q != top;)
                    q = up[q]
                if (q == top)
                    print p
            }
        }'
}

# finish SIGNAL: sends it to the test that runs.
finish() {
    read -r leader <"$dir/leader" || return
    # busybox finds fault with --, without which others do not take a group
    kill -s "$1" -- "$group$leader"
    [ -f "$dir/family" ] || family "$leader" >"$dir/family"
    while read -r pid; do
        kill -s "$1" "$pid"
    done <"$dir/family"
} 2>/dev/null

# The watchdog: ends a test that is still the same after DEADLINE seconds.
dog() {
    last='' age=0
    while sleep 1 && [ -d "$dir" ]; do
        if ! kill -0 $$ 2>/dev/null; then
            finish KILL
            rm -rf "$dir" # that number is another's
        fi
        now=end
        read -r now <"$dir/now" 2>/dev/null
        [ "$now" = end ] && exit
        [ "$now" = "$last" ] || age=0
        last=$now age=$((age + 1))
        [ "$age" -lt "$DEADLINE" ] || echo "# over $DEADLINE s" >"$dir/late"
        [ "$age" -eq "$DEADLINE" ] && finish TERM
        [ "$age" -gt "$DEADLINE" ] && finish KILL
        # what it holds a gather has to end in two seconds
        [ "$age" -gt $((DEADLINE + 4)) ] || continue
        echo "# something stays, and holds standard error" >>"$dir/late"
        kill -s KILL "$(cat "$dir/reader")"
    done
}

# plus TEXT FILE: shows how the file differs from what it should be.
plus() {
    printf '%s' "$1" >"$dir/want"
    cmp -s "$dir/want" "$dir/$2" && return
    # busybox has only the format with - and +
    echo "# $2, < or - expected, > or + got:"
    diff "$dir/want" "$dir/$2" | sed -n -e '/^---/d' -e '/^+++/d' \
        -e 's/^/# /' -e '/^# [-+<>\\]/p' | sed 20q
}

# verdict NAME: says whether the test that has run is passed.
verdict() {
    read -r got <"$dir/status"
    bad=$(cat "$dir/late"
        [ "$got" = "$status" ] ||
            echo "# status, expected $status, got $got"
        plus "$out" output
        plus "$err" errors)
    if [ -z "$bad" ]; then
        passed=$((passed + 1))
        echo "ok $number - $1"
    else
        failed=$((failed + 1))
        echo "not ok $number - $1"
        printf '%s' "$script" | sed 's/^/# $ /'
        echo "$bad"
    fi
}

# closing NAME COMPLETE FAILED KILLED TIMED-OUT INCOMPLETE UNSTARTED [+]: the
# closing line.
closing() {
    [ -n "${8-}" ] || of=" of $(($2 + $3 + $4 + $5 + $6 + $7))"
    line="$2${of-} complete"
    [ "$3" = 0 ] || line="$line, $3 failed"
    [ "$4" = 0 ] || line="$line, $4 killed by a signal"
    [ "$5" = 0 ] || line="$line, $5 timed out"
    [ "$6" = 0 ] || line="$line, $6 incomplete"
    [ "$7" = 0 ] || line="$line, $7 not started"
    [ -z "${8-}" ] || line="$line; the list was not read to its end"
    [ "$2" != $(($2 + $3 + $4 + $5 + $6 + $7)) ] || [ -n "${8-}" ] ||
        line="all $2 complete"
    echo "$line"
}

# try NAME: runs the test on standard input, which is described above.
try() {
    script='' out='' err='' status=0 lack='' need=''
    # shellcheck disable=SC2254 # it is a pattern
    case $1 in
    *$pattern*) ;;
    *) return ;;
    esac
    while IFS= read -r line; do
        text=${line#??}
        case $line in
        '@ '*) need=${text#*: } lack=${text%%: *} ;;
        '$ '*) script=$script$text$nl ;;
        '! '*) err="${err}gather: $text$nl" ;;
        '2> '*) err=$err${text#?}$nl ;;
        '? '*) status=$text ;;
        '= '*)
            # shellcheck disable=SC2086 # six numbers
            set -- "$1" $text
            err="${err}gather: $(closing "$@")$nl"
            ;;
        *) out=$out$line$nl ;;
        esac
    done
    number=$((number + 1))
    if [ -n "$need" ] && ! eval "$need" >/dev/null 2>&1; then
        skipped=$((skipped + 1))
        echo "ok $number - $1 # SKIP no $lack"
        return
    fi
    echo "$number" >"$dir/now"
    echo none >"$dir/status"
    : >"$dir/late"
    mkdir "$dir/work"
    {
        {
            cd "$dir/work" || exit
            # shellcheck disable=SC2086 # words
            $lead $shell ../shell "$script" >"$dir/output" </dev/null
            echo $? >"$dir/status"
        } 2>&1 | sh -c 'echo $$ >"$1"; exec cat' - "$dir/reader" \
            >"$dir/raw"
        sed -f "$dir/plain" "$dir/raw" >"$dir/errors"
        if grep -q '^gather: ' "$dir/output"; then
            mv "$dir/output" "$dir/raw"
            sed -f "$dir/plain" "$dir/raw" >"$dir/output"
        fi
    } 2>/dev/null # the shell may say that the dog has killed it
    verdict "$1"
    rm -rf "$dir/work" "$dir/leader" "$dir/family"
}

# refuse LETTER VALUE WANTED: a test that gather does not take that value of
# -LETTER, but says what is wanted.
refuse() {
    server='-c 127.0.0.1:7'
    [ "$1" = w ] || server=''
    try "command line: refuses -$1 '$2'" <<.
\$ gather $server -$1 '$2' echo
! fatal: -$1 $2: not $3
? 1
.
}

# misuse REASON ARGUMENTS: the same of a command line, whose use is explained.
misuse() {
    reason=$1
    shift
    try "command line: refuses $* - $reason" <<.
\$ gather $* 2>err; status=\$?; sed '/^gather: usage: /d' err >&2
\$ exit \$status
! fatal: unable to understand the command line: $reason
? 1
.
}

echo 0 >"$dir/now"
dog </dev/null >/dev/null 2>&1 &

# --- Exit statuses

try 'status 0: every item is complete' <<'.'
$ gather echo ::: a b
a
b
.

try 'status 1: gather itself failed' <<'.'
$ gather -a missing echo
! fatal: unable to open missing: No such file or directory
? 1
.

try 'status 123: an item failed' <<'.'
$ gather sh -c 'exit 3' ::: a
! item 0 (a): exit 3
= 0 1 0 0 0 0
? 123
.

try 'status 123: also if the command says 1, 126, 127 or 255 itself' <<'.'
$ for n in 1 126 127 255; do gather sh -c "exit $n" ::: a; echo $?; done
123
123
123
123
! item 0 (a): exit 1
= 0 1 0 0 0 0
! item 0 (a): exit 126
= 0 1 0 0 0 0
! item 0 (a): exit 127
= 0 1 0 0 0 0
! item 0 (a): exit 255
= 0 1 0 0 0 0
.

try 'status 123: the client of an item went away' <<'.'
$ gather sh -c 'kill -KILL $PPID; exec sleep 60' - ::: a 2>/dev/null
? 123
.

try 'status 124: an item timed out' <<'.'
$ gather -t 0.1 sleep ::: 60
! item 0 (60): timed out
= 0 0 0 1 0 0
? 124
.

try 'status 125: a command was killed' <<'.'
$ gather sh -c 'kill -KILL $$' ::: a
! item 0 (a): signal 9
= 0 0 1 0 0 0
? 125
.

try 'status 126: the command cannot be executed' <<'.'
$ echo >text; gather ./text ::: a
! item 0 (a): unable to execute ./text: Permission denied
= 0 1 0 0 0 0
? 126
.

try 'status 127: the command was not found' <<'.'
$ gather no-such-command ::: a
! item 0 (a): unable to execute no-such-command: No such file or directory
= 0 1 0 0 0 0
? 127
.

try 'precedence: 125 outranks 123' <<'.'
$ gather -k -j 1 sh -c '{}' ::: 'exit 3' 'kill -KILL $$' 'exit 4'
! item 0 (exit 3): exit 3
! item 1 (kill -KILL $$): signal 9
! item 2 (exit 4): exit 4
= 0 2 1 0 0 0
? 125
.

try 'precedence: 124 outranks 125' <<'.'
$ kill='kill -KILL $$'
$ gather -k -j 1 -t $second sh -c ::: "$kill" 'exec sleep 60' "$kill"
! item 0 (kill -KILL $$): signal 9
! item 1 (exec sleep 60): timed out
! item 2 (kill -KILL $$): signal 9
= 0 0 2 1 0 0
? 124
.

try 'precedence: 126 and 127 outrank 124' <<'.'
$ echo >text
$ printf '#!/bin/sh\nexec sleep 60\n' >long; chmod +x long
$ for c in ./text nothing; do
$     gather -k -j 1 -t 0.2 {} ::: ./long $c ./long 2>/dev/null; echo $?
$ done
126
127
.

try 'precedence: 127 outranks 126' <<'.'
$ echo >text; gather -k -j 1 {} ::: ./text nothing ./text 2>/dev/null
? 127
.

try 'precedence: 1 outranks 127' <<'.'
@ /dev/full: test -w /dev/full
$ gather -k -l /dev/full no-such-command ::: a
! fatal: unable to write /dev/full: No space left on device
! item 0 (a): unable to execute no-such-command: No such file or directory
= 0 1 0 0 0 0
? 1
.

# A shell is told the same when a program dies of a signal and when it exits
# with 128 + n.  Another gather is not.
for signal in HUP:1 INT:2 QUIT:3 TERM:15; do
    try "death by ${signal%:*}: commands are ended, then gather dies of it" <<.
\$ gather sh -c 'export G=\$\$; exec gather -n 1 sh -c "\$1"' - \\
\$     ::: 'kill -${signal%:*} \$G; exec sleep 60'
= 0 0 0 0 1 0
! item 0 (kill -${signal%:*} \$G; exec sleep 60): signal ${signal#*:}
= 0 0 1 0 0 0
? 125
.
done

# Who ends a job by its processes, in whatever order, means what is meant by a
# signal to gather alone.
for signal in HUP:1 INT:2 QUIT:3 TERM:15; do
    try "death by ${signal%:*}: commands clean up, whoever else has got it" <<.
\$ cat >script <<'end'
\$ trap 'sleep 0.2 2>/dev/null; : >clean\$1; exit' HUP INT QUIT TERM
\$ echo \$\$ >command\$1; echo \$PPID >helper\$1
\$ [ \$1 = 0 ] && till test -s helper1 && eval "kill -${signal%:*} \$who"
\$ while :; do sleep \$nap; done
\$ end
\$ for who in '\$G \$(cat helper*)' '\$(cat helper*) \$G' \\
\$     '\$G \$(cat helper* command*)' '\$(cat command* helper*) \$G'; do
\$     gather sh -c 'G=\$\$ who=\$1; export G who
\$         exec gather sh script ::: 0 1' - ::: "\$who" 2>&1 |
\$         sed -n 's/.*: \(signal [0-9]*\).*/\1/p'
\$     echo *; rm clean* command* helper*
\$ done
signal ${signal#*:}
clean0 clean1 command0 command1 helper0 helper1 script
signal ${signal#*:}
clean0 clean1 command0 command1 helper0 helper1 script
signal ${signal#*:}
clean0 clean1 command0 command1 helper0 helper1 script
signal ${signal#*:}
clean0 clean1 command0 command1 helper0 helper1 script
.
done

try 'signals: to the helper processes alone they mean nothing' <<'.'
$ gather -j 2 sh -c 'echo $PPID >h$1; till test -s h0; till test -s h1
$     for s in HUP INT QUIT TERM; do kill -$s $(cat h0 h1); done 2>/dev/null
$     echo $1' - ::: 0 1 2 3
0
1
2
3
.

try 'death by TERM: a command that ignores TERM is killed' <<'.'
$ watched gather sh -c 'trap "" TERM; kill -TERM $G
$     while :; do sleep 1; done' - ::: a
= 0 0 0 0 1 0
? 143
.

try 'death by TERM: though an item has failed just before' <<'.'
$ watched gather sh -c '[ $1 = b ] && { till test -e ready; exit 3; }
$     trap "kill -TERM $G; exit" TERM; : >ready; sleep 60 & wait' - ::: a b
! item 1 (b): exit 3
= 0 1 0 0 1 0
? 143
.

try 'death by TERM: the command has a grace time to clean up' <<'.'
$ watched gather sh -c 'trap "rm mess; exit" TERM; : >mess; kill -TERM $G
$     sleep 60 & wait' - ::: a
$ echo $?; ls
143
= 0 0 0 0 1 0
.

try 'death by TERM: while the reader of the output stands still' <<'.'
$ mkfifo gate
$ {
$     watched gather sh -c '[ $1 = 0 ] && exec lines 1000000000 text
$         read x <gate; kill -TERM $G' - ::: 0 1
$     echo $? >status
$ } | { read line; echo >gate; till test -s status; cat >rest; }
$ cat status
143
= 0 0 0 0 2 0
.

try 'death by TERM: while the list stands still' <<'.'
$ mkfifo list
$ { echo a; exec sleep 60 2>/dev/null; } >list &
$ watched gather -a list sh -c 'kill -TERM $G; exec sleep 60'; status=$?
$ kill $!; exit $status
= 0 0 0 0 1 0 +
? 143
.

try 'death by TERM: while it waits for who writes to a FIFO' <<'.'
$ mkfifo list log; echo a >lines
$ for file in '-a list' '-l log -a lines'; do
$     (gather -q $file echo & sleep 1; kill $!; wait $!; status=$?
$     echo $((status > 128 ? status % 128 : 0))) 2>/dev/null
$ done
15
15
.

try 'signals: one that came ignored does not end a wait for a FIFO' <<'.'
$ mkfifo list; sh -c 'trap "" TERM; : >ready; exec gather -a list echo' & g=$!
$ till test -e ready; kill -TERM $g; sleep 1; kill -TERM $g; echo a >list
$ wait $g
a
.

# In gVisor signals kill a process 1, too, which the shell then tells.  The
# outer gather sees to it that none comes ignored.
for signal in HUP:1 INT:2 QUIT:3 TERM:15; do
    try "death by ${signal%:*}: as process 1, while it waits for a FIFO" <<.
@ unshare and ps -A: unshare -p -f test -z "$gvisor" && ps -A -o pid= -o ppid=
\$ mkfifo list log; echo a >lines; : >go
\$ gather -n 1 sh -c 'for file in "-a list" "-l log -a lines"; do
\$     first ${signal%:*} "\$GATHER" -q \$file echo; echo \$?
\$ done'
$((128 + ${signal#*:}))
$((128 + ${signal#*:}))
.
done

try 'death by TERM: as process 1, while nobody reads its table' <<'.'
@ unshare and ps -A: unshare -p -f test -z "$gvisor" && ps -A -o pid= -o ppid=
$ { first TERM "$GATHER" -q -n 25000 -s 8; echo $? >status; } | {
$     sed 1q >head; : >go; till test -s status; }
$ cat status
143
.

# The ledger takes some of many lines, or half of a long one.
try 'death by TERM: while the ledger takes nothing' <<'.'
$ mkfifo log; sleep 60 <log 2>/dev/null & r=$!
$ list=$(lines 60 $(dd if=/dev/zero bs=3000 count=1 2>/dev/null | tr '\0' x))
$ watched gather -j 2 -l log sh -c '[ $GATHER_WHICH = 119 ] || exit 0
$     kill -TERM $G; exec sleep 60' - ::: $list 2>err
$ echo $?; kill $r; digits <err | sed 's/\(write log\): .*/\1: reason/'
143
gather: fatal: unable to write log: reason
gather: N of N complete, N incomplete
.

# Whoever reads the ledger takes its head and one byte of the first line.
try 'death by TERM: while the ledger takes half a line' <<'.'
$ mkfifo log
$ { read -r head; dd bs=1 count=1 2>/dev/null >begun; exec sleep 60; } <log &
$ r=$!; x=$(dd if=/dev/zero bs=100000 count=1 2>/dev/null | tr '\0' x)
$ watched gather -j 2 -l log sh -c 'echo $GATHER_WHICH
$     [ $GATHER_WHICH != 9 ] || { till grep -q 0 out; till test -s begun
$         kill -TERM $G; exec sleep 60; }' - ::: $x $x 2 3 4 5 6 7 8 9 2>err >out
$ echo $?; kill $r; sed '/unable to write log/d' err >&2
143
= 1 0 0 0 9 0
.

try 'death by TERM: while standard error takes nothing' <<'.'
$ mkfifo full; sleep 60 <full 2>/dev/null & r=$!
$ lines 1000000 x >full 2>/dev/null & w=$!; sleep $second
$ watched gather -k -u -j 2 sh -c '[ $1 != 0 ] || exit 3; echo $1
$     [ $1 != 9 ] || { kill -TERM $G; exec sleep 60; }' - \
$     ::: 0 1 2 3 4 5 6 7 8 9 2>full
$ echo $?; kill $w $r
1
2
3
4
5
6
7
8
143
.

try 'death by PIPE: the reader of the output went away' <<'.'
$ { watched gather lines 1000000000 ::: a; echo $? >status; } | sed -n 1q
$ till grep . status 2>/dev/null
141
= 0 0 0 0 1 0
.

try 'death by PIPE: though PIPE is ignored on entry' <<'.'
$ { (trap '' PIPE; watched gather lines 1000000000 ::: a); echo $? >status
$ } | sed -n 1q; till grep . status 2>/dev/null
141
= 0 0 0 0 1 0
.

try 'signals: HUP, INT, QUIT and TERM that came ignored stay so' <<'.'
$ trap '' HUP INT QUIT TERM
$ watched gather sh -c 'for s in HUP INT QUIT TERM; do kill -$s $G; done
$     echo alive' - ::: a b
alive
alive
.

# --- Options and other arguments

try 'command line: what is wrong, and how it should be' <<'.'
$ gather -x 2>err; echo $?; fold -s -w 70 err | sed 's/ $//'
1
gather: fatal: unable to understand the command line: no option -x
gather: usage: gather [-0hkqTuvV] [-a file] [-b address] [-d seconds]
[-j jobs] [-l log] [-m bytes] [-n cursors] [-o template] [-p port]
[-r retries] [-s bytes] [-t seconds] [command ... [::: item ...]], or
gather -c host[:port] [-hV] [-t seconds] [-w which] [command ...]
.

misuse 'no option -x' -x
for option in a b c j l m n o p r s t w; do
    misuse "no argument for -$option" -$option
done
for option in -0 '-a file' -k '-l log' '-m 1' '-o {}' '-r 1' '-t 1' -u; do
    misuse "no command for ${option%% *}" "$option"
done
for option in -0 '-a file' '-n 2'; do
    misuse "items after ::: beside ${option%% *}" "$option" echo ::: a
done
misuse '-n beside -0' -n 2 -0 echo
misuse '-n beside -a' -n 2 -a file echo
misuse 'a command beside -s' -s 1 echo ::: a
misuse '-o beside -m' -m 1 -o '{}' echo ::: a
misuse '-o beside -u' -u -o '{}' echo ::: a
misuse 'no {} for -o' -o file echo ::: a
misuse 'a second :::' echo ::: a ::: b
misuse 'no command for the items after :::' ::: a
GATHER_TOKEN=00112233445566778899aabbccddeeff
export GATHER_TOKEN
misuse 'no command for -b' -b 127.0.0.1
misuse 'no -c for -w' -w 1
misuse 'no -c for -w' -w 1 echo
misuse 'a command beside -s' -j 0 -s 1
misuse 'no command for -c' -c 127.0.0.1:7
misuse 'items after ::: beside -c' -c 127.0.0.1:7 echo ::: a
for option in -0 '-a file' '-b 127.0.0.1' -k '-j 2' '-l log' '-m 1' '-n 2' \
    '-o {}' '-p 7' -q '-r 1' '-s 1' -u -v; do
    misuse "-c beside ${option%% *}" -c 127.0.0.1:7 "$option" echo
done
for n in -1 x '' 2147483647; do
    refuse w "$n" 'a whole number from 0 to 2147483646'
done
for port in no-such-service 65536 0 ''; do
    try "command line: refuses -c 'host:$port'" <<.
\$ gather -c 'host:$port' echo
! fatal: unable to find the port of host:$port: no such service
? 1
.
done
for token in '' 0 00112233445566778899aabbccddeef \
    00112233445566778899aabbccddeeff0 0011223344556677x899aabbccddeeff; do
    GATHER_TOKEN=$token
    for arguments in '-b 127.0.0.1 -p 0' '-j 0' '-c 127.0.0.1:7'; do
        misuse 'no GATHER_TOKEN of 32 hex digits for -b, -c or -j 0' \
            "$arguments" echo
    done
done
unset GATHER_TOKEN
misuse 'no GATHER_TOKEN of 32 hex digits for -b, -c or -j 0' -j 0 echo
misuse '-c beside -j' -c 127.0.0.1:7 -j 2 true

for n in -1 '' 12x x 1.5 +1 ' 1' '1 ' 0x10 1e3 1k 1000001 \
    18446744073709551617 9999999999999999999999; do
    refuse j "$n" 'a whole number from 0 to 1000000'
done
for n in -1 '' 12x 1k 2147483648 4294967297; do
    refuse n "$n" 'a whole number from 0 to 2147483647'
done
for n in -1 '' 12x 1k 1000001; do
    refuse r "$n" 'a whole number from 0 to 1000000'
done
bytes='a number of bytes from 0 to 1125899906842624'
bytes="$bytes, which k, M or G may follow"
for n in -1 '' 12x k 1K 1kk 1kB 1k1 1.5k 1125899906842625 1048577G \
    18446744073709551615; do
    refuse s "$n" "$bytes"
done
for n in -1 '' 12x 1T; do
    refuse m "$n" "$bytes"
done
for n in 0 -1 "" . x 1x 1.2.3 1e3 +1 0x1 inf nan 1000000.5; do
    refuse t "$n" 'a number of seconds above 0, up to 1000000'
    [ "$n" = 0 ] || refuse d "$n" 'a number of seconds from 0 to 60'
done

try 'command line: -h shows what there is' <<'.'
$ gather -h
usage: gather [option ...] [command ... [::: item ...]]
       gather -c host[:port] [option ...] [command ...]

  -0              items end with a NUL byte, not a newline
  -a file         items are the lines of file
  -b address      listen there; serve clients from elsewhere
  -c host[:port]  be a client of the server there
  -d seconds      pause before an item runs again (0)
  -h              show this
  -j jobs         so many at once (20)
  -k              keep going when an item has failed
  -l log          write a ledger: a line for each item
  -m bytes        memory for what waits (64M)
  -n cursors      items are numbers (20)
  -o template     a file for each item, {} its number
  -p port         listen there (ingreslock)
  -q              show no progress
  -r retries      run an item that failed again (0)
  -s bytes        size of a cursor (1M)
  -t seconds      time that an item may take
  -T              begin each line with its item and a TAB
  -u              output in the order of completion
  -v              tell what happens
  -V              show the version
  -w which        deliver that item and no other

Without a command it demonstrates itself.  The manual is gather(1).
.

try 'command line: -V shows the version' <<'.'
$ gather -V
gather 2.0
.

try 'command line: -h and -V need nothing else to make sense' <<'.'
$ gather -h >want; gather -V >>want
$ gather -j x -w 1 -c a -n2 -h ::: ::: >got; gather -k -V -m 1T nothing >>got
$ cmp want got; ls
got
want
.

try 'command line: -h and -V tell that their output cannot be written' <<'.'
@ /dev/full: test -w /dev/full
$ gather -h >/dev/full; echo $?; gather -V >&-; echo $?
1
1
! fatal: unable to write standard output: No space left on device
! fatal: unable to write standard output: Bad file descriptor
.

try 'command line: options end where the command begins' <<'.'
$ gather printf '%s\n' -k ::: -x --
-k
-x
-k
--
.

try 'command line: -- ends the options' <<'.'
$ gather -k -- echo ::: a
a
.

try 'command line: options may be joined to each other and to values' <<'.'
$ gather -kqj2 -m1k echo ::: a
a
.

for n in 65536 99999 -1 1x; do
    try "-p $n: no such port" <<.
\$ gather -p $n echo ::: a 2>err; echo \$?; sed 's/.* port /port /' err
1
port $n: no such service, and no number
.
done

try '-p: a service that nobody knows' <<'.'
$ gather -p no-such-service echo ::: a 2>err; echo $?
$ sed 's/.* port /port /' err
1
port no-such-service: no such service, and no number
.

try '-p: a service by its name, which may be in use' <<'.'
@ ingreslock in /etc/services: grep '^ingreslock[[:blank:]]' /etc/services
$ gather -v -p ingreslock true ::: a 2>err
$ sed -n -e 's/.*listening on .* port 1524$/1524/p' \
$     -e 's/.*port ingreslock: Address.* in use$/1524/p' err
1524
.

try '-p: a port that is taken is an error' <<'.'
$ gather -v -p 0 sh -c 'port=$(sed -n "s/.*listening.* port //p" err)
$     gather -p $port echo no ::: a 2>&1; echo $?' - ::: a 2>err |
$     sed 's/port [0-9]*: .*/port N: reason/'
gather: fatal: unable to listen on 127.0.0.1 port N: reason
1
.

try '-p: two gathers have different ports, though the default is one' <<'.'
$ gather -v -n 1 gather -v -n 1 echo done 2>err
done
$ sed -n 's/.*listening on 127.0.0.1 port //p' err | sort -u | count
2
.

try '-v: tells what happens' <<'.'
$ gather -v -j 1 echo ::: a b 2>&1 >/dev/null | sed 's/port [0-9]*/port N/'
gather: listening on 127.0.0.1 port N
gather: connected; threads: 1, children: 1
gather: all 2 complete
.

try '-v: children are as many as items, if these are fewer than jobs' <<'.'
$ gather -v -j 9 true ::: a b c 2>&1 | grep -c connected
3
.

try '-q: says nothing beside what is wrong' <<'.'
$ gather -q sh -c 'exit 3' ::: a
! item 0 (a): exit 3
= 0 1 0 0 0 0
? 123
.

# --- The demonstration

try 'demonstration: 20 cursors of 1 MiB, complete and right' <<'.'
$ gather >table && sed 1q table && total table
which      pid        bytes   seconds  checksum          status
20 of 20 cursors complete and right, 20971520 of 20971520 bytes
$ rows table | awk '$1 == NR - 1 && $3 == 1048576 && $6 == "complete"' | count
20
.

try 'demonstration: its columns' <<'.'
$ gather -n 2 -s 10 | sed -e 's/[0-9a-f]\{16\}/H/' -e 's/[0-9.]\{8\}/T/' \
$     -e '2,3s/^\(.\{5\}\) [ 0-9]\{7\}[0-9] /\1 P /' -e '$s/, [^,]*, [^,]*$//'
which      pid        bytes   seconds  checksum          status
    0 P           10  T  H  complete
    1 P           10  T  H  complete
2 of 2 cursors complete and right, 20 of 20 bytes
.

try 'demonstration: time and rate' <<'.'
$ gather -n 2 | sed -n '$s/.* bytes, [0-9]*\.[0-9]\{6\} s, [0-9]*\.[0-9] //p'
MB/s
.

try 'demonstration: every child has a cursor, if they are as many' <<'.'
$ gather -n 7 -j 7 -s 1k | sed -e 1d -e '$d' | awk '{ print $2 }' | sort -u |
$     count
7
.

try 'demonstration: three children have seven cursors' <<'.'
$ gather -n 7 -j 3 >table && total table
7 of 7 cursors complete and right, 7340032 of 7340032 bytes
$ rows table | awk '{ print $2 }' | sort -u | count
3
.

try 'demonstration: the checksum of every cursor is another' <<'.'
$ gather -n 50 -s 1000 | awk '{ print $5 }' | sed -e 1d -e '$d' | sort -u |
$     count
50
.

try 'demonstration: two runs have the same checksums' <<'.'
$ for i in 1 2; do
$     gather -s 12345 -j $((i * 5)) >table
$     rows table | awk '{ print $1, $3, $5, $6 }' >sums$i
$ done; cmp sums1 sums2; count <sums1
20
.

for s in 0 1 7 8 9 4095 131073 1000003; do
    try "demonstration: cursors of $s bytes" <<.
\$ gather -n 3 -s $s >table && total table
3 of 3 cursors complete and right, $((3 * s)) of $((3 * s)) bytes
\$ rows table | awk '\$3 == $s && \$6 == "complete"' | count
3
.
done

try 'demonstration: -s 2k and -s 2M' <<'.'
$ gather -n 1 -s 2k >table && total table
$ gather -n 1 -s 2M >table && total table
1 of 1 cursors complete and right, 2048 of 2048 bytes
1 of 1 cursors complete and right, 2097152 of 2097152 bytes
.

try 'demonstration: one cursor' <<'.'
$ gather -n 1 >table && total table
1 of 1 cursors complete and right, 1048576 of 1048576 bytes
.

try 'demonstration: no cursor' <<'.'
$ gather -n 0 >table && total table; count <table
0 of 0 cursors complete and right, 0 of 0 bytes
2
.

try 'demonstration: 200 children at once' <<'.'
$ gather -n 200 -j 200 -s 1000 >table && total table
200 of 200 cursors complete and right, 200000 of 200000 bytes
$ rows table | awk '{ print $2 }' | sort -u | count
200
.

try 'demonstration: the running commentary is not in the table' <<'.'
$ gather -v -n 2 -j 1 -s 10 2>err >table && total table; digits <err
2 of 2 cursors complete and right, 20 of 20 bytes
gather: listening on N.N.N.N port N
gather: connected; threads: N, children: N
gather: all N complete
.

# --- Where items come from

try 'items: the numbers from 0 with -n' <<'.'
$ gather -n 3 echo {}
0
1
2
.

try 'items: with -n they are not appended' <<'.'
$ gather -n 2 echo a
a
a
.

try 'items: those after :::' <<'.'
$ gather printf '<%s>\n' ::: a 'b  c' '' d
<a>
<b  c>
<>
<d>
.

try 'items: none after :::' <<'.'
$ gather echo :::
.

try 'items: none with -n 0' <<'.'
$ gather -n 0 echo
.

try 'items: lines of standard input' <<'.'
$ printf 'a\nb  c\n' | gather echo x
x a
x b  c
.

try 'items: lines of a file' <<'.'
$ printf 'a\nb\n' >list; echo no | gather -a list echo x
x a
x b
.

try 'items: -a - is standard input' <<'.'
$ printf 'a\nb\n' | gather -a - echo x
x a
x b
.

try 'items: -a with a name of standard input, a file or a pipe' <<'.'
$ printf 'a\nb\n' >list
$ for file in /dev/stdin /dev/fd/0 /proc/self/fd/0; do
$     [ -e $file ] || file=- # there is no such name here
$     gather -a $file echo <list; cat list | gather -a $file echo
$ done | count
12
.

try 'items: an empty list is no item' <<'.'
$ gather echo; gather -0 echo; gather -a /dev/null echo; : | gather echo
.

try 'items: an empty line is an empty item' <<'.'
$ printf '\na\n\n' | gather printf '<%s>\n'
<>
<a>
<>
.

try 'items: a last line without a newline counts' <<'.'
$ printf 'a\nb' | gather echo
a
b
.

try 'items: only newlines part lines' <<'.'
$ printf ' a\tb \r\n\\n c\f\n' | gather printf '<%s>\n' >got
$ printf '< a\tb \r>\n<\\n c\f>\n' | cmp - got
.

try 'items: -0 takes what is between NUL bytes' <<'.'
$ printf 'a\nb\000\000c d\000' | gather -0 printf '<%s>\n'
<a
b>
<>
<c d>
.

try 'items: -0 -a, and a last one without a NUL byte' <<'.'
$ printf 'a\000b' >list; gather -0 -a list echo
a
b
.

try 'items: any byte but NUL and newline' <<'.'
$ i=1; while [ $i -lt 256 ]; do
$     [ $i -eq 10 ] || printf "\\$((i / 64))$((i / 8 % 8))$((i % 8))"
$     i=$((i + 1))
$ done >list; echo >>list
$ gather -a list printf '%s\n' >got; cmp list got
.

try 'items: a NUL byte in a line is refused' <<'.'
$ printf 'a\nb\000c\nd\n' | gather -j 1 echo
a
! fatal: unable to take item 1: it contains a NUL byte
= 1 0 0 0 0 0 +
? 1
.

try 'items: one of 100 kB' <<'.'
$ awk 'BEGIN { while (i++ < 10000) printf "0123456789"; print "" }' >list
$ gather -a list printf '%s\n' >got; cmp list got
.

try 'items: one beyond 1 MiB is refused' <<'.'
$ dd if=/dev/zero bs=1024 count=1025 2>/dev/null | tr '\0' x >list
$ gather -a list echo
! fatal: unable to take item 0: it is longer than 1 MiB
= 0 0 0 0 0 0 +
? 1
.

try 'items: one of 1 MiB is not refused' <<'.'
$ dd if=/dev/zero bs=1024 count=1024 2>/dev/null | tr '\0' x >list
$ gather -a list no-such-command {} 2>&1 | sed -e 's/(x\{40\}\.\.\.)/(x...)/' \
$     -e 's/command: .*/command: .../'
gather: item 0 (x...): unable to execute no-such-command: ...
gather: 0 of 1 complete, 1 failed
.

try 'items: one that is wrong, of a file: the list was not read to its end' <<'.'
$ printf 'a\nb\nc\0d\n' >list; gather -j 1 echo <list
a
b
! fatal: unable to take item 2: it contains a NUL byte
= 2 0 0 0 0 0 +
? 1
.

try 'items: none, which is known only after the start' <<'.'
$ for n in 0.001 0.003 0.005 0.01; do
$     sleep $n 2>/dev/null | gather echo || echo "failed: $n"
$ done
.

try 'items: a list that cannot be read' <<'.'
$ gather -a . echo
! fatal: unable to take item 0: Is a directory
= 0 0 0 0 0 0 +
? 1
.

try 'items: standard input stays unread if there is another list' <<'.'
$ printf 'a\nb\n' | { gather echo ::: x; gather -n 1 echo y; cat; }
x
y
a
b
.

try 'items: a list is read as it is needed' <<'.'
$ mkfifo list
$ gather -a list echo >got &
$ exec 4>list; echo one >&4; till grep -s one got
one
$ echo two >&4; till grep -s two got
two
$ exec 4>&-; wait $!
.

try 'items: standard input is read as it is needed' <<'.'
$ { echo one; till grep -s one got >&2; echo two; } | gather echo >got; cat got
one
two
2> one
.

try 'items: half a line waits for its other half' <<'.'
$ mkfifo gate
$ { printf 'one\ntw'; read x <gate; echo o; } |
$     gather sh -c '[ $1 = one ] && echo >gate; echo $1' -
one
two
.

try 'items: a thousand of them' <<'.'
$ lines 1000 item >list; gather -a list printf '%s\n' >got; cmp list got
.

try 'items: five hundred after :::' <<'.'
$ lines 500 x | tr -d ' ' >list; gather echo ::: $(cat list) | cmp - list
.

# --- What a command is made of

try 'command: {} is the item, any number of times, inside words' <<'.'
$ gather printf '<%s>' {} a{}b {}{} '}{}{' ::: x 'y z'
<x><axb><xx><}x{><y z><ay zb><y zy z><}y z{>
$ echo
.

try 'command: {} in its name' <<'.'
$ gather {}f '%s\n' a ::: print
a
.

try 'command: {} in an item is text' <<'.'
$ gather echo {} . {} ::: {} 'x{}{}'
{} . {}
x{}{} . x{}{}
.

try 'command: the item goes last if there is no {}' <<'.'
$ gather echo { } x ::: a
{ } x a
.

try 'command: an item is one argument, whatever it contains' <<'.'
$ set -- '$(touch x)' '`touch x`' '; touch x' '> x' '*' '?' '~' '$HOME' \
$     '&& touch x' '| cat' "'" '"' '\' '\n' '%s' '-n' '--' '#' '!' '{a,b}' \
$     'a  b' '	' '[a-z]' '(a)' 'a=b' '^' '
$ '
$ gather printf '<%s>\n' {} ::: "$@" >got
$ printf '<%s>\n' "$@" >want; cmp want got; ls
got
want
.

try 'command: words are passed on as they are' <<'.'
$ gather -n 1 printf '<%s>\n' '' 'a  b' '$x' '*' '\' "'" '"'
<>
<a  b>
<$x>
<*>
<\>
<'>
<">
.

try 'command: a composed one' <<'.'
$ gather sh -c 'printf "%s\n" "$1" b | sort -r | { read x; echo "<$x>"; } &&
$     echo and || echo or' - ::: a c
<b>
and
<c>
and
.

try 'command: a thousand words with the item in each' <<'.'
$ gather echo $(lines 1000 '{}' | tr -d ' ') ::: a b >got
$ tr ' ' '\n' <got | count
$ cut -c 1-11 got
2000
a1 a2 a3 a4
b1 b2 b3 b4
.

try 'command: a script without #! is for the shell' <<'.'
$ echo 'echo $#: $1' >script; chmod +x script; gather ./script ::: a
1: a
.

try 'command: its environment has GATHER_WHICH and GATHER_ITEM' <<'.'
$ GATHER_ITEM=no gather sh -c 'echo $GATHER_WHICH "$GATHER_ITEM"' ::: a 'b  c'
$ gather -n 2 sh -c 'echo $GATHER_WHICH $GATHER_ITEM'
0 a
1 b  c
0 0
1 1
.

try 'command: its environment else is that of gather' <<'.'
$ a='b  c' gather -n 1 sh -c 'echo "$a" "$PWD" "$PATH"' >got
$ echo 'b  c' "$PWD" "$PATH" | cmp - got
.

try 'command: nothing to read' <<'.'
$ printf 'a\nb\n' | gather -j 1 sh -c 'cat; read x; echo $? $1' -
$ echo secret | gather sh -c 'cat; echo $1' - ::: c
1 a
1 b
c
.

try 'command: its standard error is that of gather, apart from output' <<'.'
$ gather -j 1 sh -c 'echo out $1; echo error $1 >&2' - ::: a b
out a
out b
2> error a
2> error b
.

try 'command: its standard error does not wait for its end' <<'.'
$ gather sh -c 'echo now >&2; till grep now err' - ::: a 2>err
now
.

try 'command: a process group of its own' <<'.'
$ gather sh -c 'kill -0 -$$ && echo group $1' - ::: a b
group a
group b
.

# TSTP does not stop a group that nobody else of its session could continue.
try 'command: a session of its own' <<'.'
@ orphaned groups that TSTP does not stop (gVisor): test -z "$gvisor"
$ gather sh -c 'kill -TSTP $$; echo session $1' - ::: a b
session a
session b
.

# bash and busybox ignore QUIT themselves, but not what they become.
for signal in HUP:1 INT:2 QUIT:3 PIPE:13 TERM:15; do
    try "command: ${signal%:*} works there, though it is ignored on entry" <<.
\$ trap '' ${signal%:*}
\$ gather sh -c 'while kill -${signal%:*} \$\$; do sleep \$nap
\$     done >out 2>&1 & exec sleep 60' - ::: a
! item 0 (a): signal ${signal#*:}
= 0 0 1 0 0 0
? 125
.
done

# dash and ksh93 do not ignore CHLD, whatever they are told.
try 'command: CHLD ignored on entry harms neither it nor gather' <<'.'
$ for sh in bash mksh yash sh; do command -v $sh >/dev/null && break; done
$ $sh -c 'trap "" CHLD; exec "$@"' - gather -k sh -c ::: '(exit 3)' 'echo a'
a
! item 0 ((exit 3)): exit 3
= 1 1 0 0 0 0
? 123
.

# A shell keeps files open at 10 and above, where it cannot name them.
try 'command: no descriptor beside 0, 1 and 2' <<'.'
$ gather -j 2 sh -c 'for fd in 3 4 5 6 7 8 9; do
$     if (: <&$fd) 2>/dev/null || (: >&$fd) 2>/dev/null; then echo $fd; fi
$ done; echo $1' - ::: a b c 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
a
b
c
.

try 'command: no descriptor beside those that ls has by itself' <<'.'
@ /proc/self/fd: test -d /proc/self/fd
$ c='cd /proc/self/fd && exec ls' # gVisor's statx() is too old for ls NAME
$ gather -n 1 sh -c "$c" >got; sh -c "$c" >want; cmp got want
.

try 'command: the limit of descriptors is as it was' <<'.'
@ ulimit -S -n: sh -c 'ulimit -S -n 100'
$ sh -c 'ulimit -S -n 100; gather -n 1 sh -c "ulimit -S -n"'
100
.

# --- Jobs

try 'jobs: an empty list needs no children, however many there may be' <<'.'
$ gather -v -j 1000000 echo </dev/null 2>err
$ gather -v -j 1000000 -a /dev/null echo 2>>err
$ : | (sleep 1; gather -v -j 1000000 echo) 2>>err
$ grep -c listening err; grep -c connected err
3
0
? 1
.

try 'jobs: no more children than items, as far as a list is at hand' <<'.'
$ printf 'a\nb\nc' >list; gather -v -j 9 -a list echo 2>err
$ cat list | (sleep 1; gather -v -j 9 echo) 2>>err; grep -c connected err
$ printf 'd\0e' | (sleep 1; gather -v -0 -j 1000000 echo) 2>err
$ grep -c connected err
a
b
c
a
b
c
6
d
e
2
.

try 'jobs: all of them, if nobody knows what comes of a list' <<'.'
$ { echo a; till test -e go; echo b; } |
$     gather -v -j 3 sh -c ': >go; echo $1' - 2>err; grep -c connected err
a
b
3
.

try 'jobs: what is at hand of a list that is wrong runs' <<'.'
$ printf 'a\nb\n\0\nd\n' | (sleep 1; gather -j 1 echo) 2>err; echo $?
$ sed '/complete/d' err
a
b
1
gather: fatal: unable to take item 2: it contains a NUL byte
.

try 'jobs: -j 3 runs three at once' <<'.'
$ gather -j 3 sh -c ': >at$1; for i in 0 1 2; do till test -e at$i; done
$     echo $1' - ::: 0 1 2 3
0
1
2
3
.

try 'jobs: -j 3 never runs four' <<'.'
$ gather -j 3 -n 60 sh -c 'for i in 1 2 3; do
$     mkdir slot$i 2>/dev/null && exec rmdir slot$i; done; echo four at once'
.

try 'jobs: 20 at once if nothing else is said' <<'.'
$ gather -n 21 sh -c ': >at{}; i=0; while [ $i -lt 20 ]; do
$     till test -e at$i; i=$((i + 1)); done; echo {}' | count
21
.

try 'jobs: -j 1 is one after the other, in order' <<'.'
$ gather -j 1 sh -c 'echo $1 >>log; tr "\n" " " <log; echo' - ::: a b c |
$     sed 's/ $//'
a
a b
a b c
.

try 'jobs: one that is free gets the next item' <<'.'
$ gather -j 2 sh -c '[ $1 = 0 ] && till test -e at9; : >at$1; echo $1' - \
$     ::: 0 1 2 3 4 5 6 7 8 9 | tr -d '\n'; echo
0123456789
.

try 'jobs: 200 at once' <<'.'
$ gather -j 200 -n 200 sh -c ': >at{}; till test -e at199; echo {}' >got
$ i=0; while [ $i -lt 200 ]; do echo $i; i=$((i + 1)); done | cmp - got
.

try 'jobs: fewer if there are few descriptors' <<'.'
@ ulimit -n: sh -c 'ulimit -n 40'
$ sh -c 'ulimit -n 40; gather -j 50 -n 100 echo x' 2>err | count
$ digits <err
100
gather: warning: file descriptors allow only N jobs
.

try 'jobs: memory comes back when an item is over' <<'.'
$ { lines 1000 true; echo till test -e end; lines 9 true; echo ': >end'; } |
$     sed 's/true.*/:/' >list
$ gather -m 60k -j 2 -a list sh -c
.

try 'jobs: too few descriptors for any' <<'.'
@ ulimit -n: sh -c 'ulimit -n 14'
$ sh -c 'ulimit -n 14; gather echo ::: a'
! fatal: unable to run: too few file descriptors
? 1
.

# --- Output: whole, and in order

try 'output: items that end in reverse order' <<'.'
$ gather sh -c '[ $1 = 9 ] || till test -e end$(($1 + 1))
$     echo $1; : >end$1' - ::: 0 1 2 3 4 5 6 7 8 9 | tr -d '\n'; echo
0123456789
.

try 'output: the first item goes straight through' <<'.'
$ mkfifo gate
$ gather sh -c 'echo $1; [ $1 = b ] || read x <gate; echo $1' - ::: a b | {
$     read x; echo first $x; echo >gate; cat; }
first a
a
b
b
.

try 'output: so does the next one, once it is first' <<'.'
$ mkfifo gate
$ gather sh -c 'echo $1; [ $1 = a ] || read x <gate; echo $1' - ::: a b | {
$     read x; read x; read x; echo third $x; echo >gate; cat; }
third b
b
.

try 'output: half lines of different items do not meet' <<'.'
$ gather -j 3 sh -c 'i=0; while [ $((i += 1)) -le 200 ]; do
$     printf $1; printf "$1\n"; done' - ::: a b c | uniq -c | tr -s ' '
 200 aa
 200 bb
 200 cc
.

try 'output: larger than any buffer' <<'.'
$ gather -n 5 lines 100000 {} >got
$ for i in 0 1 2 3 4; do lines 100000 $i; done | cmp - got
.

try 'output: a last line without a newline stays so' <<'.'
$ gather printf %s ::: a b c; echo .
abc.
.

try 'output: one byte, and none' <<'.'
$ gather printf %s ::: x '' '' y ''; echo .
xy.
.

try 'output: every byte, NUL included, in blocks of any size' <<'.'
$ i=0; while [ $i -lt 256 ]; do
$     printf "\\$((i / 64))$((i / 8 % 8))$((i % 8))"; i=$((i + 1))
$ done >all
$ for i in 1 2 3 4 5 6 7 8 9; do cat all all >twice; mv twice all; done
$ gather dd if=all ::: bs=7001 bs=512 bs=99999 bs=200k >got 2>/dev/null
$ cat all all all all | cmp - got
.

for m in 0 1 1000 1k 1M 1G; do
    try "output: -m $m changes nothing in it" <<.
\$ gather -m $m -j 4 -n 12 lines 20000 {} >got
\$ for i in 0 1 2 3 4 5 6 7 8 9 10 11; do lines 20000 \$i; done | cmp - got
.
done

try 'output: -m 0 with items that end in reverse order' <<'.'
$ gather -m 0 sh -c '[ $1 = 5 ] || till test -e end$(($1 + 1))
$     : >end$1; lines 20000 $1' - ::: 0 1 2 3 4 5 >got
$ for i in 0 1 2 3 4 5; do lines 20000 $i; done | cmp - got
.

try 'output: what a command merges with 2>&1 keeps its order' <<'.'
$ gather sh -c 'exec 2>&1; for i in 1 2 3; do echo $1$i; echo e$i >&2; done' \
$     - ::: a b | tr '\n' ' '; echo .
a1 e1 a2 e2 a3 e3 b1 e1 b2 e2 b3 e3 .
.

try 'output: within -m an item can end before its turn' <<'.'
$ gather sh -c '[ $1 = a ] && { till test -e end; echo a; exit; }
$     lines 100000 b; : >end' - ::: a b | sed -n -e 1p -e '$p'
a
b 100000
.

# Item b, 20 MB, cannot end in a pipe, a socket and no memory, whatever time
# it has, namely that of item a to write 200 MB.
try 'output: beyond -m an item is held back' <<'.'
$ mkfifo gate
$ gather -m 1k sh -c ::: \
$     'read x <gate; dd if=/dev/zero bs=64k count=3200; test ! -e end' \
$     'echo >gate; dd if=/dev/zero bs=64k count=320; : >end' 2>err | wc -c |
$     tr -d ' '; sed -n '/gather/p' err
230686720
.

try 'output: a slow reader' <<'.'
$ gather -m 100k -n 5 lines 50000 {} | {
$     i=0; while [ $((i += 1)) -le 100 ]; do read line; echo "$line"; done
$     sleep 1; dd bs=100 count=1000 2>/dev/null; cat
$ } >got
$ for i in 0 1 2 3 4; do lines 50000 $i; done | cmp - got
.

try 'output: in memory and in transit, no file is used' <<'.'
$ TMPDIR=$PWD gather -j 3 sh -c 'lines 100000 x; ls -a' - ::: a b c |
$     sed '/^x /d' | sort | uniq -c | tr -s ' '; ls
 3 .
 3 ..
.

try 'output: 100 MB take no more memory than -m allows' <<'.'
@ ps -o rss: ps -o rss= -p $$
$ cat >script <<'end'
$ export G=$$
$ exec gather -m 1M -j 4 -n 5 sh -c '[ {} != 4 ] || ps -o rss= -p $G >&2
$     dd if=/dev/zero bs=64k count=$1 2>/dev/null' - $1
$ end
$ sh script 0 2>small; sh script 320 2>large | wc -c | tr -d ' '
$ cat small large | awk '{ kB[NR] = $1 } END { print (kB[2] - kB[1] < 9000) }'
104857600
1
.

# Item 0 loses its child and waits for a client; none is free until one of the
# others is through, so one of them may hold all that it has to say.
try 'output: one item alone may exceed -m while that with the turn waits' <<'.'
@ ps -o rss: ps -o rss= -p $$
$ cat >script <<'end'
$ n=$1 bytes=$2 G=$$; shift 2; export n bytes G
$ exec gather -m 1M -r 1 -j $((n + 1)) sh -c 'case $1 in
$     0) mkdir once || exit 0; till test -e at$n; kill -KILL $PPID
$         exec sleep 60 ;;
$     rss) ps -o rss= -p $G ;;
$     *) [ $1 = 1 ] || till test -e at$(($1 - 1)); : >at$1
$         till grep -q "trying again" err
$         dd if=/dev/zero bs=64k count=$bytes 2>/dev/null ;;
$     esac' - ::: "$@" rss
$ end
$ run() { sh script "$@" 2>err | tr -d '\0'; rm -r once at*; }
$ { run 1 0 0 1; run 1 480 0 1; run 3 480 0 1 2 3; } | tee sizes |
$     awk '{ kB[NR] = $1 } END { print (kB[3] - kB[1] < 2 * (kB[2] - kB[1])) }'
1
.

try 'output: -u is in the order of completion' <<'.'
$ mkfifo gate
$ gather -u sh -c '[ $1 = a ] && read x <gate; echo $1' - ::: a b | {
$     read x; echo first $x; echo >gate; cat; }
first b
a
.

try 'output: -u leaves every item whole' <<'.'
$ gather -u -j 4 -n 8 lines 50000 {} | awk '{ print $1 }' | uniq -c |
$     sort -k 2 | tr -s ' '
 50000 0
 50000 1
 50000 2
 50000 3
 50000 4
 50000 5
 50000 6
 50000 7
.

try 'output: -u leaves every item whole with -m 0, too' <<'.'
$ gather -u -m 0 -j 4 -n 8 lines 50000 {} | awk '{ print $1 }' | uniq -c |
$     awk '$1 == 50000 { n++ } END { print n, NR }'
8 8
.

# X holds 12 MiB; T gets the turn, as memory is used up, and then says nothing;
# F ends; M needs 18 MiB.  When X loses its child, M has all that it needs.
try 'output: memory that comes back is for who waits for memory' <<'.'
$ gather -u -k -m 20M -j 4 sh -c ::: \
$     'dd if=/dev/zero bs=64k count=192; echo $PPID >x; exec sleep 60' \
$     'till test -s x; dd if=/dev/zero bs=64k count=480; : >t
$         till test -e n; kill -KILL $(cat x); till test -e m' \
$     'till test -e t; echo F; : >f' \
$     'till test -e f; (sleep $second; : >n) >&2 &
$         dd if=/dev/zero bs=64k count=288; : >m' 2>err | wc -c | tr -d ' '
$ grep ' complete, ' err >&2
50331650
= 3 0 0 0 1 0
.

try 'output: full' <<'.'
@ /dev/full: test -w /dev/full
$ gather echo ::: a >/dev/full
! fatal: unable to write standard output: No space left on device
= 0 0 0 0 1 0
? 1
.

try 'output: full, with -u' <<'.'
@ /dev/full: test -w /dev/full
$ gather -u echo ::: a >/dev/full
! fatal: unable to write standard output: No space left on device
= 0 0 0 0 1 0
? 1
.

try 'output: to the reading end of a pipe, which is never ready' <<'.'
$ mkfifo list; sleep 60 >list 2>/dev/null &
$ gather -n 1 sh -c 'dd if=/dev/zero bs=200000 count=1 2>/dev/null' <list >&0
$ status=$?; kill $!; exit $status
! fatal: unable to write standard output: Bad file descriptor
= 0 0 0 0 1 0
? 1
.
try 'output: full, for the table of the demonstration' <<'.'
@ /dev/full: test -w /dev/full
$ gather -n 1 >/dev/full
! fatal: unable to write standard output: No space left on device
? 1
.

try 'output: closed on entry' <<'.'
$ gather echo ::: a >&-
! fatal: unable to write standard output: Bad file descriptor
= 0 0 0 0 1 0
? 1
.

try 'descriptors: 0 closed on entry is not missed' <<'.'
$ gather sh -c 'cat; echo $1' - ::: a b <&-
a
b
.

try 'descriptors: 0 closed on entry is no empty list' <<'.'
$ gather echo 2>err <&-; echo $?; sed 's/0: .*/0: reason/' err
1
gather: fatal: unable to take item 0: reason
gather: 0 complete; the list was not read to its end
.

try 'descriptors: 2 closed on entry keeps messages out of the output' <<'.'
$ gather -k sh -c 'echo $1; exit 3' - ::: a b 2>&-
a
b
? 123
.

try 'descriptors: 0, 1 and 2 closed on entry' <<'.'
$ gather -n 1 echo {} 0<&- 1>&- 2>&-
? 1
.

# --- Failed items

try 'failure: without -k it ends the run' <<'.'
$ gather -j 1 sh -c '{}' ::: 'echo a' 'exit 3' 'echo b' 'echo c'
a
! item 1 (exit 3): exit 3
= 1 1 0 0 0 2
? 123
.

try 'failure: without -k it ends the commands that run' <<'.'
$ mkfifo gate
$ gather sh -c '{}' ::: 'echo >gate; exec sleep 60' 'read x <gate; exit 3'
! item 1 (read x <gate; exit 3): exit 3
= 0 1 0 0 1 0
? 123
.

try 'failure: with -k the others go on' <<'.'
$ gather -k -j 1 sh -c '{}' ::: 'echo a' 'exit 3' 'kill -KILL $$' 'echo b'
a
b
! item 1 (exit 3): exit 3
! item 2 (kill -KILL $$): signal 9
= 2 1 1 0 0 0
? 125
.

try 'failure: with -k its output is in its place' <<'.'
$ gather -k sh -c 'echo $1; test $1 != b' - ::: a b c
a
b
c
! item 1 (b): exit 1
= 2 1 0 0 0 0
? 123
.

try 'failure: a command that is not there, with -k' <<'.'
$ gather -k -j 1 {} a ::: echo nothing echo
a
a
! item 1 (nothing): unable to execute nothing: No such file or directory
= 2 1 0 0 0 0
? 127
.

try 'failure: arguments that are too long are reported' <<'.'
@ E2BIG for one that is too long (gVisor): test -z "$gvisor"
$ dd if=/dev/zero bs=1024 count=1024 2>/dev/null | tr '\0' x >list
$ gather -a list true {} {} {} {} {} {} {} {} {} {} 2>err; echo $?
$ sed 's/(x\{40\}\.\.\.)/(x...)/' err >&2
126
! item 0 (x...): unable to execute true: Argument list too long
= 0 1 0 0 0 0
.

# --- The words for an item that failed

try 'messages: an item has its number and, if that says more, its text' <<'.'
$ gather -k -j 1 false ::: 0 2 '' 'a  b'
! item 0: exit 1
! item 1 (2): exit 1
! item 2: exit 1
! item 3 (a  b): exit 1
= 0 4 0 0 0 0
? 123
.

try 'messages: a failure has its time and its command' <<'.'
$ gather -k -j 1 sh -c 'kill -$1 $$; exit $1' - ::: 9 15 2>err
$ sed -e 's/[0-9]*\.[0-9][0-9][0-9]/N/' -e 's/^gather: //' err
item 0 (9): signal 9 [after N s: sh -c kill -$1 $$; exit $1 - 9]
item 1 (15): signal 15 [after N s: sh -c kill -$1 $$; exit $1 - 15]
0 of 2 complete, 2 killed by a signal; a ledger (-l) would tell which
.

try 'messages: of a command that is too long 70 bytes are shown' <<'.'
$ t=01234567890123456789012345678901234567890123456789012345678901
$ gather -k -j 1 ./no{} ::: ${t}34567 ${t}345678 2>err
$ sed -n 's/.* s: \(.*\)]/\1/p' err
./no0123456789012345678901234567890123456789012345678901234567890134567
./no012345678901234567890123456789012345678901234567890123456789013456...
.

try 'messages: the last line says what there is, and where to look' <<'.'
$ gather -l log -k -t $second sh -c "$(printf %s 'case $GATHER_WHICH in
$     0) exit 1 ;; 1) kill -9 $$ ;; 2) sleep 60 ;; 3) kill -9 $PPID ;; esac')" \
$     - ::: 0 1 2 3 4 2>err
$ sed -n '$s/^gather: //p' err | tr , '\n'
1 of 5 complete
 1 failed
 1 killed by a signal
 1 timed out
 1 incomplete; see log
.

try 'messages: no more than 100 lines about failures, and the ledger has all' <<'.'
$ lines 300 x | gather -k -l log sh -c 'exit 7' 2>err; echo $?
$ grep -c 'exit 7' err; grep more err; tail -n 1 err; grep -c 'failed$' log
123
100
gather: warning: more items that failed are not shown
gather: 0 of 300 complete, 300 failed
300
.

try 'messages: no more than 100 lines about retries, and then about failures' <<'.'
$ lines 60 x | gather -k -r 2 sh -c 'exit 7' 2>err; echo $?
$ grep -c 'trying again' err; grep -vc 'trying again' err
$ grep warning err; tail -n 1 err
123
100
62
gather: warning: more items that are tried again are not shown
gather: 0 of 60 complete, 60 failed
.

try 'messages: of a long text 40 bytes are shown' <<'.'
$ t=0123456789012345678901234567890123456789
$ gather -k -j 1 false ::: $t ${t}01
! item 0 (0123456789012345678901234567890123456789): exit 1
! item 1 (0123456789012345678901234567890123456789...): exit 1
= 0 2 0 0 0 0
? 123
.

# The characters are of 2, 3 and 4 bytes; then come half a character, two in
# more bytes than they need, a surrogate, what is beyond Unicode, and C1.  A
# shell may not be able to hold them.
try 'messages: what is not printable is shown as ?' <<'.'
$ { printf '\303\244\342\202\254\360\237\230\200\000'
$ printf '\033[31m\001\177\t\000a\nb\000'
$ printf '\303.\340\203\277\360\202\202\254.\355\240\200.'
$ printf '\364\220\200\200.\302\233\000'; } >list
$ printf 's/\303\244\342\202\254\360\237\230\200/good/\n' >script
$ gather -k -j 1 -0 -a list false 2>err
$ plain <err | sed -f script | sed -n 's/^gather: item //p'
0 (good): exit 1
1 (?[31m???): exit 1
2 (a?b): exit 1
3 (?.???????.???.????.??): exit 1
.

try 'messages: what turns the direction of a line is not shown, either' <<'.'
$ printf 'a\342\200\256b\n\342\201\246\342\200\250\n' |
$     gather -k -j 1 -l log false 2>err; plain <err | sed '$d'; row 2
gather: item 0 (a???b): exit 1
gather: item 1 (??????): exit 1
0|:|0|0|1|0|false a   b|failed
.

try 'messages: no character is cut' <<'.'
$ t=01234567890123456789012345678901234567
$ for u in $t ${t}8 ${t}89; do printf $u'\360\237\230\200\n'; done >list
$ printf $t'\360\237\230\200\360\237\230\200\n' >>list
$ printf 's/\360\237\230\200/c/g\n' >script
$ gather -k -j 1 -a list false 2>err
$ plain <err | sed -f script |
$     sed -n 's/^gather: item . (.*67\(.*\)/\1/p'
c): exit 1
8c): exit 1
89...): exit 1
...): exit 1
.

try 'messages: the names of files and options are made printable, too' <<'.'
$ e=$(printf '\033[31m\302\233\n\t\177')
$ gather -l "none/$e" true ::: a 2>err; gather -a "$e" true 2>>err
$ gather -j "$e" true 2>>err; gather -p "$e" true ::: a 2>>err
$ sed 's/: [Nn]o such.*//' err
gather: fatal: unable to create none/?[31m?????
gather: fatal: unable to open ?[31m?????
gather: fatal: -j ?[31m?????: not a whole number from 0 to 1000000
gather: fatal: unable to listen on 127.0.0.1 port ?[31m?????
.

try 'messages: the words of a client are made printable, too' <<'.'
$ printf 'no\033[2J\302\233\n' >list; gather -a list {}
! item 0 (no?[2J??): unable to execute no?[2J??: No such file or directory
= 0 1 0 0 0 0
? 127
.

# --- Retries

# What is tried, and in which order, is another matter if jobs are many.
try 'retries: -r 2 runs an item up to three times' <<'.'
$ gather -j 1 -r 2 flaky 2 ::: a b
a: try 3
b: try 3
! item 0 (a): exit 1, trying again
! item 0 (a): exit 1, trying again
! item 1 (b): exit 1, trying again
! item 1 (b): exit 1, trying again
.

try 'retries: -r 2 does not run it a fourth time' <<'.'
$ gather -k -j 1 -r 2 flaky 3 ::: a; echo $?; count <tries
123
3
! item 0 (a): exit 1, trying again
! item 0 (a): exit 1, trying again
! item 0 (a): exit 1
= 0 1 0 0 0 0
.

try 'retries: none if nothing is said, or -r 0' <<'.'
$ gather -k flaky 1 ::: a; gather -k -r 0 flaky 1 ::: b; cat tries
a: try 1
b: try 1
a
b
! item 0 (a): exit 1
= 0 1 0 0 0 0
! item 0 (b): exit 1
= 0 1 0 0 0 0
.

try 'retries: what is complete runs once' <<'.'
$ gather -r 5 flaky 0 ::: a b c; sort tries
a: try 1
b: try 1
c: try 1
a
b
c
.

try 'retries: the order stays, with many jobs' <<'.'
$ gather -r 3 sh -c 'flaky $(($1 % 4)) $1' - ::: 0 1 2 3 4 5 6 7 2>err
0: try 1
1: try 2
2: try 3
3: try 4
4: try 1
5: try 2
6: try 3
7: try 4
$ plain <err | sort | uniq -c | tr -s ' '
 1 gather: item 1: exit 1, trying again
 2 gather: item 2: exit 1, trying again
 3 gather: item 3: exit 1, trying again
 1 gather: item 5: exit 1, trying again
 2 gather: item 6: exit 1, trying again
 3 gather: item 7: exit 1, trying again
.

try 'retries: with -u, too' <<'.'
$ gather -u -r 1 -k -j 1 sh -c 'flaky $1 $1' - ::: 0 1 2
0: try 1
1: try 2
! item 1: exit 1, trying again
! item 2: exit 1, trying again
! item 2: exit 1
= 2 1 0 0 0 0
? 123
.

try 'retries: a large item leaves nothing of a failed try' <<'.'
$ gather -r 1 sh -c 'lines 50000 $1; flaky 1 $1' - ::: a b 2>/dev/null >got
$ for i in a b; do lines 50000 $i; echo $i: try 2; done | cmp - got
.

try 'retries: an item that outgrew -m has been written, and fails' <<'.'
$ gather -r 1 -m 1k sh -c 'lines 50000 $1; flaky 1 $1' - ::: a >got
$ echo $?; { lines 50000 a; echo a: try 1; } | cmp - got
123
! item 0 (a): exit 1
= 0 1 0 0 0 0
.

try 'retries: a failed run is not seen, though others fill the memory' <<'.'
$ gather -m 1M -r 1 -j 2 sh -c 2>err >got ::: \
$     'till test -e b; dd if=/dev/zero bs=1000 count=300; flaky 1 a' \
$     'dd if=/dev/zero bs=1000 count=900' ': >b'
$ echo $?; tr -d '\0' <got; wc -c <got; plain <err | sed -n 's/^gather: //p'
0
a: try 2
1200009
item 0 (till test -e b; dd if=/dev/zero bs=1000 ...): exit 1, trying again
.

# The others, 95 MiB, fill what is usual while the first one sleeps.
try 'retries: a failed run is not seen, with the usual memory' <<'.'
$ gather -r 1 -l log sh -c 'n=$(($1 - 1)); if [ $1 = 0 ]; then
$     till test -e at6; sleep $second; lines 50000 x; flaky 1 0; exit; fi
$     [ $n = 0 ] || till test -e at$n
$     dd if=/dev/zero bs=64k count=80 2>/dev/null; : >at$1' - \
$     ::: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 | tr -d '\0' >got
$ { lines 50000 x; echo 0: try 2; } | cmp - got
$ awk '$6 == 5242880 && $NF == "complete"' log | count
19
! item 0: exit 1, trying again
.

try 'retries: after a signal, a time-out, a command not found' <<'.'
$ gather -k -r 1 sh -c ::: 'kill -KILL $$'
$ gather -k -r 1 -t 0.1 sleep ::: 60
$ gather -k -r 1 none ::: a
! item 0 (kill -KILL $$): signal 9, trying again
! item 0 (kill -KILL $$): signal 9
= 0 0 1 0 0 0
! item 0 (60): timed out, trying again
! item 0 (60): timed out
= 0 0 0 1 0 0
! item 0 (a): unable to execute none: No such file or directory, trying again
! item 0 (a): unable to execute none: No such file or directory
= 0 1 0 0 0 0
? 127
.

try 'tags: -T puts the item and a TAB before each line, in order' <<'.'
$ gather -T sh -c 'echo 1; sleep $1; echo; printf 3; echo' - ::: 1 0 |
$     tr '\t' '|'
1|1
1|
1|3
0|1
0|
0|3
.

try 'tags: the last line may lack its newline, and the next item begins one' <<'.'
$ gather -T -j 1 sh -c '[ $1 = c ] || printf "$1\n$1"' - ::: a b c d | tr '\t' '|'
$ echo .
a|a
a|a
b|b
b|b
d|d
d|d.
.

try 'tags: a byte at a time, with large blocks, without memory, with -u' <<'.'
$ lines 30000 x >list; lines 9 x | tr -d '\n' >>list; sed 's/^/list\t/' list >want
$ for o in '-m 64M' '-m 0' '-m 0 -u' '-u' '-r 1'; do
$     gather -T -n 1 $o cat list | sed 's/^0/list/' | cmp - want
$     gather -T $o sh -c 'dd if=$1 bs=7 2>/dev/null' - ::: list | cmp - want
$ done
.

try 'tags: lines longer than a block, and than what goes out at a time' <<'.'
$ dd if=/dev/zero bs=1000000 count=1 2>/dev/null | tr '\0' x >long
$ { cat long; echo; cat long; } >list; { printf 'list\t'; cat long; echo
$     printf 'list\t'; cat long; } >want
$ for o in -k '-m 0' '-u -m 1'; do gather -T $o cat ::: list | cmp - want; done
.

try 'tags: items longer than what goes out at a time' <<'.'
$ dd if=/dev/zero bs=100000 count=1 2>/dev/null | tr '\0' x >list
$ gather -T -a list sh -c 'echo 1; echo 2' | tr '\t' '|' | sed 's/x*|/x|/'
$ gather -T -a list sh -c 'echo 1; echo 2' | wc -c | tr -d ' '
x|1
x|2
200006
.

try 'tags: files, whole or not, hold them, too' <<'.'
$ gather -T -k -r 1 -o o{} sh -c 'echo 1; printf $1; exec flaky 1 $1' - \
$     ::: a b 2>/dev/null; cat o0 o1 | tr '\t' '|'
a|1
a|aa: try 2
b|1
b|bb: try 2
.

try 'tags: what is not printable in an item is shown as ?' <<'.'
$ printf 'a\tb\n\303\244\033[m\n\n' | gather -j 1 -T printf '1\n2\n%.0s' >got
$ printf 'a?b\t1\na?b\t2\n\303\244?[m\t1\n\303\244?[m\t2\n\t1\n\t2\n' | cmp - got
.

try 'tags: any byte may be in a line' <<'.'
$ printf 'a\000b\377\r\n\n\000' >bytes
$ gather -T cat ::: bytes >got
$ printf 'bytes\ta\000b\377\r\nbytes\t\nbytes\t\000' | cmp - got
.

try 'tags: of a failed try nothing is seen, with -k what there is of the last' <<'.'
$ gather -T -j 1 -r 1 flaky 1 ::: a 2>/dev/null | tr '\t' '|'
$ gather -T -j 1 -k sh -c 'printf "$1\n$1"; exit $1' - ::: 0 3 0 2>/dev/null |
$     tr '\t' '|'; echo
a|a: try 2
0|0
0|0
3|3
3|3
0|0
0|0
.

try 'tags: the ledger counts what commands said' <<'.'
$ gather -T -l log printf '1\n2\n%.0s' ::: item >/dev/null; row 2
0|:|0|4|0|0|printf 1\n2\n%.0s item|complete
.

try 'tags: of clients from elsewhere, too' <<'.'
$ GATHER_TOKEN=00112233445566778899aabbccddeeff; export GATHER_TOKEN
$ gather -p 0 -j 0 -v -T ::: a b 2>err >out & p=$(port)
$ gather -c 127.0.0.1:$p sh -c 'echo 1; echo 2'; wait; tr '\t' '|' <out
a|1
a|2
b|1
b|2
.

try 'pause: -d is doubled at each further try, and no item is early' <<'.'
$ gather -r 3 -d 0.5 sh -c 'date +%s >>times; flaky 3 $1' - ::: a 2>err
$ plain <err
$ awk 'NR > 1 && $1 - before < NR - 2 { print $1 - before } { before = $1 }' times
a: try 4
gather: item 0 (a): exit 1, trying again in 0.5 s
gather: item 0 (a): exit 1, trying again in 1 s
gather: item 0 (a): exit 1, trying again in 2 s
.

try 'pause: -d 0 is none' <<'.'
$ gather -r 1 -d 0 flaky 1 ::: a
a: try 2
! item 0 (a): exit 1, trying again
.

try 'pause: meanwhile the others run' <<'.'
$ gather -u -j 1 -r 1 -d 0.5 sh -c '[ $1 != a ] && echo $1 && : >$1 ||
$     { : >>tried; test -e c && echo a; }' - ::: a b c 2>/dev/null
b
c
a
.

try 'pause: the order stays, with one job and with many' <<'.'
$ for j in 1 8; do
$     gather -j $j -r 1 -d 0.2 flaky 1 ::: a b c d 2>/dev/null
$     rm tries
$ done | tr -d '\n'; echo
a: try 2b: try 2c: try 2d: try 2a: try 2b: try 2c: try 2d: try 2
.

try 'pause: it is no time of the item' <<'.'
$ gather -t $second -r 1 -d $((second + 1)) flaky 1 ::: a 2>err
$ plain <err | digits
a: try 2
gather: item N (a): exit N, trying again in N s
.

try 'pause: a signal ends it, and the ledger has what was tried' <<'.'
$ watched gather -l log -r 1 -d 60 sh -c '(till grep -q again err
$     kill -TERM $G) >/dev/null & exit 3' - ::: a 2>err
$ echo $?; plain <err; row 2
143
gather: item 0 (a): exit 3, trying again in 60 s
gather: 0 of 1 complete, 1 failed
0|:|0|0|3|0|sh -c (till grep -q again err     kill -TERM $G) >/dev/null & exit 3 - a|failed
.

try 'pause: the death of all children ends it' <<'.'
$ gather -j 2 -r 1 -d 60 sh -c 'echo $PPID >pid$1; till test -s pid$((1 - $1))
$     exit 3' - ::: 0 1 2>err &
$ till sh -c 'test "$(grep -c again err 2>/dev/null)" = 2'
$ kill -KILL $(cat pid0 pid1); wait $!; echo $?; grep -v ' item ' err | tail -n 2
1
gather: fatal: unable to go on: no child is left
gather: 0 of 2 complete, 2 failed
.

try '-c, -w: who wants an item gets it after its pause' <<'.'
$ GATHER_TOKEN=00112233445566778899aabbccddeeff; export GATHER_TOKEN
$ gather -p 0 -j 0 -r 2 -d 1 -v -n 1 2>err & p=$(port)
$ gather -c 127.0.0.1:$p -w 0 false 2>/dev/null; echo $?
$ till grep -q again err; gather -c 127.0.0.1:$p -w 0 echo here; echo $?; wait
1
here 0
0
.

try 'retries: after the death of its child' <<'.'
$ gather -j 2 -r 1 sh -c 'mkdir once 2>/dev/null && { echo no
$     kill -KILL $PPID; exec sleep 60; }
$     till grep -q early err; echo $1' - ::: 0 1 2>err
0
1
$ sort err | digits
gather: item N: incomplete: its client went away after N bytes, trying again
gather: warning: child N ended early: signal N
.

# --- Time

try 'time: a command that is over in time is complete' <<'.'
$ gather -t 600 echo ::: a
a
.

try 'time: with -k the others go on' <<'.'
$ gather -k -t $second sh -c ::: 'echo a' 'echo b; exec sleep 60' 'echo c'
a
b
c
! item 1 (echo b; exec sleep 60): timed out
= 2 0 0 1 0 0
? 124
.

try 'time: a command that ignores TERM is killed' <<'.'
$ gather -t 0.2 sh -c 'trap "" TERM; while :; do sleep 1; done' - ::: a
! item 0 (a): timed out
= 0 0 0 1 0 0
? 124
.

try 'time: a command that writes without a pause' <<'.'
$ gather -t 0.2 lines 1000000000 ::: a >/dev/null
! item 0 (a): timed out
= 0 0 0 1 0 0
? 124
.

try 'items: one that is wrong among those not reached' <<'.'
$ printf 'a\nb\nc\0d\n' >list; gather -j 1 false <list
! item 0 (a): exit 1
! fatal: unable to take item 2: it contains a NUL byte
= 0 1 0 0 0 1 +
? 1
.

# Nobody notices the end of the command until gather and its child go on.
try 'time: what has ended in time is complete, though it is noticed late' <<'.'
@ orphaned groups that get no HUP later on (gVisor): test -z "$gvisor"
$ { till test -s pids; sleep $((second + 3)); kill -CONT $(cat pids); } &
$ watched gather -t $((second + 1)) sh -c 'sleep $nap; echo $PPID $G >pids
$     kill -STOP $G $PPID; echo $1' - ::: a
a
.

try 'time: its descendants end with it' <<'.'
$ gather -t 0.2 sh -c 'sleep 60 & sleep 60 | sleep 60' - ::: a
! item 0 (a): timed out
= 0 0 0 1 0 0
? 124
.

try 'time: descendants that ignore TERM are killed' <<'.'
$ gather -t 0.2 sh -c '(trap "" TERM; while :; do sleep 1; done) & wait' - \
$     ::: a
! item 0 (a): timed out
= 0 0 0 1 0 0
? 124
.

try 'time: a command that is stopped is continued to clean up' <<'.'
$ gather -t 0.5 sh -c 'trap "rm mess; exit" TERM; : >mess; kill -STOP $$' \
$     ::: a
$ echo $?; ls
124
! item 0 (a): timed out
= 0 0 0 1 0 0
.

try 'time: TERM comes first, and leaves a grace time to clean up' <<'.'
$ gather -t $second sh -c 'trap ": >clean; exit" TERM; sleep 60 & wait' - ::: a
$ echo $?; ls
124
clean
! item 0 (a): timed out
= 0 0 0 1 0 0
.

try 'time: TERM goes to descendants, too' <<'.'
$ gather -t 0.5 sh -c '(trap "rm mess; exit" TERM; : >mess; sleep 60 & wait) &
$     sleep 60' - ::: a
$ echo $?; ls
124
! item 0 (a): timed out
= 0 0 0 1 0 0
.

try 'time: that of a slow reader does not count' <<'.'
$ gather -t $((3 * second)) dd if=/dev/zero bs=64k ::: count=320 2>err | {
$     sleep $((3 * second + 1)); wc -c; } | tr -d ' '
20971520
.

# --- Files

try 'files: one for each item, by its number' <<'.'
$ gather -o out.{} echo ::: a b; grep . *
out.0:a
out.1:b
.

try 'files: {} may be anywhere, and more than once' <<'.'
$ mkdir d0 d1; gather -n 2 -o d{}/{}x echo a{}; grep . */*
d0/0x:a0
d1/1x:a1
.

try 'files: empty ones, too' <<'.'
$ gather -n 2 -o {} true; ls; cat *
0
1
.

try 'files: large ones' <<'.'
$ gather -n 3 -o {} lines 100000 {}
$ for i in 0 1 2; do lines 100000 $i | cmp - $i; done; ls
0
1
2
.

try 'files: .part until the item is complete, then it has its name' <<'.'
$ echo old >f0
$ gather -n 1 -o f{} sh -c 'echo new; till grep new f0.part >&2; cat f0 >&2'
$ cat f0; ls
new
f0
2> new
2> old
.

try 'files: a .part of an earlier run is overwritten' <<'.'
$ lines 100 old >f0.part; gather -n 1 -o f{} echo new; cat f0; ls
new
f0
.

try 'files: a failed item leaves none' <<'.'
$ gather -k -j 1 -o f{} sh -c 'echo; {}' - ::: true false 'kill -KILL $$'; ls
f0
! item 1 (false): exit 1
! item 2 (kill -KILL $$): signal 9
= 1 1 1 0 0 0
.

try 'files: a failed item does not harm what is there' <<'.'
$ echo old >f0; gather -n 1 -o f{} sh -c 'echo new; exit 3'; cat f0; ls
old
f0
! item 0: exit 3
= 0 1 0 0 0 0
.

try 'files: an aborted run leaves those that are complete' <<'.'
$ gather -o f{} sh -c ::: 'echo a; till test -e f1; read x <gate; exit 3' \
$     'mkfifo gate; echo b' 'echo c; till test -e gate; echo >gate; sleep 60'
$ echo $?; ls
123
f1
gate
! item 0 (echo a; till test -e f1; read x <gate; e...): exit 3
= 1 1 0 0 1 0
.

try 'files: death by a signal leaves no .part' <<'.'
$ watched gather -n 1 -o f{} sh -c 'echo; till test -s f0.part
$     kill -TERM $G; exec sleep 60'; echo $?; ls
143
= 0 0 0 0 1 0
.

try 'files: a failed try leaves nothing, the next one counts' <<'.'
$ gather -r 1 -o f{} flaky 1 ::: a; cat f0; ls
a: try 2
f0
tries
! item 0 (a): exit 1, trying again
.

try 'files: they hold only what their item said' <<'.'
$ gather -o {} -j 3 -n 30 lines 1000 {}
$ for i in *; do lines 1000 $i | cmp - $i; done; ls | count
30
.

try 'files: no such directory' <<'.'
$ gather -o none/f{} echo ::: a
! fatal: unable to create none/f0.part: No such file or directory
= 0 0 0 0 1 0
? 1
.

try 'files: a directory of that name' <<'.'
$ mkdir f0; gather -n 1 -o f{} echo; echo $?; ls
1
f0
! fatal: unable to write f0: Is a directory
= 0 0 0 0 1 0
.

try 'files: full' <<'.'
@ ulimit -f: sh -c 'ulimit -f 1000'
$ sh -c 'ulimit -f 1000; exec gather -n 1 -o f{} lines 300000 x'; echo $?; ls
1
! fatal: unable to write f0: File too large
= 0 0 0 0 1 0
.

try 'files: a link in place of .part is replaced, not followed' <<'.'
$ echo victim >a; ln -s a f0.part; ln a f1.part; ln -s b f2.part
$ gather -n 3 -o f{} echo new; grep . a f0 f1 f2; test -h f0; echo $?; ls
a:victim
f0:new
f1:new
f2:new
1
a
f0
f1
f2
.

try 'files: a FIFO in place of .part is replaced, nobody waits for it' <<'.'
$ mkfifo f0.part; gather -n 1 -o f{} echo new; cat f0; test -p f0; echo $?; ls
new
1
f0
.

try 'files: a directory in place of .part stays, and is an error' <<'.'
$ mkdir f0.part; gather -n 1 -o f{} echo new; echo $?; ls
1
f0.part
! fatal: unable to create f0.part: File exists
= 0 0 0 0 1 0
.

# --- The ledger

try 'ledger: its columns' <<'.'
$ gather -l log echo ::: a; sed 1q log | tr '\t' ' '
a
Seq Host Starttime JobRuntime Send Receive Exitval Signal Command State
.

try 'ledger: never the list, nor the output, nor the file of the messages' <<'.'
$ printf 'a\nb\n' >list; ln list hard; ln -s list soft
$ for l in list hard soft; do gather -a list -l $l echo; done; cat list
$ gather -l out echo ::: a >out
$ gather -l err echo ::: a 2>err; cat err
a
b
gather: fatal: unable to create err: it is standard error
! fatal: unable to create list: it is the list
! fatal: unable to create hard: it is the list
! fatal: unable to create soft: it is the list
! fatal: unable to create out: it is the output
.

try 'ledger: never the list by the name of /dev/stdin' <<'.'
@ /dev/stdin: test -e /dev/stdin
$ printf 'a\nb\n' >list; gather -l /dev/stdin echo <list; cat list
a
b
! fatal: unable to create /dev/stdin: it is the list
.

try 'ledger: it is no file of an item, nor what that is called before' <<'.'
$ for l in o1 o1.part; do
$     gather -j 1 -l $l -o o{} echo ::: a b; echo $?
$     cut -f 1,10 $l | tr '\t' ' '; rm o*
$ done
1
Seq State
0 complete
1 incomplete
1
Seq State
0 complete
1 incomplete
! fatal: unable to create o1.part: it is the ledger
= 1 0 0 0 1 0
! fatal: unable to create o1.part: it is the ledger
= 1 0 0 0 1 0
.

try 'ledger: into standard output only if that is not used' <<'.'
@ /dev/stdout: test -e /dev/stdout
$ gather -l /dev/stdout -j 1 -o o{} echo ::: a b >log
$ cut -f 1,10 log | tr '\t' ' '
$ gather -l /dev/stdout echo ::: a | cat
Seq State
0 complete
1 complete
! fatal: unable to create /dev/stdout: it is the output
.

try 'ledger: /dev/stderr is what it says' <<'.'
@ /dev/stderr: test -e /dev/stderr
$ gather -l /dev/stderr true ::: a 2>&1 >/dev/null | cut -f 1,10 | tr '\t' ' '
Seq State
0 complete
.

try 'ledger: a FIFO or a link of ours are what they say' <<'.'
$ mkfifo fifo; cat fifo >copy & gather -l fifo true ::: a; wait
$ cut -f 1,10 copy | tr '\t' ' '
$ : >target; ln -s target link; gather -l link true ::: a
$ cut -f 1,10 target | tr '\t' ' '; test -h link && echo link
Seq State
0 complete
Seq State
0 complete
link
.

try 'ledger: a new file, by the umask, in place of the old one' <<'.'
$ echo old >log; ln log other; chmod 444 log
$ umask 027; gather -l log true ::: a
$ cat other; find log -perm 640; find other -perm 444
old
log
other
.

try 'ledger: a start that fails leaves an old one' <<'.'
$ echo old >log
$ gather -l log -p no-such-service true ::: a 2>/dev/null; cat log
$ gather -l log -a none true 2>/dev/null; cat log
$ gather -l log -b 192.0.2.1 -p 0 true ::: a 2>/dev/null; cat log
old
old
old
.

try 'ledger: a line for every item, in order' <<'.'
$ gather -k -j 1 -l log sh -c ::: true 'echo four' 'exit 7' 'kill -KILL $$'
$ row '2,$'
four
0|:|0|0|0|0|sh -c true|complete
1|:|0|5|0|0|sh -c echo four|complete
2|:|0|0|7|0|sh -c exit 7|failed
3|:|0|0|-1|9|sh -c kill -KILL $$|killed
! item 2 (exit 7): exit 7
! item 3 (kill -KILL $$): signal 9
= 2 1 1 0 0 0
.

try 'ledger: what is timed out, cannot be executed, was not found' <<'.'
$ echo >text; gather -k -j 1 -t 0.2 -l log {} 60 2>/dev/null \
$     ::: sleep ./text nothing; row '2,$'
0|:|0|0|-1|0|sleep 60|timeout
1|:|0|0|126|0|./text 60|failed
2|:|0|0|127|0|nothing 60|failed
.

try 'ledger: the lost item of a child that was killed' <<'.'
$ gather -l log sh -c 'kill -KILL $PPID; exec sleep 60' ::: a 2>/dev/null
$ row 2
0|:|0|0|-1|0|sh -c kill -KILL $PPID; exec sleep 60 a|incomplete
.

try 'ledger: after an abort, what has not been run, from a file' <<'.'
$ printf 'echo a\nexit 3\necho b\nexit 4\n' >list
$ gather -j 1 -a list -l log sh -c 2>/dev/null; row '2,$'
a
0|:|0|2|0|0|sh -c echo a|complete
1|:|0|0|3|0|sh -c exit 3|failed
2|:|0|0|-1|0|sh -c echo b|unstarted
3|:|0|0|-1|0|sh -c exit 4|unstarted
.

try 'ledger: after an abort, what has not been run, of numbers' <<'.'
$ gather -j 1 -n 4 -l log sh -c 'test {} != 1' 2>/dev/null; row '2,$'
0|:|0|0|0|0|sh -c test 0 != 1|complete
1|:|0|0|1|0|sh -c test 1 != 1|failed
2|:|0|0|-1|0|sh -c test 2 != 1|unstarted
3|:|0|0|-1|0|sh -c test 3 != 1|unstarted
.

try 'ledger: after an abort, what was running is incomplete' <<'.'
$ mkfifo gate; gather -l log sh -c 2>/dev/null \
$     ::: 'echo >gate; exec sleep 60' 'read x <gate; exit 3'; row '2,$'
0|:|0|0|-1|0|sh -c echo >gate; exec sleep 60|incomplete
1|:|0|0|3|0|sh -c read x <gate; exit 3|failed
.

try 'ledger: after an abort, what ended before its turn is incomplete' <<'.'
$ gather -j 2 -l log sh -c 2>/dev/null ::: ': >a; exec sleep 60' 'echo b' \
$     'till test -e a; exit 3'
$ row '2,$'
0|:|0|0|-1|0|sh -c : >a; exec sleep 60|incomplete
1|:|0|2|-1|0|sh -c echo b|incomplete
2|:|0|0|3|0|sh -c till test -e a; exit 3|failed
.

try 'ledger: after death by a signal' <<'.'
$ watched gather -j 1 -l log sh -c ::: 'kill -TERM $G; sleep 60' a 2>/dev/null
$ echo $?; row '2,$'
143
0|:|0|0|-1|0|sh -c kill -TERM $G; sleep 60|incomplete
1|:|0|0|-1|0|sh -c a|unstarted
.

try 'ledger: a line is there as soon as its item is over' <<'.'
$ watched gather -j 1 -l log sh -c ::: true 'kill -KILL $G'; echo $?
$ row '2,$'
137
0|:|0|0|0|0|sh -c true|complete
.

try 'ledger: one line for an item that was run again' <<'.'
$ gather -r 1 -l log flaky 1 ::: a 2>/dev/null; row '2,$'
a: try 2
0|:|0|9|0|0|flaky 1 a|complete
.

try 'ledger: with -u in the order of completion' <<'.'
$ gather -u -l log sh -c 'test $1 = b || till grep ^1 log >&2
$     echo $1' - ::: a b 2>/dev/null
b
a
$ cut -f 1 log
Seq
1
0
.

try 'ledger: with -o, too' <<'.'
$ gather -k -j 1 -o f{} -l log sh -c ::: 'echo a' 'echo b; exit 3' 2>/dev/null
$ row '2,$'
0|:|0|2|0|0|sh -c echo a|complete
1|:|0|2|3|0|sh -c echo b; exit 3|failed
.

try 'ledger: control characters become blanks' <<'.'
$ gather -l log true ::: "a	b${nl}c"; cut -f 9 log; count <log
Command
true a b c
2
.

try 'ledger: start and run time in seconds' <<'.'
$ gather -k -t 0.2 -l log {} 60 ::: sleep true 2>/dev/null
$ cut -f 3-4 log | tr '\t' '|' | sed -e 's/^[0-9]\{10\}\.[0-9]\{3\}/start/' \
$     -e 's/|[0-9]*\.[0-9]\{3\}$/|time/'
$ awk 'NR == 2 { print ($4 >= 0.2) }' log
Starttime|JobRuntime
start|time
start|time
1
.

try 'ledger: replaces an earlier one' <<'.'
$ lines 100 old >log; gather -l log true ::: a; count <log
2
.

try 'ledger: only its head if there are no items' <<'.'
$ gather -l log echo; cut -f 1 log
Seq
.

try 'ledger: cannot be created' <<'.'
$ gather -l none/log echo ::: a
! fatal: unable to create none/log: No such file or directory
? 1
.

# Standard output goes on, too, as far as that can be: to the next line.
try 'ledger: one that takes nothing for a while holds nobody up' <<'.'
$ mkfifo log; x=$(dd if=/dev/zero bs=100000 count=1 2>/dev/null | tr '\0' x)
$ { till test -e 9; till grep -q 0 out; cut -f 1,10 >got; } <log &
$ gather -j 2 -l log sh -c ': >$GATHER_WHICH; echo $GATHER_WHICH' - \
$     ::: $x $x 2 3 4 5 6 7 8 9 >out
$ wait; tr '\n' ' ' <out; echo; tr -d 'mplet\t\n' <got; echo
0 1 2 3 4 5 6 7 8 9 
SqSa0co1co2co3co4co5co6co7co8co9co
.

try 'ledger: full, which does not harm the output' <<'.'
@ /dev/full: test -w /dev/full
$ gather -l /dev/full echo ::: a b
a
b
! fatal: unable to write /dev/full: No space left on device
? 1
.

# --- Clients from elsewhere

GATHER_TOKEN=00112233445566778899aabbccddeeff # a secret, but for tests
export GATHER_TOKEN

try '-b: needs -p, since clients have to know the port' <<'.'
$ GATHER_TOKEN=00112233445566778899aabbccddeeff; export GATHER_TOKEN
$ gather -b 127.0.0.1 true ::: a 2>err; echo $?; sed 1q err
1
gather: fatal: unable to understand the command line: no -p for -b
.

try 'token: nobody finds it in the environment of gather' <<'.'
@ /proc: test -r /proc/self/environ
$ GATHER_TOKEN=00112233445566778899aabbccddeeff; export GATHER_TOKEN
$ sh -c 'cat /proc/$$/environ' | tr '\0' '\n' | grep -c 00112233
$ seen='cat /proc/$PPID/environ 2>/dev/null | tr "\0" "\n" | grep -c 00112233
$     :'
$ gather sh -c "$seen" ::: a
$ gather -b 127.0.0.1 -p 0 -j 1 -v -n 2 sh -c "$seen; till test -e go" \
$     >out 2>err & p=$(port)
$ cat /proc/$!/environ | tr '\0' '\n' | grep -c 00112233
$ gather -c 127.0.0.1:$p sh -c "$seen; : >go"; wait; cat out
1
0
0
0
0
.


try '-b, -c: clients from elsewhere run the items, which come in order' <<'.'
$ lines 9 item >list
$ gather -b 127.0.0.1 -p 0 -j 0 -a list >out 2>err & p=$(port)
$ both() { gather -c 127.0.0.1:$p sh -c ': >$GATHER_WHICH; till test -e 1
$     echo got $1' -; }
$ both & both; echo $?; wait; cat out; digits <err
0
got item 1
got item 2
got item 3
got item 4
got item 5
got item 6
got item 7
got item 8
got item 9
gather: waiting for clients on N.N.N.N port N
.

try '-b: local children run items, too' <<'.'
$ watched gather -v -b 127.0.0.1 -p 0 -j 1 sh -c 'echo local $1; : >$1
$     till test -e elsewhere' - ::: a b c 2>err >out & p=$(port)
$ till test -e a; gather -c 127.0.0.1:$p sh -c 'test $1 = c && : >elsewhere
$     echo remote $1' -; echo $?; wait; cat out
0
local a
remote b
remote c
.

try '-j 0: alone it waits on the loopback interface' <<'.'
$ gather -p 0 -j 0 -n 1 2>err & p=$(port)
$ gather -c 127.0.0.1:$p echo here >/dev/null; wait; digits <err
here 0
gather: waiting for clients on N.N.N.N port N
.

try '-j 0: an empty list waits for nobody' <<'.'
$ gather -p 0 -j 0 -n 0; gather -p 0 -j 0 :::; gather -b 127.0.0.1 -p 0 echo :::
.

try '-b: an address that is not here' <<'.'
$ gather -b 192.0.2.1 -p 0 echo ::: a 2>&1 | sed 's/\(port 0\): .*/\1: reason/'
gather: fatal: unable to listen on 192.0.2.1 port 0: reason
.

try '-b: a name is resolved once, and children take the address' <<'.'
@ localhost in /etc/hosts: grep '^127.0.0.1[[:blank:]].*localhost' /etc/hosts
$ gather -v -b localhost -p 0 -j 1 echo ::: a 2>err; port >/dev/null
$ sed -n '/^gather: listening/p' err | sed 's/port .*/port/'
a
gather: listening on 127.0.0.1 port
.

try '-b: a host that nobody knows' <<'.'
$ gather -b a..b -p 0 echo ::: a
! fatal: unable to listen on a..b port 0: no such host
? 1
.

try '-c: a host that nobody knows' <<'.'
$ gather -c a..b:7 echo
! fatal: unable to connect to a..b port 7: no such host
? 1
.

try '-b, -c: an IPv6 address is refused, in words' <<'.'
$ gather -c '[::1]:7' echo
$ gather -b ::1 -p 7 echo ::: a; gather -b '[::1]' -p 7 echo ::: a
! fatal: unable to connect to [::1] port 7: gather speaks IPv4 only
! fatal: unable to listen on ::1 port 7: gather speaks IPv4 only
! fatal: unable to listen on [::1] port 7: gather speaks IPv4 only
? 1
.

try '-c: an IPv6 address without a port is refused, in words' <<'.'
@ ingreslock in /etc/services: grep '^ingreslock[[:blank:]]' /etc/services
$ gather -c ::1 echo; gather -c '[::1]' echo
! fatal: unable to connect to ::1 port ingreslock: gather speaks IPv4 only
! fatal: unable to connect to [::1] port ingreslock: gather speaks IPv4 only
? 1
.

try '-c: waits for the server to come' <<'.'
$ gather -v -p 0 true ::: a 2>err; p=$(port); rm err
$ gather -c 127.0.0.1:$p echo late & sleep $second
$ gather -b 127.0.0.1 -p $p -j 0 ::: a 2>/dev/null; wait
late a
.

try '-c: waits on when a process ends that its shell has left behind' <<'.'
$ gather -v -p 0 true ::: a 2>err; p=$(port); rm err
$ sh -c 'sleep 1 & exec gather -c 127.0.0.1:'$p' echo late' & sleep 2
$ gather -b 127.0.0.1 -p $p -j 0 ::: a 2>/dev/null; wait
late a
.

try '-c: a signal ends it while it waits for the server' <<'.'
$ gather -v -p 0 true ::: a 2>err; p=$(port)
$ (sleep 1; kill -TERM $(cat pid)) &
$ watched sh -c 'echo $$ >pid; exec gather -c 127.0.0.1:'$p' true' 2>got
$ echo $?; cat got
143
.

try '-c: a wrong token is refused' <<'.'
$ gather -k -p 0 -j 0 ::: a >out 2>err & p=$(port)
$ (GATHER_TOKEN=ffffffffffffffffffffffffffffffff
$     gather -c 127.0.0.1:$p echo bad 2>&1; echo $?) | sed "s/$p/N/"
$ gather -c 127.0.0.1:$p echo good; wait; cat out; sed 1d err
gather: fatal: 127.0.0.1 port N does not know our token: it is not our server
1
good a
gather: warning: refused a stranger at 127.0.0.1: wrong token
.

try '-c: the token is in no environment of a command' <<'.'
$ gather -b 127.0.0.1 -p 0 -j 1 sh -c env ::: a b c >out 2>err
$ echo $GATHER_TOKEN >token; grep -c -f token out err
out:0
err:0
? 1
.

try '-c: the token is in no argument' <<'.'
@ ps -A: ps -A -o args
$ gather -b 127.0.0.1 -p 0 -j 1 sh -c 'ps -A -o args' - ::: a b c >out 2>err
$ echo $GATHER_TOKEN >token; grep -c -f token out err
out:0
err:0
? 1
.

try '-c: how a command ended is for the server to report' <<'.'
$ gather -k -p 0 -j 0 -l log ::: a b c 2>err >out & p=$(port)
$ gather -c 127.0.0.1:$p sh -c 'case $1 in a) exit 3 ;; b) kill -KILL $$
$     esac' -; echo $?; wait $!; echo $?; row 2; row 3; row 4; sed 1d err
0
125
0|127.0.0.1|0|0|3|0|a|failed
1|127.0.0.1|0|0|-1|9|b|killed
2|127.0.0.1|0|0|0|0|c|complete
gather: item 0 (a): exit 3
gather: item 1 (b): signal 9
gather: 1 of 3 complete, 1 failed, 1 killed by a signal
.

try '-c -t: the client ends what takes too long' <<'.'
$ gather -k -p 0 -j 0 ::: 60 0 >out 2>err & p=$(port)
$ gather -c 127.0.0.1:$p -t $second sleep; echo $?; wait $!; echo $?
$ sed 1d err
0
124
gather: item 0 (60): timed out
gather: 1 of 2 complete, 1 timed out
.

try '-t: the server gives up on a client from elsewhere' <<'.'
$ gather -k -p 0 -j 0 -t $second ::: 60 0 >out 2>err & p=$(port)
$ gather -c 127.0.0.1:$p sleep; echo $?; gather -c 127.0.0.1:$p sleep
$ echo $?; wait $!; echo $?; sed 1d err
1
0
124
gather: item 0 (60): timed out
gather: 1 of 2 complete, 1 timed out
! fatal: the connection is lost
.

try '-t: the server gives up on a client that never pauses, too' <<'.'
$ gather -k -p 0 -j 0 -t $second ::: a 2>err >/dev/null & p=$(port)
$ gather -c 127.0.0.1:$p lines 1000000000; echo $?; wait $!; echo $?
$ sed 1d err
1
124
gather: item 0 (a): timed out
gather: 0 of 1 complete, 1 timed out
! fatal: the connection is lost
.

try '-c: a client that disappears fails its item' <<'.'
$ gather -p 0 -j 0 -l log -n 1 2>err & p=$(port)
$ watched gather -c 127.0.0.1:$p sh -c 'kill -KILL $PPID' 2>/dev/null
$ wait $!; echo $?; row 2; sed 1d err
123
0|127.0.0.1|0|0|-1|0||incomplete
gather: item 0: incomplete: its client went away after 0 bytes
gather: 0 of 1 complete, 1 incomplete
.

try '-c, -k: a run is over when its last client is lost in its last item' <<'.'
$ gather -k -p 0 -j 0 -n 1 2>err & p=$(port)
$ watched gather -c 127.0.0.1:$p sh -c 'kill -KILL $PPID' 2>/dev/null
$ wait $!; echo $?
123
.

# Its server looks whether there is another line; whoever comes then waits.  A
# shell may keep what it closes for one command: so a shell that is left does.
try '-c, -k: who comes when the last client was lost learns of the end' <<'.'
$ mkfifo list; gather -k -p 0 -j 0 -a list 2>err & exec 4>list
$ p=$(port); echo a >&4
$ (exec 4>&-; watched gather -c 127.0.0.1:$p sh -c 'kill -KILL $PPID') 2>got
$ till grep -q incomplete err
$ (exec 4>&-; exec gather -c 127.0.0.1:$p echo) & c=$!
$ (exec 4>&-; exec gather -c 127.0.0.1:$p -w 1 true) & w=$!
$ sleep $second; exec 4>&-
$ wait $c; echo $?; wait $w; echo $?; wait; sed -n '$p' err
0
1
gather: 0 of 1 complete, 1 incomplete
! fatal: item 1 is not to be had
.

try '-b, -k: a run is over when its last child is lost in its last item' <<'.'
$ gather -k -q -b 127.0.0.1 -p 0 -j 1 -n 1 sh -c 'kill -KILL $PPID
$     exec sleep 60' 2>err; echo $?; sed '/early/d' err
123
gather: item 0: incomplete: its client went away after 0 bytes
gather: 0 of 1 complete, 1 incomplete
.

try '-c, -r: the next client takes what another has lost' <<'.'
$ gather -r 1 -p 0 -j 0 ::: 0 1 2>err >out & p=$(port)
$ watched gather -c 127.0.0.1:$p sh -c 'echo lost; kill -KILL $PPID' \
$     2>/dev/null
$ gather -c 127.0.0.1:$p echo found; wait; cat out; sed 1d err | digits
found 0
found 1
gather: item N: incomplete: its client went away after N bytes, trying again
.

try '-c: a server that ends early ends its clients and their commands' <<'.'
$ gather -p 0 -j 0 ::: a b 2>err & p=$(port)
$ gather -c 127.0.0.1:$p sh -c ': >b; exec sleep 60' - b & c=$!
$ till test -e b; gather -c 127.0.0.1:$p false; wait $c; echo $?
$ wait; sed '1d; s/item [01]/item N/' err
1
gather: item N (b): exit 1
gather: 0 of 2 complete, 1 failed, 1 incomplete
! fatal: the connection is lost
! fatal: the connection is lost
.

try '-c: a server that is killed ends its clients and their commands' <<'.'
$ watched sh -c 'echo $$ >pid; exec gather -p 0 -j 0 ::: a 2>err' & p=$(port)
$ gather -c 127.0.0.1:$p sh -c ': >up; exec sleep 60' - & c=$!
$ till test -e up; kill -KILL $(cat pid); wait $c; echo $?
1
! fatal: the connection is lost
.

try '-c: a signal ends the command, then the client dies of it' <<'.'
$ gather -p 0 -j 0 ::: a 2>err & p=$(port)
$ watched gather -c 127.0.0.1:$p sh -c 'exec 2>/dev/null
$     trap "echo TERM >got; exit" TERM; kill -TERM $G
$     while :; do sleep $nap; done' -; echo $?; wait; cat got
143
TERM
.

try '-w: delivers standard input as that item, in any order' <<'.'
$ gather -p 0 -j 0 -n 3 >out 2>err & p=$(port)
$ for w in 2 1 0; do echo "item $w" | gather -c 127.0.0.1:$p -w $w; done
$ wait; cat out
item 0
item 1
item 2
.

try '-w: a command runs for that item' <<'.'
$ gather -p 0 -j 0 ::: a b >out 2>err & p=$(port)
$ gather -c 127.0.0.1:$p -w 1 sh -c 'echo $GATHER_WHICH $1' -
$ gather -c 127.0.0.1:$p -w 0 sh -c 'echo $GATHER_WHICH $1' -
$ wait; cat out
0 a
1 b
.

try '-w: an item that is taken, or does not exist, is not to be had' <<'.'
$ gather -p 0 -j 0 -n 2 >out 2>err & p=$(port)
$ for w in 0 0 7; do echo $w | gather -c 127.0.0.1:$p -w $w; echo $?; done
$ echo 1 | gather -c 127.0.0.1:$p -w 1; wait; cat out
0
1
1
0
1
! fatal: item 0 is not to be had
! fatal: item 7 is not to be had
.

try '-w, -r: who delivers its input cannot do so twice' <<'.'
$ gather -r 1 -p 0 -j 0 -n 1 >out 2>err & p=$(port)
$ (echo lost; sleep 2; echo half 2>/dev/null) |
$     gather -c 127.0.0.1:$p -t 1 -w 0; echo $?
$ echo whole | gather -c 127.0.0.1:$p -w 0; wait; cat out
1
whole
! fatal: the connection is lost
.

try '-w, -r: after the last try the client is told that it is over' <<'.'
$ gather -k -r 1 -p 0 -j 0 -n 1 >out 2>err & p=$(port)
$ gather -c 127.0.0.1:$p -w 0 false; echo $?
$ gather -c 127.0.0.1:$p -w 0 false; echo $?
$ wait $!; echo $?; grep item err | digits
1
0
123
gather: item N: exit N, trying again
gather: item N: exit N
! fatal: the connection is lost
.

try '-w, -r: an item that was lost can be delivered again' <<'.'
$ gather -r 1 -p 0 -j 0 -n 1 >out 2>err & p=$(port)
$ watched gather -c 127.0.0.1:$p -w 0 sh -c 'kill -KILL $PPID' 2>/dev/null
$ till grep -q 'trying again' err
$ echo again | gather -c 127.0.0.1:$p -w 0; wait; cat out
again
.

try '-w: beside clients that take any item' <<'.'
$ gather -p 0 -j 0 -n 4 >out 2>err & p=$(port)
$ echo wanted | gather -c 127.0.0.1:$p -w 2
$ gather -c 127.0.0.1:$p sh -c 'echo any'; wait; cat out
any
any
wanted
any
.

try '-b, -m 0: no memory for what waits does not stop the clients' <<'.'
$ gather -m 0 -p 0 -j 0 -n 6 >out 2>err & p=$(port)
$ for i in 1 2 3; do gather -c 127.0.0.1:$p sh -c ': >{}; till test -e 2
$     lines 9999 {}' & done
$ wait; count <out
59994
.

try '-b: with -o, -u and a ledger' <<'.'
$ gather -o 'f{}' -p 0 -j 0 -l log -n 2 2>err & p=$(port)
$ gather -c 127.0.0.1:$p echo; wait; cat f0 f1; row 2; row 3
$ rm err; gather -u -p 0 -j 0 -n 2 2>err >out & p=$(port)
$ gather -c 127.0.0.1:$p echo; wait; sort out
0
1
0|127.0.0.1|0|2|0|0||complete
1|127.0.0.1|0|2|0|0||complete
0
1
.

try '-w: goodbye does not wait for another line of the list' <<'.'
$ (echo a; till test -e go; echo b) | gather -p 0 -j 0 >out 2>err & p=$(port)
$ gather -c 127.0.0.1:$p -w 0 echo; : >go; gather -c 127.0.0.1:$p echo
$ wait; cat out
a
b
.

# Whoever of them reads the list gets the second line, and is busy with that
# until -w has its answer.
for others in 'R' 'R G'; do
    try "-w: it learns at once that its item went to one of these: $others" <<.
\$ mkfifo list; gather -p 0 -j 0 -a list >out 2>err & exec 4>list
\$ p=\$(port); echo first >&4
\$ for i in $others; do
\$     (exec 4>&-; exec gather -c 127.0.0.1:\$p sh -c 'echo \$1
\$         [ \$1 = first ] || till test -e over' -) &
\$     till grep -q first out
\$ done; sleep \$second # for one to read on
\$ (exec 4>&-; gather -c 127.0.0.1:\$p -w 1 true; echo \$? >over) &
\$ sleep \$second; echo second >&4; till test -s over; exec 4>&-; wait
\$ cat over out
1
first
second
! fatal: item 1 is not to be had
.
done

try 'death by SIGPIPE: process 1, which no signal kills, exits with 141' <<'.'
@ unshare, to be process 1: unshare -p -f true
$ { unshare -p -f "$GATHER" -q -n 9 lines 100000 {} 2>err; echo $? >st; } |
$     sed 1q; till grep . st 2>/dev/null
0 1
141
.

unset GATHER_TOKEN

try 'strangers: no token opens a run that is not for clients from elsewhere' \
    <<'.'
$ gather -v -j 1 -n 1 sh -c 'GATHER_TOKEN=00000000000000000000000000000000
$     export GATHER_TOKEN
$     p=$(sed -n "s/.*listening on .* port //p" err)
$     gather -c 127.0.0.1:$p true 2>/dev/null; echo $?
$     till grep -q refused err' 2>err
$ sed -n 's/.* refused a stranger at //p' err
1
127.0.0.1: nobody is expected from elsewhere
.

# --- Deaths and other accidents

try 'accident: a child is killed while its command runs' <<'.'
$ gather -k -u -j 2 sh -c 'test $1 = a && kill -KILL $PPID && exec sleep 60
$     till grep -q early err; echo $1' - ::: a b c 2>err; echo $?
b
c
123
$ sort err | digits
gather: N of N complete, N incomplete
gather: item N (a): incomplete: its client went away after N bytes
gather: warning: child N ended early: signal N
.

try 'accident: what a killed child had sent of an item stays unseen' <<'.'
$ gather -k -u -j 2 sh -c 'test $1 = a && lines 9999 lost &&
$     kill -KILL $PPID && exec sleep 60; echo $1' - ::: a b 2>/dev/null
b
? 123
.

try 'accident: a child is killed before it has an item' <<'.'
@ ps -A -o ppid: ps -A -o pid= -o ppid=
$ mkfifo list
$ watched gather -k -j 3 -a list sh -c 'echo $1; echo $G >pid' 2>err >out - &
$ exec 4>list; echo a >&4; till test -s pid; read pid <pid
$ ps -A -o pid= -o ppid= | awk -v g=$pid '$2 == g { print $1 }' | sed 2q |
$     while read child; do kill -KILL $child; done
$ till sh -c 'test $(grep -c "ended early: signal 9" err) = 2'
$ printf 'b\nc\n' >&4; exec 4>&-; wait $!; echo $?; cat out; count <err
0
a
b
c
2
.

try 'accident: a child is killed while it waits for another item' <<'.'
$ mkfifo list
$ gather -k -j 3 -a list sh -c ': >at$1; until [ -e at3 ]; do sleep $nap; done
$     echo $PPID >pid$1; echo $1' - 2>err >out &
$ exec 4>list; lines 3 '' | tr -d ' ' >&4; till grep 3 out >&2
$ kill -KILL $(cat pid1 pid2)
$ till sh -c 'test $(grep -c "ended early: signal 9" err) = 2'
$ printf '4\n5\n' >&4; exec 4>&-; wait $!; echo $?; cat out; count <err
0
1
2
3
4
5
2
2> 3
.

try 'accident: all children are killed' <<'.'
$ gather -k -j 1 sh -c 'kill -KILL $PPID; exec sleep 60' - ::: a b 2>&1 |
$     digits | sort
gather: N of N complete, N incomplete, N not started
gather: fatal: unable to go on: no child is left
gather: item N (a): incomplete: its client went away after N bytes
gather: warning: child N ended early: signal N
.

try 'accident: a child that is stopped is continued' <<'.'
$ gather sh -c 'kill -STOP $PPID; echo $1' - ::: a 2>err; digits <err
a
gather: warning: child N was stopped: continuing it
.

# All have begun before: gVisor sends HUP to the group of a stopped process when
# a command leaves it.
try 'accident: gather itself is stopped and continued' <<'.'
$ watched gather -n 5 sh -c ': >at{}; for i in 0 1 2 3 4; do till test -e at$i
$     done; [ {} != 2 ] || kill -STOP $G; lines 9999 {}
$     [ {} != 2 ] || kill -CONT $G' | count
49995
.

try 'accident: gather is killed, and nothing is left behind' <<'.'
$ watched gather -j 3 sh -c ': >at$1; for i in 0 1 2; do till test -e at$i
$     done; [ $1 = 0 ] && kill -KILL $G; sleep 60 | sleep 60' - ::: 0 1 2
? 137
.

try 'accident: gather is killed, and so is what ignores TERM' <<'.'
$ watched gather sh -c 'trap "" TERM; kill -KILL $G
$     while :; do sleep 1; done' - ::: a
? 137
.

try 'accident: gather is killed, and leaves no temporary file' <<'.'
$ mkdir tmp; TMPDIR=$PWD/tmp watched gather sh -c 'lines 50000 $1; : >$1
$     till test -e a; test $1 = a || kill -KILL $G; exec sleep 60' \
$     - ::: a b >got; echo $?; cd tmp; ls
137
.

# A child that gather has not heard of may say that it cannot connect.
try 'accident: gather is killed while it waits for its list' <<'.'
$ mkfifo list; { echo a; exec sleep 60 2>/dev/null; } >list &
$ { watched gather -j 4 -a list sh -c 'kill -KILL $G'; echo $?; } 2>&1 |
$     sed '/unable to connect/d'; kill $!
137
.

try 'accident: a child that cannot connect says why, and ends the run' <<'.'
@ unshare, for a loopback interface that is down: unshare -n test -z "$gvisor"
$ unshare -n "$GATHER" -j 1 -n 2 echo 2>err; echo $?
$ digits <err | sed 's/\(port N\): .*/\1: reason/'
1
gather: fatal: unable to connect to N.N.N.N port N: reason
gather: fatal: unable to go on: a child was unable to do its work
gather: N of N complete, N not started
.

try 'accident: a child that gives up ends the run, and what runs' <<'.'
$ watched gather -k -r 1 sh -c 'kill -USR1 $G; exec sleep 60' ::: a
! fatal: unable to go on: a child was unable to do its work
= 0 0 0 0 1 0
? 1
.

try 'accident: something left behind holds the output open' <<'.'
$ gather sh -c 'echo $1; sleep 60 2>/dev/null & echo $! >pid' - ::: a 2>err
$ echo $?; kill $(cat pid); cat err
a
0
gather: warning: item 0: ended; something it left holds its output open
.

try 'accident: what is left behind may finish what it says' <<'.'
$ mkfifo gate; echo 'BEGIN { while (i++ < 100000) { print i
$     if (i == 50000) { print >"gate"; close("gate") } } }' >script
$ gather sh -c 'awk -f script & read x <gate' ::: a | count
100000
.

try 'accident: two gathers at the same time do not mix' <<'.'
$ gather sh -c ': >at$1; till test -e at$2; lines 9999 $1' - 1{} 2{} \
$     ::: 1 2 3 >a &
$ gather sh -c ': >at$1; till test -e at$2; lines 9999 $1' - 2{} 1{} \
$     ::: 1 2 3 >b; wait $!
$ for i in 11 12 13; do lines 9999 $i; done | cmp - a
$ for i in 21 22 23; do lines 9999 $i; done | cmp - b
.

try 'accident: many gathers that start at the same time' <<'.'
$ for i in 1 2 3 4 5 6 7 8 9 10; do
$     for k in 1 2 3 4 5 6 7 8 9 10; do gather echo ::: $i & done; wait
$ done | uniq -c | tr -s ' '
 10 1
 10 2
 10 3
 10 4
 10 5
 10 6
 10 7
 10 8
 10 9
 10 10
.

try 'accident: one gather in another' <<'.'
$ gather -n 3 gather -n 2 echo {} | tr '\n' ' '; echo .
0 0 1 1 2 2 .
.

try 'accident: a child that is older than gather' <<'.'
$ sh -c 'true & exec gather -n 2 echo {}'
0
1
.

# --- The end

echo end >"$dir/now"
echo "1..$number"
printf '%s' "$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || printf '%s' ", $skipped skipped"
echo
wait # for the dog to have noticed
[ "$failed" -eq 0 ]
