#!/bin/sh
#
# strangers.sh - attacks on a run by somebody who speaks the wire: stranger.c.
#
#     tests/strangers.sh                all attacks; about two minutes
#     tests/strangers.sh silent         those whose names match: a pattern of
#                                       the shell, found anywhere in the name
#     GATHER=/path/to/gather tests/strangers.sh     tests another binary
#     CC=clang tests/strangers.sh                   another compiler (cc)
#     DEADLINE=200 tests/strangers.sh   gives each run so many seconds (60)
#
# Most attacks are made beside a run of 20 items of 1 MiB, with 19 children,
# all of which wait until the attack is under way.  An attack from within, with
# the token of the run, is a 20th client, so it is given the last item.
#
# Output is TAP; the last line is `N passed, N failed`; the exit status is 0 if
# none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
tested
: "${DEADLINE:=60}" "${CC:=cc}"
if ! $CC -std=c99 -D_POSIX_C_SOURCE=200112L -O1 -o "$dir/stranger" \
    "$here/tests/stranger.c"; then
    echo 'Bail out! Unable to compile tests/stranger.c.'
    exit 1
fi
GATHER_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -cd 0-9a-f)
export GATHER_TOKEN
mkdir "$dir/work"
cd "$dir/work" || exit 1
for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
    awk -v n=$i 'BEGIN {
        while (length(s) < 63) s = s n " of "
        for (; i < 16384; i++) printf "%06d %.56s\n", i, s
    }' >data.$i
    cat data.$i >>expected
done

# run COMMAND OPTION...: gather, with options, beside a command, behind which
# go the port and the file that lets gather's commands go on.  Sets status,
# that of gather; took, seconds; peer, what the command said was its item; and
# wrong, what the command had to complain of.  If `settled` is set, once, the
# command waits until all children have their items.
run() {
    attack=$1
    shift
    rm -f go out out.* log said complaint at.*
    : >err
    started=$(date +%s)
    # shellcheck disable=SC2016  # for the command's shell
    # shellcheck disable=SC2086  # words
    GATHER_TEST=$mark $under timeout -k 1 "$DEADLINE" \
        "$GATHER" -v -b 127.0.0.1 -p 0 -j 19 -n 20 "$@" \
        sh -c ': >"at.$1"; until [ -e go ]; do sleep 0.1; done
            cat "data.$1"' sh '{}' \
        >out 2>err </dev/null &
    gather=$!
    port=
    while [ -z "$port" ] && kill -0 $gather 2>/dev/null; do
        port=$(sed -n 's/.*listening on .* port //p' err)
        [ -n "$port" ] || sleep 0.02
    done
    wrong=
    # shellcheck disable=SC2086  # words
    set -- $attack
    while [ -n "$settled" ] && kill -0 $gather 2>/dev/null; do
        [ ! -e at.18 ] || settled=
        for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do
            [ -e at.$i ] || settled=1
        done
        sleep 0.02
    done
    settled=
    gather=$gather "$1" "$2" "$port" go ${3+"$3"} >said 2>complaint ||
        wrong="stranger: status $? $(cat complaint)"
    wait $gather
    status=$?
    took=$(($(date +%s) - started))
    peer=$(cat said)
}
under='' settled=''

# show: what a failed test shows of gather's messages.
show() {
    echo "$1"
    grep -v 'connected; threads' err | head -n 12
}

# alone: creates the file, in the place of an attack.
cat >"$dir/alone" <<'.'
#!/bin/sh
: >"$3"
.
chmod +x "$dir/alone"

# calibrate: how long a run takes without an attack.
calibrate() {
    usual=1
    for i in 1 2 3; do
        run "$dir/alone -"
        if [ $status -ne 0 ] || ! cmp -s out expected; then
            echo "Bail out! gather alone: status $status: $(cat err)"
            exit 1
        fi
        [ $took -le $usual ] || usual=$took
    done
}

# judge: what is wrong with a run that has to be exact.
judge() {
    {
        [ -z "$wrong" ] || echo "$wrong"
        [ $status -eq 0 ] || echo "status $status"
        cmp out expected 2>&1
        n=$(grep -c -e 'refused a stranger' -e 'unable to serve' err)
        [ "$n" -le 16 ] || echo "$n lines about strangers"
        n=$(grep -c 'connected; threads' err) # -v: of children and clients
        [ "$n" -le 40 ] || echo "$n lines about connections"
        left 30
    } >verdict
    sweep
    [ ! -s verdict ] || show "$(cat verdict)"
}

