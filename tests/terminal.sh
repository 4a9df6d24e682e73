#!/bin/sh
#
# terminal.sh - gather at a terminal: the line of progress, and job control.
# POSIX shell and utilities, and tmux, which supplies the terminals.
#
#     tests/terminal.sh             all tests
#     tests/terminal.sh 'progress'  those whose names match: a pattern of the
#                                   shell, found anywhere in the name
#     GATHER=/path/to/gather tests/terminal.sh     tests another binary
#     DEADLINE=60 tests/terminal.sh waits so many seconds (20) for anything
#
# TAP; the last line is `N passed, N failed`, and the exit status is 0 if none
# failed.  Each test is a function that runs in a new directory, with a shell
# in a new terminal of 10 lines.  What is typed there is short: the command is
# in the file `run`.  Nothing is awaited by sleeping so long that it should
# have happened: `till` looks until it has, or the deadline has come.
#
# A terminal is seen in two ways: `screen` is what a user would see now, the
# file `raw` is every byte that has arrived there.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
unset TMUX
pattern=${1-}
tested
if ! command -v tmux >/dev/null 2>&1; then
    echo '1..0 # SKIP there is no tmux'
    echo '0 passed, 0 failed'
    exit 0
fi
: "${DEADLINE:=20}"
if sleep 0.01 2>/dev/null; then # POSIX knows whole seconds only
    nap=0.05
else
    nap=1
fi

tidy() {
    terminals kill-server
}
mkdir "$dir/bin"
ln -s "$GATHER" "$dir/bin/gather"
PATH=$dir/bin:$PATH
export PATH nap

# --- Programs for the commands of gather

# held FILE: returns when there is such a file; or when the directory of the
# test has gone, so that no test leaves it behind.
cat >"$dir/bin/held" <<'.'
#!/bin/sh
until [ -e "$1" ] || [ ! -d "$PWD" ]; do
    sleep "$nap"
done
.

# mega N: N million bytes.
cat >"$dir/bin/mega" <<'.'
#!/bin/sh
exec dd if=/dev/zero bs=1000000 count="$1" 2>/dev/null
.

# stay: writes down its number, that of its parent (a child of gather) and of
# a descendant, and does not end.
cat >"$dir/bin/stay" <<'.'
#!/bin/sh
sleep 300 &
echo $$ $PPID $! >>pids
wait
.
chmod +x "$dir/bin/held" "$dir/bin/mega" "$dir/bin/stay"

# --- What tests use

# terminals ...: tmux, with a server that is ours alone.
terminals() {
    tmux -S "$dir/tmux" -f /dev/null "$@" </dev/null >/dev/null 2>&1
}

# terminal COLUMNS: a new terminal, and a shell that is ready.
terminal() {
    terminals new-session -d -x "$1" -y 10 -s t \
        'exec env PS1="ready> " TERM=screen sh -i 2>&1'
    till shown '^ready>' || return
    : >raw
    terminals pipe-pane -t t "cat >>'$(pwd)/raw'"
    type clear # which also shows that the pipe has begun
    till seen 'clear' && till alone
}

# alone: on the screen there is a prompt and nothing else.
alone() {
    [ "$(screen)" = 'ready>' ]
}

# type TEXT: does that.
type() {
    terminals send-keys -t t -l "$1"
    terminals send-keys -t t Enter
}

# press KEY: for example C-c.
press() {
    terminals send-keys -t t "$1"
}

# screen: its lines.
screen() {
    tmux -S "$dir/tmux" capture-pane -p -J -t t 2>/dev/null |
        sed -e 's/ *$//' -e '/^$/d'
}

# shown RE: is there such a line on the screen?
shown() {
    screen | grep -q -e "$1"
}

# seen RE: has there been such a line, or such a state of the progress?
seen() {
    states | grep -q -e "$1"
}

# states: every line that has been written, and every state of the progress.
states() {
    tr '\r' '\n' <raw | sed "s/$(printf '\033')\[[0-9;?]*[A-Za-z]//g"
}

# lacks COMMAND: it does not succeed.
lacks() {
    ! "$@"
}

