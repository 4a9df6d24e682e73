#!/bin/sh
#
# strangers.sh - attacks on a run by somebody who speaks the wire: stranger.c.
#
#     tests/strangers.sh                all attacks; about a minute
#     tests/strangers.sh silent         those whose names match: a pattern of
#                                       the shell, found anywhere in the name
#     GATHER=/path/to/gather tests/strangers.sh     tests another binary
#     CC=clang tests/strangers.sh                   another compiler (cc)
#     DEADLINE=200 tests/strangers.sh   gives each run so many seconds (60)
#
# Each attack is made beside a run of 20 items of 1 MiB, with 19 children, all
# of which wait until the attack is under way.  An attack from within, with the
# token of the run, is a 20th client, so it is given the last item.
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
# wrong, what the command had to complain of.
run() {
    attack=$1
    shift
    rm -f go out out.* log said
    : >err
    started=$(date +%s)
    # shellcheck disable=SC2016  # for the command's shell
    GATHER_TEST=$mark timeout -k 1 "$DEADLINE" \
        "$GATHER" -v -b 127.0.0.1 -p 0 -j 19 -n 20 "$@" \
        sh -c 'until [ -e go ]; do sleep 0.1; done; cat "data.$1"' sh '{}' \
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
    "$1" "$2" "$port" go ${3+"$3"} >said 2>complaint ||
        wrong="stranger: status $? $(cat complaint)"
    wait $gather
    status=$?
    took=$(($(date +%s) - started))
    peer=$(cat said)
}

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
    if [ -z "$bad" ] && [ -n "${3-}" ] && ! grep -q "$3" err; then
        bad=$(show "not said: $3")
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
within() {
    beside "$1" "$2, tried again: exact"
    wanted "$1: $2, not tried again: $3, others exact" || return 0
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
refused='refused a stranger'
beside none 'an opening without the token' "$refused: no opening"
beside wrong 'a wrong token' "$refused: wrong token"
beside near 'a token of which one bit is wrong' "$refused: wrong token"
beside magic 'the token behind another magic' "$refused"
beside number 'the token and the number of no child' "$refused"
beside sized 'an opening with more behind it' "$refused"
beside garbage 'a million bytes of nothing' "$refused"
beside half 'half an opening, for ever'
beside half 'half an opening is closed in time' "$refused: no opening" late
beside drip 'one byte a second'
beside drip 'one byte a second is closed in time' "$refused: no opening" late
beside silent '1,000 silent connections'
beside silent '1,000 silent connections are closed in time' \
    "$refused: no opening" late
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
within shorter 'an end of 11 bytes' incomplete
within longer 'an end of 13 bytes' incomplete
within status 'a status that is none' incomplete
within bare 'all the data and no end' incomplete
within cut 'gone in the middle of the data' incomplete
within rst 'a reset in the middle of the data' incomplete
within rst-end 'a reset in the middle of the end' incomplete
within impostor 'a client with the number of a child' incomplete
within again 'an item that is delivered twice' complete
within after-end 'data behind the end' complete
within unasked 'data before there is an item' complete

echo "# a run without an attack took $usual s or less"
finish