# beside ATTACK NAME [MESSAGE] [late]: the run is exact and not held up, though
# an attack is made.  gather says so, if it has a message.  A run that the
# stranger lets go late may take as long as it likes.
beside() {
    wanted "$1: $2" || return 0
    run "$dir/stranger $1 ${4-}" -r 2
    bad=$(judge)
    if [ -z "$bad" ] && [ -n "${3-}" ] && ! grep -q "$3\$" err; then
        bad=$(show "not said: $3")
    fi
    others=$(grep 'refused a stranger' err | grep -v "${3:-refused}")
    if [ -z "$bad" ] && [ -n "$others" ]; then
        bad=$(show "also said: $others")
    fi
    # twice the usual time, the 5 s that an opening may take, and a second
    # that the clock may have been rounded by
    if [ -z "$bad" ] && [ $took -gt $((2 * usual + 6)) ] && [ -z "${4-}" ]
    then
        bad="took $took s, usually $usual s"
    fi
    result "$1: $2" "$bad"
}

# within ATTACK NAME STATE: the same for an attack from within, with retries;
# then without, where that item ends in that state and all others complete.
# The children have their items by then: so the one that the stranger is given
# is the last, and if it delivers that, there is no other.
within() {
    settled=1
    beside "$1" "$2, tried again: exact"
    wanted "$1: $2, not tried again: $3, others exact" || return 0
    settled=1
    run "$dir/stranger $1" -k -l log -o 'out.{}'
    {
        [ -z "$wrong" ] || echo "$wrong"
        case $3 in
        complete) expect=0 peer=none ;;
        *) expect=123 ;;
        esac
        [ $status -eq $expect ] || echo "status $status, expected $expect"
        awk -F '\t' -v w="$peer" -v state="$3" 'NR > 1 {
            n++
            if ($10 != ($1 == w ? state : "complete")) print $1, $10
        } END { if (n != 20) print n, "lines" }' log
        if [ $expect -ne 0 ]; then
            grep -q "item $peer: incomplete" err || echo "nothing is said"
        fi
        for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
            if [ $i = "$peer" ]; then
                [ ! -e out.$i ] || echo "out.$i is there"
            else
                cmp out.$i data.$i 2>&1
            fi
        done
        ls out.*.part 2>/dev/null
        left 30
    } >verdict
    sweep
    bad=
    [ ! -s verdict ] || bad=$(show "$(cat verdict)")
    result "$1: $2, not tried again: $3, others exact" "$bad"
}

calibrate
refused='^gather: warning: refused a stranger at 127.0.0.1:'
early="$refused closed before its opening"
token="$refused wrong token"
stray="$refused no such child"
foreign="$refused this is not gather's protocol, GAT2"
silent="$refused silent for 5 s"
many="$refused too many have proved nothing yet"
beside none 'a connection without a word' "$early"
beside torn 'half a hello, and gone' "$early"
beside left 'gone at the proof of the server' "$token"
beside torn-opening 'half an opening, and gone' "$early"
beside rst-opening 'a reset in the place of an opening' "$early"
beside wrong 'a wrong token' "$token"
beside near 'a token of which one bit is wrong' "$token"
beside near-proof 'proofs of which one bit is wrong' "$token"
beside near-header 'a header that was changed on its way' "$token"
beside magic 'a client of the version before' \
    "$refused wrong version: GAT1, not GAT2"
beside next-magic 'a client of the version to come' \
    "$refused wrong version: GAT3, not GAT2"
beside odd-magic 'a version that would rule a terminal' \
    "$refused wrong version: GAT?, not GAT2"