# till COMMAND: waits until it succeeds; says so if it does not.
till() {
    left=$DEADLINE
    [ "$nap" = 1 ] || left=$((DEADLINE * 20))
    until "$@"; do
        if [ $((left -= 1)) -lt 0 ]; then
            echo "# never: $*"
            [ ! -e raw ] || screen | sed 's/^/# |/'
            return 1
        fi
        sleep "$nap"
    done
}

# expect COMMAND: it has to succeed now.
expect() {
    if "$@"; then
        return 0
    fi
    echo "# not so: $*"
    screen | sed 's/^/# |/'
    return 1
}

# start: what is on standard input becomes the file `run`, and is run.
start() {
    { echo '#!/bin/sh' && cat; } >run
    chmod +x run
    type ./run
}

# run: the same, and its status is shown.
run() {
    { echo '#!/bin/sh' && cat; } >run
    chmod +x run
    # shellcheck disable=SC2016 # the other shell's $?
    type './run; echo "status $?"'
}

# key KEY: presses it, waits for the prompt, and asks for the status; a
# shell that sees its command interrupted may do no more of the same line.
key() {
    press "$1"
    till prompt || return
    # shellcheck disable=SC2016 # the other shell's $?
    type 'echo "status $?"'
}

# prompt: the shell is ready.
prompt() {
    [ "$(screen | sed -n '$p')" = 'ready>' ]
}

# ended STATUS: it is over, with that.
ended() {
    till shown '^status [0-9]' && expect shown "^status $1\$"
}

# lines FILE N: it has so many lines.
lines() {
    [ -e "$1" ] && [ "$(awk 'END { print NR }' "$1")" = "$2" ]
}

# dead: none of the processes in `pids` is left; a zombie is as good as none,
# whoever is too slow to collect it.
dead() {
    tr ' ' '\n' <pids >each
    while read -r pid; do
        case $(ps -o stat= -p "$pid" 2>/dev/null) in
        '' | Z*) ;;
        *) return 1 ;;
        esac
    done <each
}

# stopped: the parent of the first child in `pids` is.
stopped() {
    read -r _ child _ <pids
    parent=$(ps -o ppid= -p "$child") || return
    case $(ps -o stat= -p "$((parent))") in
    T*) ;;
    *) return 1 ;;
    esac
}

# --- The progress

progress_counts() {
    run <<'.'
exec gather -u -n 4 sh -c 'test {} = 0 && held go || mega 1' >/dev/null
.
    till shown '^3/4 items, 3\.0 MB, [0-9]*\.[0-9] MB/s' || return
    : >go
    ended 0
}

progress_rate() {
    run <<'.'
gather -n 1 sh -c 'until [ -e go ]; do mega 1; done' >/dev/null
.
    till seen '^0/1 items, .* MB, [1-9][0-9]*\.[0-9] MB/s' || return
    : >go
    ended 0
}

progress_waiting() {
    run <<'.'
gather -n 3 sh -c 'test {} = 1 && held go; echo {}' >out
.
    till shown '^1/3 items, .*, waiting for item 1$' || return
    : >go
    ended 0
}

progress_first() {
    run <<'.'
gather -n 3 sh -c 'test {} = 0 && held go; echo {}' >out
.
    till shown '^0/3 items, .*, waiting for item 0$' || return
    : >go
    ended 0 && [ "$(tr '\n' ' ' <out)" = '0 1 2 ' ]
}

progress_slow() {
    run <<'.'
gather -n 2 mega 30 | { held go; cat >out; }
.
    till shown '^0/2 items, .*, output is slow$' || return
    : >go
    ended 0 && expect lacks shown 'slow' && [ "$(wc -c <out)" -eq 60000000 ]
}

progress_list() {
    run <<'.'
{ echo a; echo b; held go; echo c; } | gather echo >out
.
    till shown '^2/2+ items, 0\.0 MB, 0\.0 MB/s$' || return
    : >go
    ended 0 && [ "$(tr '\n' ' ' <out)" = 'a b c ' ]
}

progress_files() {
    run <<'.'
gather -n 3 -o f.{} sh -c 'test {} = 0 && held go; echo {}'
.
    till shown '^2/3 items, 0\.0 MB, 0\.0 MB/s$' || return
    : >go
    ended 0
}