beside web 'a client of something else' "$foreign"
beside number 'the token and the number of no child' "$stray"
beside child-number 'the token and the number of a child' "$stray"
beside child 'the token at the door of the children' "$token"
beside left-child 'gone from the door of the children harms nobody'
beside reflect 'the proof of the server is sent back to it' "$token"
beside cross 'a proof of the server for its own nonce' "$token"
beside sized 'an opening with more behind it' "$stray"
beside garbage 'a million bytes of nothing' "$foreign"
beside half 'half an opening, for ever'
beside half 'half an opening is closed in time' "$silent" late
beside half-hello 'half a hello is closed in time' "$silent" late
beside drip 'one byte a second'
beside drip 'one byte a second is closed in time' "$silent" late
beside silent '1,200 silent connections' "$many"
beside silent '1,200 silent connections are closed in time' "$many" late
beside bounded 'of 1,200 silent connections the newest 1,043 are kept' "$many"
beside churn '1,200 connections that come and go'
beside flood 'connections without end'
beside wanted 'the item of a child is wanted by somebody else'
beside absent 'an item is wanted that there is not'
within range 'data for an item out of range' incomplete
within foreign 'data for the item of somebody else' incomplete
within foreign-end 'an end for the item of somebody else' incomplete
within nobody 'data for the number that means none' incomplete
within over 'a message of one byte more than the limit' incomplete
within huge 'a message of 4 GiB less one byte' incomplete
within empty 'a data message of size 0' incomplete
within part 'an end behind half of the data' incomplete
within fewer 'an end that counts a byte less' incomplete
within more 'an end that counts a byte more' incomplete
within high 'an end that counts 4 GiB more' incomplete
within shorter 'an end of 15 bytes' incomplete
within longer 'an end of 272 bytes' incomplete
within status 'an end of a kind that there is not' incomplete
within exit 'an end with exit status 256' incomplete
within signal 'an end with signal 1024' incomplete
within bare 'all the data and no end' incomplete
within cut 'gone in the middle of the data' incomplete
within rst 'a reset in the middle of the data' incomplete
within rst-end 'a reset in the middle of the end' incomplete
within again 'an item that is delivered twice' complete
within after-end 'data behind the end' complete
within unasked 'data before there is an item' complete
within replay 'a conversation that is played back to the server' complete

# escape: what a client says of its item cannot rule a terminal.
escape() {
    settled=1
    run "$dir/stranger escape" -k -l log -o 'out.{}'
    [ -z "$wrong" ] || echo "$wrong"
    [ $status -eq 126 ] || echo "status $status, not 126"
    want="gather: item $peer: unable to execute ?[2J???5n [after "
    grep -qF "$want" err || show "not said: $want"
    awk -F '\t' -v w="$peer" 'NR > 1 {
        state = $1 == w ? "failed" : "complete"
        if ($10 != state) print $1, $10
    }' log
    left 30
    sweep
}
name='escape: the reason of a client is made printable'
! wanted "$name" || result "$name" "$(escape)"

# --- Somebody in the place of the server

# squat HOW STATUS MESSAGE: a client meets somebody else, and ends with the
# status and the messages; it has not told him the token, and runs nothing.
squat() {
    rm -f port port.got ran err
    how=$1
    server=
    if [ "$how" = recorded ]; then
        GATHER_TEST=$mark "$GATHER" -v -b 127.0.0.1 -p 0 -j 0 -n 1 true \
            >/dev/null 2>server </dev/null &
        server=$!
        until grep -q 'listening on' server; do
            sleep 0.02
        done
        how=recorded:$(sed -n 's/.*listening on .* port //p' server)
    fi
    GATHER_TEST=$mark "$dir/stranger" squat port "$how" 2>complaint &
    squatter=$!
    until [ -s port ] || ! kill -0 $squatter 2>/dev/null; do
        sleep 0.02
    done
    port=$(cat port)
    began_at=$(date +%s)
    GATHER_TEST=$mark timeout -k 1 "$DEADLINE" \
        "$GATHER" -c "127.0.0.1:$port" sh -c 'echo ran >>ran' >out 2>err
    status=$?
    if [ "$how" = shut ]; then
        kill $squatter
    else
        [ $(($(date +%s) - began_at)) -le 5 ] || echo 'it took more than 5 s'
        wait $squatter || cat complaint
    fi
    if [ -n "$server" ]; then
        kill -s TERM "$server"
        wait "$server" 2>/dev/null
    fi
    [ $status -eq 1 ] || echo "status $status, not 1"
    {
        if [ "$how" = shut ]; then
            printf 'gather: fatal: unable to connect to 127.0.0.1 port %s: %s\n' \
                "$port" 'it hangs up'
        else
            printf 'gather: fatal: 127.0.0.1 port %s does not know our %s\n' \
                "$port" 'token: it is not our server'
        fi
    } | cmp -s - err || cat err
    [ ! -e ran ] || echo 'an item has run'
    want=20
    [ "$how" != close ] || want=80
    [ "$how" = shut ] || [ "$(wc -c <port.got)" -eq $want ] ||
        echo "he got $(wc -c <port.got) bytes"
    ! od -An -v -tx1 port.got | tr -d ' \n' | grep -q "$GATHER_TOKEN" ||
        echo 'he got the token'
    ! grep -qF "$GATHER_TOKEN" port.got || echo 'he got the token in words'
    left 30
    sweep
}
for how in random echo recorded old close shut; do
    name="squatter, $how: the client gives nothing away, and runs nothing"
    ! wanted "$name" || result "$name" "$(squat $how)"
done

# --- Strangers beside deaths and shortages

# orphans: all children are killed while there are strangers who say nothing,
# until gather ends; so it does not wait for them.
orphans() {
    rm -f go err child.*
    # shellcheck disable=SC2016  # for another shell
    GATHER_TEST=$mark timeout -k 1 "$DEADLINE" \
        "$GATHER" -v -p 0 -j 3 -n 9 "$@" \
        sh -c 'echo $PPID >"child.$1"; sleep 100' sh '{}' \
        >out 2>err </dev/null &
    gather=$!
    until [ -s child.0 ] && [ -s child.1 ] && [ -s child.2 ]; do
        sleep 0.02
    done
    port=$(sed -n 's/.*listening on .* port //p' err)
    GATHER_TEST=$mark "$dir/stranger" always "$port" go 2>complaint &
    stranger=$!
    until [ -e go ]; do
        sleep 0.02
    done
    kill -s KILL "$(cat child.0)" "$(cat child.1)" "$(cat child.2)"
    wait $gather
    status=$?
    [ $status -eq 1 ] || echo "status $status, not 1"
    wait $stranger || cat complaint
    grep -qx 'gather: fatal: unable to go on: no child is left' err ||
        show 'nothing is said'
    left 30
    sweep
}
name='all children are killed beside silent strangers: no child is left'
! wanted "$name" || result "$name" "$(orphans -k)"
name='all children are killed beside silent strangers, -r: no child is left'
! wanted "$name" || result "$name" "$(orphans -r 9)"

# guest: a client from elsewhere comes while strangers have all the places that
# there are for them.
guest() {
    rm -f go err
    GATHER_TEST=$mark timeout -k 1 "$DEADLINE" \
        "$GATHER" -v -b 127.0.0.1 -p 0 -j 0 -n 3 >out 2>err </dev/null &
    gather=$!
    until grep -q 'waiting for clients' err; do
        sleep 0.02
    done
    port=$(sed -n 's/.*listening on .* port //p' err)
    GATHER_TEST=$mark "$dir/stranger" silent "$port" go 2>complaint &
    stranger=$!
    until [ -e go ]; do
        sleep 0.02
    done
    came_at=$(date +%s)
    GATHER_TEST=$mark timeout -k 1 "$DEADLINE" \
        "$GATHER" -c "127.0.0.1:$port" echo '{}' 2>&1
    status=$?
    # less than the 5 seconds after which strangers go in any case
    [ $(($(date +%s) - came_at)) -le 3 ] || echo 'it took more than 3 s'
    [ $status -eq 0 ] || echo "client: status $status"
    wait $gather
    status=$?
    [ $status -eq 0 ] || echo "server: status $status"
    printf '0\n1\n2\n' | cmp - out
    wait $stranger || cat complaint
    left 30
    sweep
}
name='a client from elsewhere comes beside 1,200 silent connections: served'
! wanted "$name" || result "$name" "$(guest)"

# counted: an attack, after which gather has as many descriptors and threads as
# before.  It has the number of a process of which gather is the only child.
cat >"$dir/counted" <<'.'
#!/bin/sh
read -r pid rest <"/proc/$gather/task/$gather/children"
count() {
    # shellcheck disable=SC2012  # they are numbers
    echo "$(ls "/proc/$pid/fd" | wc -l) descriptors," \
        "$(ls "/proc/$pid/task" | wc -l) threads"
}
before=$(count)
"${0%/*}/stranger" "$1" "$2" gone || exit 1
n=0
while [ "$(count)" != "$before" ] && [ $((n += 1)) -le 80 ]; do
    sleep 0.1
done
after=$(count)
: >"$3"
[ "$after" = "$before" ] && exit 0
echo "before: $before; after: $after" >&2
exit 1
.
chmod +x "$dir/counted"
counted() {
    rm -f gone
    settled=1
    run "$dir/counted $1" -r 2
    judge
}