# Tags beside the progress: it stays away from a line that is not at its end.
progress_tags() {
    run <<'.'
gather -T -n 2 sh -c 'printf abc; held go.{}; echo def'
.
    till shown '^0 *abc$' || return
    expect lacks shown items || return
    : >go.1
    : >go.0
    ended 0 && expect shown '^0 *abcdef$' && expect shown '^1 *abcdef$' &&
        expect lacks shown items
}

# fits COLUMNS: the progress is so wide, and the widest state of it shorter.
fits() {
    # shellcheck disable=SC2046 # three words
    set -- "$1" $(screen | awk '{ print length }')
    [ $# -eq 3 ] && [ "$3" -lt "$1" ]
}

# progress_width COLUMNS: one line, and not in the last column.
progress_width() {
    run <<'.'
gather -n 2 sh -c 'mega 100; held go' >/dev/null
.
    till shown '^0/2 items, [1-9]' && expect seen '^0/2 items, [1-9]' || return
    expect fits "$1" || return
    : >go
    ended 0
}

# The terminal itself may break the line that stands there when it shrinks.
progress_resized() {
    run <<'.'
gather -n 2 held go >/dev/null
.
    till shown '^0/2 items, 0\.0 MB, 0\.0 MB/s,$' || return
    terminals resize-window -t t -x 60
    till shown '^0/2 items, .*, waiting for item 0$' || return
    terminals resize-window -t t -x 18
    till lacks shown '^0/2 items, 0\.0 MB,' || return
    expect shown '^0/2 items, 0\.0 MB' || return
    : >go
    ended 0
}

progress_erased() {
    run <<'.'
gather -n 1 held go
exec held stop
.
    till shown '^0/1 items' || return
    : >go
    till lacks shown items || return
    : >stop
    ended 0 && expect lacks shown items
}

# What goes to the same terminal does not mix with it, and it comes back.
progress_output() {
    run <<'.'
exec gather -n 2 sh -c 'held go.{}; echo xyz; echo uvw'
.
    till shown '^0/2 items' || return
    : >go.0
    till shown '^1/2 items, .*, waiting for item 1$' || return
    expect shown '^xyz$' && expect shown '^uvw$' || return
    : >go.1
    ended 0 && expect lacks shown items &&
        [ "$(screen | grep -c '^xyz$')" = 2 ]
}

# It is not for it to stand in a line that has not ended yet.
progress_midline() {
    run <<'.'
exec gather -n 1 sh -c 'held go.1; printf abc; held go.2; echo def; held go.3'
.
    till shown '^0/1 items' || return
    : >go.1
    till shown '^abc$' || return
    sleep 1 # ten states of the progress, if there are any
    expect shown '^abc$' && expect lacks shown items || return
    : >go.2
    till shown '^0/1 items' && expect shown '^abcdef$' || return
    : >go.3
    ended 0 && expect shown '^abcdef$' && expect lacks shown items
}

# After an end that was not good the line goes, too.
progress_erased_failed() {
    run <<'.'
exec gather -n 1 sh -c 'held go; exit 3'
.
    till shown '^0/1 items' || return
    : >go
    ended 123 && expect lacks shown items &&
        expect shown '^gather: item 0: exit 3 \[after ' &&
        expect shown '^gather: 0 of 1 complete, 1 failed;'
}

# silent OPTION: a run as long as ten states of the progress shows none, which
# one without the option does.
silent() {
    run <<.
gather -n 1 sleep 1
echo over
.
    till shown '^over$' && ended 0 || return
    expect seen '^0/1 items' || return
    first=$(states | grep -c '^0/1 items')
    run <<.
gather $1 -n 1 sleep 1
echo over again
.
    till shown '^over again$' || return
    [ "$(states | grep -c '^0/1 items')" = "$first" ]
}

silent_redirected() {
    run <<'.'
gather -n 1 sh -c 'sleep 1; echo x' 2>err
.
    ended 0 && expect shown '^x$' && expect lacks seen items && [ ! -s err ]
}

# escapes: how many escape sequences have arrived.
escapes() {
    tr -cd '\033' <raw | wc -c
}

# plain ENV-ARGUMENT ...: with such a TERM neither the progress nor a message
# has escape sequences; with that of the terminal, both have.
plain() {
    run <<'.'
gather -n 1 sh -c 'sleep 1; exit 3'
echo over
.
    till shown '^over$' && ended 0 || return
    expect seen '^0/1 items' && expect [ "$(escapes)" -gt 0 ] || return
    : >raw
    run <<.
env $* "$GATHER" -n 1 sh -c 'sleep 1; exit 3'
echo over again
.
    till shown '^over again$' || return
    expect lacks seen '^0/1 items' && expect [ "$(escapes)" = 0 ] &&
        expect seen '^gather: item 0: exit 3 \[after '
}

# The first line on the screen is what was typed.
message_whole() {
    run <<'.'
gather -k -n 5 sh -c 'test {} = 4 && held go; test {} != 3 || exit 1'
.
    till shown '^gather: item 3: exit 1 \[after ' &&
        till shown '^[0-9]/5 items, .*, waiting for item 4$' || return
    expect lacks shown '\].' || return
    : >go
    ended 123 && expect shown '^gather: item 3: exit 1 \[after ' &&
        expect shown '^gather: 4 of 5 complete, 1 failed;' &&
        expect lacks shown items
}

# The same when the progress stands there already, and is longer.
message_later() {
    run <<'.'
gather -k -n 2 sh -c 'held go.{}; exit {}'
.
    till shown '^0/2 items, .*, waiting for item 0$' || return
    : >go.1
    till shown '^gather: item 1: exit 1 \[after ' || return
    expect lacks shown '\].' || return
    till shown '^0/2 items, .*, waiting for item 0$' || return
    : >go.0
    ended 123 && expect shown '^gather: item 1: exit 1 \[after '
}

# --- Keys, and the shell's job control

# ended_by KEY STATUS: it ends everything.
ended_by() {
    start <<'.'
ulimit -c 0
exec gather -n 3 stay
.
    till lines pids 3 && till shown '^0/3 items' || return
    key "$1"
    ended "$2" && till dead && expect lacks shown '^0/3 items'
}

# ^C when a command does not care for SIGTERM, and nobody reads the output.
stubborn() {
    start <<'.'
gather -n 2 sh -c 'trap "" TERM; echo $$ $PPID >>pids; while :; do
    mega 1; done' | held go
.
    till lines pids 2 && till shown '^0/2 items' || return
    press C-c
    till dead || return
    : >go
    till prompt
}

# asleep: ^Z, and nothing of gather is shown after that.
asleep() {
    press C-z
    till stopped && till prompt || return
    type clear
    till alone
}

# awake: fg, and the status.
awake() {
    # shellcheck disable=SC2016 # the other shell's $?
    type 'fg; echo "status $?"'
}

suspended() {
    start <<'.'
exec gather -n 2 sh -c 'echo $$ $PPID >>pids; held go; echo {}' >out
.
    till lines pids 2 && till shown '^0/2 items' || return
    asleep || return
    sleep 1
    expect alone || return # nothing of it is shown meanwhile
    awake
    till shown '^0/2 items, .*, waiting for item 0$' || return
    : >go
    ended 0 && [ "$(tr '\n' ' ' <out)" = '0 1 ' ]
}

# While the parent is stopped, commands go on and end; nothing is lost.
suspended_ends() {
    start <<'.'
exec gather -n 2 sh -c 'echo $$ $PPID >>pids; held go; echo {}
    : >done.{}' >out
.
    till lines pids 2 && till shown '^0/2 items' || return
    asleep || return
    : >go
    till [ -e done.0 ] && till [ -e done.1 ] || return
    expect stopped && expect [ ! -s out ] || return
    awake
    ended 0 && [ "$(tr '\n' ' ' <out)" = '0 1 ' ]
}

suspended_killed() {
    start <<'.'
exec gather -n 2 stay
.
    till lines pids 2 && till shown '^0/2 items' || return
    asleep || return
    awake
    till shown '^0/2 items' || return
    key C-c
    ended 130 && till dead
}

closed() {
    run <<'.'
exec gather -n 3 stay
.
    till lines pids 3 && till shown '^0/3 items' || return
    terminals kill-session -t t
    till dead
}

tostop() {
    run <<'.'
stty tostop
gather -k -n 3 sh -c 'echo "says {}" >&2; held go; echo {}; exit {}' >out
.
    till shown 'says 0' && till shown 'says 1' && till shown 'says 2' &&
        till shown '^0/3 items, .*, waiting for item 0$' || return
    : >go
    ended 123 && expect shown '^gather: item 2: exit 2 \[after ' &&
        [ "$(tr '\n' ' ' <out)" = '0 1 2 ' ]
}

# The same in the background, where the progress is of no use: the run must
# not stop for it.
tostop_background() {
    type 'stty tostop; clear'
    till alone || return
    type 'gather -n 1 sh -c "held go; echo {}" >out & clear'
    sleep 1 # ten states of the progress, if there are any
    : >go
    till lines out 1
}

# The output obeys as messages do: it waits until it is in the foreground.
tostop_output() {
    type 'stty tostop; clear'
    till alone || return
    # shellcheck disable=SC2016 # for the other shell
    type 'gather -k -n 2 sh -c "echo \$\$ \$PPID >>pids; held go; echo says {}
        exit {}" & clear'
    till lines pids 2 || return
    : >go
    till stopped || return
    sleep 1
    expect lacks shown '^says [01]$' || return
    # shellcheck disable=SC2016 # the other shell's $?
    type 'fg; echo "status $?"'
    ended 123 && expect shown '^says 0$' && expect shown '^says 1$' &&
        expect shown '^gather: item 1: exit 1 '
}

# Nor may the progress write over what the shell and others say there.
background() {
    type 'gather -n 1 held go & clear'
    till seen clear || return
    sleep 1
    expect lacks shown items || return
    : >go
    # shellcheck disable=SC2016 # the other shell's $?
    type 'wait; echo "status $?"'
    ended 0
}

# --- The tests

if ! terminals new-session -d -s t sh; then
    echo 'Bail out! tmux does not start here.'
    exit 1
fi

terminals new-session -d -s keep 'exec cat' # lest the server ends
terminals kill-session -t t

# try NAME COLUMNS FUNCTION [ARGUMENT ...]
try() {
    wanted "$1" || return 0
    name=$1
    columns=$2
    shift 2
    test=$dir/$number
    mkdir "$test" && cd "$test" || exit 1
    if terminal "$columns" >"$dir/log" && "$@" >>"$dir/log"; then
        result "$name" ''
    else
        result "$name" "$(cat "$dir/log"; echo '#')"
    fi
    : >go
    : >stop
    terminals kill-session -t t
    cd "$dir" && rm -rf "$test"
}

try 'progress: done, all, bytes and the rate' 60 progress_counts
try 'progress: the rate is more than 0 when bytes arrive' 60 progress_rate
try 'progress: waiting for item 0' 60 progress_first
try 'progress: waiting for item 1' 60 progress_waiting
try 'progress: output is slow' 60 progress_slow
try 'progress: how many items is not known yet' 60 progress_list
try 'progress: files wait for nobody' 60 progress_files
try 'progress: less than 20 columns' 20 progress_width 20
try 'progress: less than 40 columns' 40 progress_width 40
try 'progress: less than 60 columns' 60 progress_width 60
try 'progress: another size of the terminal' 29 progress_resized
try 'progress: output on the terminal does not mix with it' 60 progress_output
try 'progress: not in a line that has not ended yet' 60 progress_midline
try 'progress: not in a line that begins with its item, either' 60 progress_tags
try 'progress: erased at the end' 60 progress_erased
try 'progress: erased when an item failed' 60 progress_erased_failed
try 'no progress with -q' 60 silent -q
try 'no progress with -v' 60 silent -v
try 'no progress if standard error is no terminal' 60 silent_redirected
try 'no escape sequences with TERM=dumb' 60 plain TERM=dumb
try 'no escape sequences without TERM' 60 plain -u TERM
try 'a message is a line of its own' 60 message_whole
try 'a message wipes the progress' 60 message_later
try '^C ends everything' 60 ended_by C-c 130
try '^\ ends everything' 60 ended_by C-\\ 131
try '^C ends what ignores SIGTERM, while nobody reads' 60 stubborn
try '^Z stops it, fg continues it' 60 suspended
try '^Z: commands end meanwhile' 60 suspended_ends
try '^Z, fg, ^C' 60 suspended_killed
try 'a terminal that is closed ends everything' 60 closed
try 'stty tostop: commands say something' 60 tostop
try 'stty tostop: in the background' 60 tostop_background
try 'stty tostop: the output of a run in the background waits' 60 tostop_output
try 'no progress in the background' 60 background

finish