# peak: an attack, during which gather never has more threads than for itself
# and its 19 children.
cat >"$dir/peak" <<'.'
#!/bin/sh
read -r pid rest <"/proc/$gather/task/$gather/children"
"${0%/*}/stranger" "$1" "$2" gone &
stranger=$!
most=0
while [ ! -e gone ] && kill -0 $stranger; do
    n=$(sed -n 's/^Threads:[^0-9]*//p' "/proc/$pid/status")
    [ "$n" -le $most ] || most=$n
done
: >"$3"
wait $stranger || exit 1
[ $most -gt $((1 + 19)) ] || exit 0
echo "$most threads" >&2
exit 1
.
chmod +x "$dir/peak"
peak() {
    rm -f gone
    settled=1
    run "$dir/peak $1" -r 2
    judge
}
if [ -r "/proc/$$/task/$$/children" ]; then
    for attack in churn silent garbage; do
        name="$attack: leaves no descriptor and no thread behind"
        ! wanted "$name" || result "$name" "$(counted $attack)"
    done
    for attack in churn silent; do
        name="$attack: no thread is made for a stranger"
        ! wanted "$name" || result "$name" "$(peak $attack)"
    done
fi

# few: strangers cannot use up the processes of a user.
few() {
    user=$((100000 + $$))
    cp "$GATHER" "$dir/gather"
    chmod 755 "$dir" "$dir/gather"
    chmod 777 "$dir/work"
    chmod 644 data.*
    under="setpriv --reuid=$user --regid=$user --clear-groups"
    under="$under prlimit --nproc=200"
    GATHER=$dir/gather
    run "$dir/stranger renewed 300" -r 2
    judge
}
name='300 silent connections, and 200 processes: exact'
if wanted "$name"; then
    if [ "$(id -u)" = 0 ] && command -v setpriv prlimit >/dev/null; then
        result "$name" "$(few)"
    else
        skip "$name" 'root, or setpriv and prlimit'
    fi
fi

# --- Files that another user has put where ours are to be

# for_others: what other users need to run gather here.
for_others() {
    cp "$GATHER" "$dir/gather"
    chmod 755 "$dir" "$dir/gather" "$dir/work"
}

# become N COMMAND...: runs it as a user whom nobody else is.
become() {
    n=$(($1 + 100000 + $$))
    shift
    GATHER_TEST=$mark timeout -k 1 "$DEADLINE" \
        setpriv --reuid=$n --regid=$n --clear-groups "$@"
}

# listens PID: that gather listens.  Sets gather, and port, which err has.
listens() {
    gather=$1 port=
    while [ -z "$port" ] && kill -0 "$gather" 2>/dev/null; do
        port=$(sed -n 's/.*listening on .* port //p' err)
        sleep 0.01
    done
}

# with_limits COMMAND [NUMBER...]: $name is tested by it, once for each number.
with_limits() {
    wanted "$name" || return 0
    if [ "$(id -u)" != 0 ] || ! command -v setpriv prlimit >/dev/null; then
        skip "$name" 'root, or setpriv and prlimit'
        return
    fi
    command=$1
    shift
    [ $# -gt 0 ] || set -- ''
    result "$name" "$(for number; do
        $command "$number"
    done)"
}

# short: a server with room for no more than one thread beside its own, so
# that there would be none for a client if one were made for a stranger.
short() {
    for_others
    rm -f go
    : >err
    become 1 prlimit --nproc=2 "$dir/gather" -v -p 0 -j 0 -n 3 >out 2>err &
    listens $!
    "$dir/stranger" renewed "$port" go 1200 2>complaint &
    stranger=$!
    until [ -e go ]; do
        sleep 0.1
    done
    GATHER_TEST=$mark timeout -k 1 "$DEADLINE" "$GATHER" \
        -c "127.0.0.1:$port" echo 2>&1
    wait "$gather" || echo "status $?"
    wait $stranger || cat complaint
    printf '0\n1\n2\n' | cmp - out || show 'the output is wrong'
    grep 'unable to serve a client' err
}
name='1,200 silent connections, and 2 processes: none is lacking for a client'
with_limits short

# second: there is a thread for one client at a time, and two have come.
second() {
    for_others
    rm -f go
    : >err
    become 1 prlimit --nproc=2 "$dir/gather" -v -p 0 -j 0 -n 2 >out 2>err &
    listens $!
    # shellcheck disable=SC2016 # for another shell
    for i in 0 1; do
        GATHER_TEST=$mark timeout -k 1 "$DEADLINE" "$GATHER" \
            -c "127.0.0.1:$port" -w $i \
            sh -c 'until [ -e go ]; do sleep 0.1; done; echo $0' $i 2>&1 &
    done
    until grep -q 'unable to serve a client' err ||
        ! kill -0 "$gather" 2>/dev/null; do
        sleep 0.1
    done
    : >go
    wait "$gather" || show "status $?"
    wait
    printf '0\n1\n' | cmp - out
}
name='two clients, and 2 processes: one waits for the end of the other'
with_limits second

# pressed NUMBER: so many strangers, who come again when they are sent away,
# are to take the processes that are left beside 4 jobs, whose commands fork.
pressed() {
    for_others
    rm -f go
    : >err
    become "$1" prlimit --nproc=40 "$dir/gather" -v -p 0 -j 4 -n 200 \
        sh -c 'sleep 0.02; echo {}' >out 2>err &
    listens $!
    "$dir/stranger" renewed "$port" go "$1" 2>complaint || cat complaint
    wait "$gather" || echo "$1: status $?"
    seq 0 199 | cmp out - || show "$1"
    grep 'unable to' err
}
name='22 to 80 silent connections, and 40 processes: none is lacking'
with_limits pressed 22 25 26 27 28 29 30 80

# crowded: the user has other processes, so many that few more may be added.
crowded() {
    for_others
    rm -f go begun over
    : >err
    chmod 777 .
    # shellcheck disable=SC2016 # for another shell
    become 50 sh -c 'i=0
        while [ $i -lt 1050 ]; do
            sleep 100 &
            i=$((i + 1))
        done
        : >begun
        until [ -e over ]; do sleep 0.2; done
        trap "" TERM
        kill -s TERM 0' &
    others=$!
    until [ -e begun ] || ! kill -0 $others 2>/dev/null; do
        sleep 0.1
    done
    become 50 prlimit --nproc=1100 "$dir/gather" -v -p 0 -j 4 -n 500 \
        sh -c 'sleep 0.01; echo {}' >out 2>err &
    listens $!
    "$dir/stranger" renewed "$port" go 100 2>complaint || cat complaint
    wait "$gather" || show "status $?"
    : >over
    wait $others
    seq 0 499 | cmp out -
}
name='100 silent connections, and a user with 1,050 of 1,100 processes: exact'
with_limits crowded

# queue: clients from elsewhere, one after the other, where strangers would
# take all the threads that a user may have.
queue() {
    for_others
    rm -f go
    : >err
    become 60 prlimit --nproc=12 "$dir/gather" -v -p 0 -j 0 -n 20 \
        >out 2>err &
    listens $!
    "$dir/stranger" renewed "$port" go 300 2>complaint &
    stranger=$!
    until [ -e go ]; do
        sleep 0.1
    done
    for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
        echo $i | "$GATHER" -c "127.0.0.1:$port" -w $i 2>&1
    done
    wait "$gather" || show "status $?"
    wait $stranger || cat complaint
    seq 0 19 | cmp out -
}
name='300 silent connections, and 12 processes: 20 clients, one after the other'
with_limits queue

# shared: a client and its command are processes of the same user, who has so
# few that strangers could take what they need.
shared() {
    for_others
    rm -f go
    : >err
    become 70 prlimit --nproc=80 "$dir/gather" -v -p 0 -j 0 -n 10 \
        >out 2>err &
    listens $!
    "$dir/stranger" renewed "$port" go 200 2>complaint &
    stranger=$!
    until [ -e go ]; do
        sleep 0.1
    done
    copies='cat|cat|cat|cat|cat|cat|cat|cat|cat|cat'
    become 70 prlimit --nproc=80 "$dir/gather" -c "127.0.0.1:$port" \
        sh -c "{ sleep 0.1; echo {}; } | $copies | $copies" 2>&1
    wait "$gather" || show "status $?"
    wait $stranger || cat complaint
    seq 0 9 | cmp out -
}
name='200 silent connections, and 80 processes: none is lacking for a client'
with_limits shared

# rush: clients from elsewhere come at once, while the server is stopped, and
# there are descriptors for so few that some are dropped before they could
# prove themselves; they come again.
rush() {
    rm -f failed
    : >err
    (
        # shellcheck disable=SC3045  # all shells that run this have it
        ulimit -n 64 # then there are 40 places or less
        exec "$GATHER" -v -p 0 -j 0 -n 300 >out 2>err
    ) &
    listens $!
    kill -s STOP "$gather"
    for i in $(seq 0 299); do
        echo "$i" | timeout -k 1 "$DEADLINE" \
            "$GATHER" -c "127.0.0.1:$port" -w "$i" 2>>failed ||
            echo "status $?" >>failed &
    done
    sleep 2
    kill -s CONT "$gather"
    while kill -0 "$gather" 2>/dev/null && [ ! -s failed ]; do
        sleep 0.2
    done
    if [ -s failed ]; then
        kill "$gather"
    fi
    wait
    sort failed | uniq -c
    seq 0 299 | cmp out -
    grep -q "$many\$" err || echo 'nobody was dropped'
}
name='300 clients at once: all are served'
! wanted "$name" || result "$name" "$(rush)"

# planted MODE: a directory of that mode, in which user 2 has put things; and
# what user 1 gets who runs gather there.
planted() {
    for_others
    rm -rf shared own
    mkdir shared own
    chmod "$1" shared
    chmod 777 own
    # shellcheck disable=SC2016  # for the inner shells
    become 1 sh -c 'umask 077; echo mine >own/file'
    # shellcheck disable=SC2016
    become 2 sh -c 'umask 0; cd shared && ln -s ../own/file link &&
        mkfifo fifo && : >file && ln -s ../own/file 0.part && mkfifo 1.part &&
        : >2.part && ln -s ../own/none dangling'
    ln own/file shared/hard # some systems let everybody do that
    for log in link fifo file dangling hard; do
        echo "-l $log"
        become 1 "$dir/gather" -l shared/$log true ::: a 2>&1 |
            sed 's/^gather: fatal: unable to //'
    done
    for i in 0 1 2; do
        echo "-o $i"
        # shellcheck disable=SC2016
        become 1 "$dir/gather" -j 1 -n $((i + 1)) -o 'shared/{}' \
            sh -c 'exec echo out {}' 2>&1 | sed -n '1s/.*: fatal/fatal/p'
        become 2 rm -f shared/$i.part # out of the way of the next one
    done
    find shared -type f -links 1 -size +0 -user $((100001 + $$)) |
        sort
    cat own/*
}

# What is there when everybody may remove anything; and in a directory like
# /tmp.  Nothing of user 1's is ever touched, nobody waits for the FIFOs.
cat >"$dir/planted.777" <<'.'
-l link
create shared/link: it belongs to somebody else
-l fifo
create shared/fifo: it belongs to somebody else
-l file
-l dangling
create shared/dangling: it belongs to somebody else
-l hard
-o 0
-o 1
-o 2
shared/0
shared/1
shared/2
shared/file
shared/hard
mine
.
cat >"$dir/planted.1777" <<'.'
-l link
create shared/link: it belongs to somebody else
-l fifo
create shared/fifo: it belongs to somebody else
-l file
create shared/file: Operation not permitted
-l dangling
create shared/dangling: it belongs to somebody else
-l hard
-o 0
fatal: unable to create shared/0.part: File exists
-o 1
fatal: unable to create shared/1.part: File exists
-o 2
fatal: unable to create shared/2.part: File exists
shared/0
shared/1
shared/hard
mine
.
for mode in 777 1777; do
    name="files, links and FIFOs of somebody else, directory $mode: untouched"
    wanted "$name" || continue
    if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
        result "$name" "$(planted $mode | diff "$dir/planted.$mode" -)"
    else
        skip "$name" 'root, or setpriv'
    fi
done

# awaited: a ledger is replaced, again and again, while somebody else is ready
# to create a file of its name as soon as there is none.
awaited() {
    for_others
    rm -rf shared
    mkdir shared
    chmod 1777 shared
    become 1 sh -c 'echo old >shared/log'
    become 2 sh -c 'set -C
        until [ -e shared/over ]; do true >shared/log; done 2>/dev/null' &
    other=$!
    for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
        become 1 "$dir/gather" -l shared/log true ::: $i 2>&1
        cut -f 10 shared/log | xargs
    done | sort | uniq -c | sed 's/^ *//'
    : >shared/over
    wait $other
    rm shared/over
    ls -A shared
}
name='a ledger is replaced, though another user waits for its name to be free'
if wanted "$name"; then
    if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
        printf '20 State complete\nlog\n' >"$dir/awaited"
        result "$name" "$(awaited | diff "$dir/awaited" -)"
    else
        skip "$name" 'root, or setpriv'
    fi
fi

# --- What other processes of the same user may see

# looked PID FILE...: which of the files of a process can be opened.
cat >"$dir/looked" <<'.'
#!/bin/sh
pid=$1
shift
for file; do
    # shellcheck disable=SC2188 # to open it is all
    if (: <"/proc/$pid/$file") 2>/dev/null; then
        echo "$file"
    fi
done
.

# watched: what a user's processes can look into of his own gather: parent,
# child and client; when `sleep` shows that they could otherwise.
watched() {
    cp "$GATHER" "$dir/gather"
    chmod 755 "$dir" "$dir/gather" "$dir/looked"
    # shellcheck disable=SC2016  # for the inner shells
    become 1 sh -c 'sleep 9 & "$0" $! mem environ; kill $!' "$dir/looked" |
        xargs
    # shellcheck disable=SC2016
    become 1 "$dir/gather" -b 127.0.0.1 -p 0 -j 1 sh -c '"$0" $PPID mem environ
        read -r pid name state parent rest <"/proc/$PPID/stat"
        "$0" $parent mem environ' "$dir/looked" ::: a
    : >err
    become 1 "$dir/gather" -j 0 -n 1 >out 2>err &
    gather=$!
    until grep -q 'waiting for clients' err; do
        sleep 0.02
    done
    port=$(sed -n 's/.*waiting for clients on .* port //p' err)
    # shellcheck disable=SC2016
    become 1 "$dir/gather" -c "127.0.0.1:$port" \
        sh -c '"$0" $PPID mem environ' "$dir/looked"
    wait $gather
    cat out
    left 30
    sweep
}
name='nobody but root looks into the memory of a parent, a child, a client'
if wanted "$name"; then
    if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
        skip "$name" 'root, or setpriv'
    else
        seen=$(watched)
        [ "$seen" != 'mem environ' ] || seen=
        result "$name" "$seen"
    fi
fi

# dumped: which core files there are of a child and a parent that crash; that
# of `sleep` shows that there could be.
dumped() {
    for_others
    for victim in sleep child parent; do
        rm -rf cores
        mkdir -m 777 cores
        # shellcheck disable=SC2016  # for the inner shells
        case $victim in
        sleep) set -- sh -c 'sleep 9 & kill -s SEGV $!; wait $!' ;;
        child) set -- "$dir/gather" sh -c 'kill -s SEGV $PPID' ::: a ;;
        parent) set -- "$dir/gather" sh -c 'read -r pid name state parent rest \
            <"/proc/$PPID/stat"; kill -s SEGV $parent' ::: a ;;
        esac
        # shellcheck disable=SC2016,SC3045  # all shells of Linux have ulimit -c
        become 1 sh -c 'cd cores && ulimit -c unlimited && "$@"' sh "$@" \
            >/dev/null 2>&1
        [ -z "$(ls -A cores)" ] || echo "$victim"
    done
    left 30
    sweep
}
name='there is no core file of a child or a parent'
if wanted "$name"; then
    if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
        skip "$name" 'root, or setpriv'
    else
        seen=$(dumped)
        case $seen in
        sleep) result "$name" '' ;;
        '') skip "$name" 'system that writes core files where a process is' ;;
        *) result "$name" "core files: $(echo "$seen" | xargs)" ;;
        esac
    fi
fi

# mapped: in a user namespace everybody who has no number there has the same,
# the system included.
mapped() {
    for_others
    rm -rf shared own
    mkdir shared own
    chmod 1777 shared
    chmod 777 own
    become 1 sh -c 'umask 077; echo mine >own/file'
    become 2 ln -s ../own/file shared/link
    for log in shared/link /dev/null; do
        become 1 unshare -U -c "$dir/gather" -l $log true ::: a 2>&1
        echo "$log: $?"
    done
    cat own/file
}
cat >"$dir/mapped" <<'.'
gather: fatal: unable to create shared/link: it belongs to somebody else
shared/link: 1
/dev/null: 0
mine
.
name='a link of somebody else, in a user namespace: untouched'
if wanted "$name"; then
    if [ "$(id -u)" = 0 ] && become 1 unshare -U -c true 2>/dev/null; then
        result "$name" "$(mapped | diff "$dir/mapped" -)"
    else
        skip "$name" 'root, or user namespaces'
    fi
fi

echo "# a run without an attack took $usual s or less"
finish
