#!/bin/sh
#
# soak.sh - random rounds for as long as one likes: items, options, deaths and
# strangers in combinations that nobody has thought of.
#
#     tests/soak.sh                 a minute
#     tests/soak.sh 1800            so many seconds
#     tests/soak.sh 1800 7          with the seeds 7, 8, 9, ...
#     tests/soak.sh 0 12            one round, that of seed 12
#     GATHER=/path/to/gather tests/soak.sh     tests another binary
#     CC=clang tests/soak.sh                   another compiler (cc)
#     DEADLINE=300 tests/soak.sh               gives each round so many seconds
#                                              (120)
#
# A round is one run of gather, a child of reap, which see.  Its items are
# those of known.c, so every byte is known beforehand.  Beside it, at random
# moments, children, commands, clients and the parent get signals, and
# strangers connect: see stranger.c.  Then
#
#   - what the ledger calls complete is there, in its place, byte by byte
#   - what is not complete is in the ledger, with a state for which there is a
#     reason, and its bytes in the output, if any, are the first of it
#   - the exit status is that of these states, or of a signal that was sent
#   - nothing is left: no process, in whichever session; no zombie for 10
#     seconds; no file `.part` unless the parent itself got SIGKILL or SIGSEGV
#   - a round in which nothing harmful happens ends with 0, everything complete
#
# The seed decides what happens in a round, but not who is first: the moments
# are random pauses.  A round that is wrong is shown with what was done to it.
#
# Output is TAP; before the last line, `N passed, N failed`, is one with the
# sums; the exit status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
tested
: "${ASAN_OPTIONS:=handle_segv=0}" # SIGSEGV from here is no error of gather's
export ASAN_OPTIONS

began=$(date +%s)
seconds=${1:-60}
seed=${2:-$(($(date +%s) % 1000000 * 1000))}
: "${DEADLINE:=120}" "${CC:=cc}"
if [ ! -r /proc/$$/task/$$/children ] || ! sleep 0.01; then
    echo '1..0 # SKIP no children in /proc, or no sleep 0.01'
    exit 0
fi
mkdir "$dir/bin" "$dir/work" || exit 1
cp "$GATHER" "$dir/bin/gather"
for tool in reap known stranger; do
    "$CC" -std=c99 -D_POSIX_C_SOURCE=200112L -O2 -o "$dir/bin/$tool" \
        "$here/tests/$tool.c" || exit 1
done
PATH=$dir/bin:$PATH
export PATH
cd "$dir/work" || exit 1

# --- The machinery

# ours PID: is it a process of this test?  They have its mark, so a number that
# somebody else has got meanwhile does no harm.
ours() {
    grep -qsFxz "GATHER_TEST=$mark" "/proc/$1/environ"
}

# pick N: a random number below n, in `r`.  32 bits are enough for that.
pick() {
    state=$(((state * 171 + 11213) % 53125))
    r=$((state * $1 / 53125))
}

# one_of WORD...: one of them, in `word`.
one_of() {
    pick $#
    shift "$r"
    word=$1
}

# pause MS: sleeps so many milliseconds.
pause() {
    sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"
}

# kids PID: its children, in `kids`.
kids() {
    kids=$(cat "/proc/$1/task/$1/children" 2>/dev/null)
}

# commands: the children of gather's children, in `kids`.
commands() {
    kids "$gather"
    for kid in $kids; do
        cat "/proc/$kid/task/$kid/children"
    done >"$dir/kids" 2>/dev/null
    kids=$(cat "$dir/kids")
}

# did TEXT: keeps what was done to the round.
did() {
    echo "$1" >>"$dir/deeds"
}

# --- What a round is

# options: those which decide about the output.
options() {
    one_of out out out files
    mode=$word
    one_of 0 1
    any=$word
    [ "$mode" = out ] || any=0
    [ "$any" = 0 ] || args="$args -u"
    [ "$mode" = out ] || args="$args -o f.{}"
    one_of '' 0 1k 100k 1M 1G
    [ "$mode" = files ] || args="$args${word:+ -m $word}"
    one_of 0 1
    keep=$word
    [ "$keep" = 0 ] || args="$args -k"
    one_of 0 0 1 3 9
    retries=$word
    case $kinds$retries in
    *[fkh]*9) retries=2 ;; # it takes too long
    *y*0) retries=1 ;;
    esac
    [ "$retries" = 0 ] || args="$args -r $retries"
    one_of '' 100 '' 100 '' 100 1
    [ "$mood" != calm ] || [ "$word" != 1 ] || word=''
    limit=$word
    case $kinds in
    *h*)
        one_of 0.5 1 2.5
        limit=$word
        ;;
    esac
    case $limit in
    '' | 100) limited=0 ;;
    *) limited=1 ;;
    esac
    args="$args${limit:+ -t $limit}"
    if [ "$mode" = out ]; then
        one_of file file pipe slow leaves
        reader=$word
        [ "$mood" = rough ] || [ "$reader" != leaves ] || reader=pipe
    fi
}

# source_of: where the list comes from, and the command with it.
source_of() {
    one_of n args file input pipe late
    list=$word
    [ "$list" != n ] || flags=${flags}N
    command="known run $1 $max ${kinds:--}$flags"
    case $list in
    n) args="$args -n $items" ;;
    args) ;;
    *)
        one_of n 0
        separator=$word
        [ "$separator" = n ] || args="$args -0"
        [ "$list" != file ] || args="$args -a lines"
        ;;
    esac
    [ "$list" = n ] || texts=$(known list "$1" $items "${kinds:--}$flags" n 0)
    ms=0
    if [ "$list" = late ]; then
        one_of 1 10 30
        ms=$word
    fi
    case $list in
    n | args) ;;
    file | input)
        known list "$1" $items "${kinds:--}$flags" "$separator" 0 >lines
        ;;
    *)
        mkfifo lines
        known list "$1" $items "${kinds:--}$flags" "$separator" "$ms" \
            >lines 2>/dev/null &
        helpers="$helpers $!"
        ;;
    esac
    one_of ' {}' ''
    [ "$list" != n ] || word=''
    args="$args @"
    [ "$kind" = clients ] && [ $((r + items % 2)) = 1 ] ||
        args="$args $command$word"
    [ "$list" != args ] || args="$args ::: $(echo "$texts" | tr '\n' ' ')"
}

# plan SEED: decides.
plan() {
    state=$(echo "$1" | cksum | awk '{ print $1 % 53125 }')
    args='' kinds='' flags='' helpers='' list=n reader=file mode=table
    any=0 keep=0 retries=0 limited=0 limit='' delivered='' clients=0
    one_of calm lame lame rough rough rough
    mood=$word
    one_of plain plain plain server clients demonstration
    kind=$word
    pick 60
    items=$((r + 1))
    pick 40
    jobs=$((r + 1))
    one_of 0 1000 100000 100000 1000000 1000000 10000000 50000000
    max=$word
    [ "$max" != 50000000 ] || items=$((items % 20 + 1))
    one_of b,d,s,t,y b,d,s,t,y,f,k,hhh
    [ "$mood" != calm ] || word=b,d,s,t,y
    for letter in $(echo "$word" | tr , ' '); do
        pick 3
        [ "$r" != 0 ] || kinds=$kinds$letter
    done
    pick 13
    hits=$r
    [ "$mood" = rough ] || hits=$((hits / 4))
    [ "$hits" = 0 ] || kinds=${kinds}sss # time to be hit
    case $kinds in
    *[dh]*) items=$((items % 9 + 4)) ;; # these take long
    esac
    pick 4
    [ "$r" != 0 ] || flags=L
    one_of 0 0 1 2 4
    guests=$word
    one_of below below parent
    aim=$word
    if [ "$kind" = clients ] || [ "$kind" = server ]; then
        flags='' # stranger.c does not know long texts
        [ "$max" -le 100000 ] || [ "$guests" = 0 ] || max=100000
        [ "$mood" != rough ] || guests=$((guests + 2))
        pick 6
        clients=$((r + 1))
        pick $((3 * items))
        [ "$r" -ge $items ] || delivered=$r
    fi
    [ "$kind" != clients ] || jobs=0
    verbose=-v
    if [ "$kind" = demonstration ]; then
        kinds='' flags=''
        one_of 0 1 7 8 1000 65537 1048576 5000000
        max=$word
        args="-n $items -s $max"
    else
        args='-l log'
        options
        source_of "$1"
    fi
    if [ "$guests$clients" = 00 ]; then
        one_of '' -q -v
        verbose=$word
    fi
    port=''
    [ "$guests$clients" = 00 ] || port='-p 0'
    one_of '' '-b 127.0.0.1'
    bind=$word
    [ "$kind" = server ] && bind='-b 127.0.0.1'
    [ "$kind" = server ] || [ "$kind" = clients ] || bind=''
    pick 1000
    head=$((r * (1 + items * (max / 8 + 1) / 1000)))
}

# attackable: the files from which strangers take what they deliver.
attackable() {
    [ "$list" != n ] || texts=$(awk -v n="$items" 'BEGIN {
        while (i < n) print i++ }')
    i=0
    for text in $texts; do
        known make "$1" "$max" $i >"data.$text"
        i=$((i + 1))
    done
}

# --- Before, beside and after the run

# readers: sets up standard output.
readers() {
    out=out
    [ "$reader" = file ] && return
    mkfifo pipe
    out=pipe
    case $reader in
    pipe) cat <pipe >out & ;;
    slow)
        {
            sleep 0.5
            cat
        } <pipe >out &
        ;;
    leaves) head -c $head <pipe >out & ;;
    esac
    drain=$!
}

# start: the run, in the background, which leaves its status in a file.
start() {
    rm -f "$dir/status" "$dir/report"* "$dir/deeds"
    : >"$dir/deeds"
    secret=''
    [ "$clients" = 0 ] || secret=GATHER_TOKEN=$token
    input=/dev/null
    case $list in
    input | pipe | late) input=lines ;;
    esac
    before=$verbose
    before="$before -j $jobs${port:+ $port}${bind:+ $bind}"
    # shellcheck disable=SC2086 # words
    set -- $before $args
    shown=''
    for arg; do # the @ is where the command begins
        shift
        [ "$arg" = @ ] && continue
        set -- "$@" "$arg"
        shown="$shown $arg"
    done
    (
        # shellcheck disable=SC2016 # for another shell
        env ${secret:+"$secret"} "GATHER_TEST=$mark" \
            reap -a 20 -s "$DEADLINE" "$dir/report" \
            sh -c 'echo $$ >pid; exec "$@"' sh gather "$@" \
            <$input >$out 2>err
        echo $? >"$dir/status"
    ) &
    run=$!
    gather=''
    while [ -z "$gather" ] && [ ! -s "$dir/status" ]; do
        sleep 0.01
        [ ! -s pid ] || read -r gather <pid
    done
    door=''
    while [ -n "$port" ] && [ -z "$door" ] && [ ! -s "$dir/status" ]; do
        sleep 0.01
        door=$(sed -n 's/.*listening on .* port //p' err)
    done
}

# client K ARGUMENTS: gather -c with these, under a reap of its own.
client() {
    k=$1
    shift
    # shellcheck disable=SC2016 # for another shell
    env "GATHER_TOKEN=$token" "GATHER_TEST=$mark" \
        reap -a 20 -s $((2 * DEADLINE)) "$dir/report.$k" \
        sh -c 'echo $$ >"client.$0"; exec "$@"' "$k" \
        gather -c "127.0.0.1:$door" "$@" 2>>"$dir/cerr.$k"
    result=$?
    cat "$dir/report.$k" >>"$dir/reports"
    return $result
}

# farm K: a client that comes again until the run is over or it is told to go.
farm() {
    tries=0
    while [ ! -e over ] && [ $tries -lt 200 ]; do
        tries=$((tries + 1))
        # shellcheck disable=SC2086 # words
        client "$1" ${limit:+-t $limit} $command"E" \
            </dev/null >/dev/null && break
        sleep 0.1
    done
    : >"done.$1"
}

# farms: starts the clients.
farms() {
    : >"$dir/reports"
    rm -f "$dir"/cerr.*
    if [ -n "$delivered" ]; then
        {
            known make "$1" "$max" "$delivered" |
                client 0 -w "$delivered" >/dev/null
            : >done.0
        } &
        helpers="$helpers $!"
        did "client: -w $delivered"
    fi
    k=0
    while [ $k -lt $clients ]; do
        k=$((k + 1))
        farm $k &
        helpers="$helpers $!"
    done
}

# farewell: ends clients that came too late, and wait for a server that has
# gone; waits for all.
farewell() {
    : >over
    k=$clients
    [ -n "$delivered" ] || : >done.0
    while [ $k -ge 0 ]; do
        until [ -e done.$k ]; do
            pid=''
            [ ! -s client.$k ] || read -r pid <client.$k
            [ -z "$pid" ] || ! ours "$pid" || kill -s TERM "$pid"
            sleep 0.1
        done 2>/dev/null
        k=$((k - 1))
    done
}

# hurt: a signal for somebody.
hurt() {
    one_of child child command command client parent
    who=$word
    one_of KILL TERM SEGV STOP STOP
    sig=$word
    [ "$mood" = rough ] || sig=STOP
    [ "$kind" != clients ] || [ "$who" != child ] || who=client
    [ "$who" != client ] || [ "$clients" != 0 ] || who='command'
    # Nobody is left to end the commands of a child that dies, or stands
    # still, shortly before the parent does.
    [ "$aim" != parent ] || [ "$who" != child ] || who=parent
    [ "$kind" != demonstration ] || [ "$who" != command ] || who=child
    if [ "$who" = parent ] && [ "$aim" = below ]; then
        one_of STOP STOP STOP TERM HUP INT QUIT
        sig=$word
        [ "$mood" = rough ] || sig=STOP
    fi
    case $who in
    parent) kids=$gather ;;
    child) kids "$gather" ;;
    command) commands ;;
    client) kids=$(cat client.[1-9]* 2>/dev/null) ;;
    esac
    # shellcheck disable=SC2086 # words
    set -- $kids
    [ $# -gt 0 ] || return
    pick $#
    shift "$r"
    if ! ours "$1" || ! kill -s "$sig" "$1" 2>/dev/null; then return; fi
    did "$who: $sig"
    kills=$((kills + 1))
    case $sig in
    STOP)
        [ "$who" = child ] && return # gather itself continues it
        pick 800
        pause "$r"
        kill -s CONT "$1" 2>/dev/null
        return
        ;;
    KILL) n=137 ;;
    SEGV) n=139 ;;
    TERM) n=143 ;;
    HUP) n=129 ;;
    INT) n=130 ;;
    QUIT) n=131 ;;
    esac
    harm=$((harm + 1))
    [ "$who" != parent ] || signals="$signals $n "
}

# visit: a stranger.
visit() {
    pick 30
    if [ "$r" = 0 ]; then
        word=flood
    elif [ $inside = 1 ] && [ "$r" -lt 20 ]; then
        one_of wanted absent range foreign foreign-end nobody over huge \
            empty part part part fewer more high shorter longer status \
            bare cut rst rst-end again after-end unasked replay
        harm=$((harm + 1))
    else
        one_of none torn left left-child torn-opening rst-opening wrong near \
            near-proof near-header magic next-magic web number \
            child-number child reflect sized garbage half half-hello drip \
            silent churn
    fi
    did "stranger: $word"
    visitors=$((visitors + 1))
    env "GATHER_TOKEN=$token" stranger "$word" "$door" "go.$visitors" \
        >/dev/null 2>&1 &
    guest="$guest $!"
}

# beside: what happens while the run goes on.
beside() {
    while [ $((hits + guests)) -gt 0 ] && [ ! -s "$dir/status" ]; do
        one_of 10 20 50 100 100 200 500 1000
        [ "$mode" != table ] || word=20 # it is soon over
        pick "$word"
        pause "$r"
        [ ! -s "$dir/status" ] || return
        pick $((hits + guests))
        if [ "$r" -lt "$hits" ]; then
            hits=$((hits - 1))
            hurt
        else
            guests=$((guests - 1))
            visit
        fi
    done
}

# zombies: counts for how long there have been which, below gather.
zombies() {
    commands
    all=$kids
    kids "$gather"
    now=''
    for pid in $kids $all; do
        z=''
        read -r z name z rest <"/proc/$pid/stat"
        [ "$z" = Z ] || continue
        age=${old##* "$pid":}
        if [ "$age" = "$old" ]; then age=0; else age=$((${age%% *} + 1)); fi
        now="$now $pid:$age "
        [ "$age" != 50 ] || echo "zombie: $pid $name" >>"$dir/undead"
    done 2>/dev/null
    old=$now
}

# collect: waits for the end, and collects all who helped.
collect() {
    old='' naps=0
    while [ ! -s "$dir/status" ]; do
        sleep 0.1
        naps=$((naps + 1))
        [ $((naps % 2)) != 0 ] || zombies
    done
    wait $run
    read -r status <"$dir/status"
    [ "$clients" = 0 ] || farewell
    # shellcheck disable=SC2086 # words
    [ -z "$guest" ] || kill $guest
    # shellcheck disable=SC2086 # words
    [ "$clients" != 0 ] || [ -z "$helpers" ] || kill $helpers
    # shellcheck disable=SC2086 # words
    [ -z "$helpers$guest" ] || wait $helpers $guest
    [ "$reader" = file ] || wait "$drain"
} 2>/dev/null

# The judge.  Prints what is wrong, then, behind a line that is `=`, for
# known: a line for each item.
cat >"$dir/judge" <<'.'
function bad(text) { print text }
function missing(state, words) {
    return kind[state] ? ", " kind[state] " " words : ""
}
BEGIN {
    while ((getline text < want) > 0) {
        split(text, f, " ")
        size[f[1]] = f[2]
        part[f[1]] = f[3]
        wants[f[1]] = f[4]
        value[f[1]] = f[5]
        signal[f[1]] = f[6]
        if (f[4] != "complete") failing = 1
    }
    item = "^gather: item [0-9]+( \\([0-9]+-[a-z]*(\\.\\.\\.)?\\))?: " \
        "(exit [0-9]+|signal [0-9]+|timed out|" \
        "incomplete: its client went away after [0-9]+ bytes)" \
        "(, trying again)? \\[after [0-9]+\\.[0-9]+ s.*\\]$"
    stranger = "^gather: warning: refused a stranger at 127\\.0\\.0\\.1: " \
        "(wrong token|wrong version: GAT[13?], not GAT2|no such child|" \
        "too many have proved nothing yet|" \
        "this is not gather.s protocol, GAT2|closed before its opening|" \
        "silent for 5 s|nobody is expected from elsewhere)$"
    while ((getline text < "err") > 0) {
        if (text ~ /^gather: fatal: unable to go on: no child is left$/)
            fatal = harm > 0 ? 1 : bad("said: " text)
        else if (text ~ /^gather: [0-9]+( of [0-9]+)? complete[,;]/)
            closing = substr(text, 9)
        else if (text ~ /^gather: all [0-9]+ complete$/)
            closing = ""
        else if (text ~ /^gather: fatal: unable to connect to / && signals)
            continue # the child of a parent that has died
        else if (text !~ item &&
            text !~ /^gather: (listening on|waiting for clients on) / &&
            text !~ /^gather: connected; threads: [0-9]+, children: / &&
            text !~ stranger &&
            text !~ /^gather: warning: child [0-9]+ was stopped: cont/ &&
            text !~ /^gather: warning: child [0-9]+ ended early: signal / &&
            text !~ /^gather: warning: item [0-9]+: ended; something it left /)
            bad("said: " text)
    }
    if (status >= 128 && !index(signals, " " status " "))
        bad("status " status ", and no such signal was sent")
    # killed outright, or before it had begun or after it had ended
    dead = status == 137 || status == 139 || status >= 128 && !closing
    if (mode == "table") {
        if (status < 128 && status != (fatal ? 1 : right < items ? 123 : 0))
            bad("status " status ", and " right " are right")
        if (harm == 0 && right < items) bad("only " right " are right")
        exit
    }
    while ((getline text < "log") > 0) {
        n = split(text, f, "\t")
        if (f[1] == "Seq") continue
        if (n != 10) {
            if (!dead) bad("ledger: " text)
            continue
        }
        w = f[1]
        s = f[10]
        if (w in state) bad("ledger: item " w " twice")
        if (mode == "out" && !any && lines && w + 0 < last)
            bad("ledger: item " w " behind item " last)
        last = w + 0
        if (!(w in size)) bad("ledger: there is no item " w)
        if (!(s in kind)) kind[s] = 0
        kind[s]++
        state[w] = s
        line[++lines] = w " " s " " f[6]
        if (s == "complete") {
            if (f[6] != size[w] || f[7] != 0 || f[8] != 0)
                bad("ledger: item " w ": " size[w] " bytes, not " text)
            if (wants[w] != s && w != delivered && !inside)
                bad("item " w " is complete, and should be " wants[w])
            continue
        }
        lost++
        if (s == wants[w] && harm == 0) {
            cause = 1
            if (f[6] != part[w] || f[7] != value[w] || f[8] != signal[w])
                bad("ledger: item " w ": " part[w] " bytes, " value[w] \
                    ", " signal[w] ", not " text)
        }
        if (s == wants[w]) continue
        if (s == "timeout" && limited) cause = 1
        else if (s == "killed" && harm > 0) continue
        else if (s == "incomplete" && harm > 0) continue
        else if (s == "failed" && (harm > 0 || !keep) && value[w] > 0 &&
            f[7] == value[w]) continue # this try was the first to go so far,
                                       # or there was no other in the end
        else if ((s == "incomplete" || s == "unstarted") &&
            (!keep || fatal || status >= 128)) continue
        else bad("item " w " is " s ", and should be " wants[w])
    }
    aborted = status >= 128 || fatal || lost && !keep
    if (lost && !aborted && !cause && harm == 0)
        bad("items are lost without a cause")
    if (harm == 0 && !failing && !limited && status != 0)
        bad("status " status ", and nothing has happened")
    if (!dead) {
        for (i = 0; i < items; i++) {
            if (i in state) known++
            else if (!piped || !aborted) bad("ledger: no item " i)
        }
        for (i = 0; i < known; i++)
            if (!(i in state)) bad("ledger: items, but not " i)
        text = kind["complete"] + 0
        if (closing !~ /; the list was not read to its end/)
            text = text " of " known
        text = text " complete" missing("failed", "failed") \
            missing("killed", "killed by a signal") \
            missing("timeout", "timed out") \
            missing("incomplete", "incomplete") \
            missing("unstarted", "not started")
        if (closing ~ /; the list was not read to its end/)
            text = text "; the list was not read to its end"
        sub(/; (see|a ledger) .*$/, "", closing)
        if (lost && !closing || closing && text != closing)
            bad("closing line: " closing ", not " text)
    }
    best = kind["timeout"] ? 124 : kind["killed"] ? 125 : \
        kind["failed"] + kind["incomplete"] ? 123 : 0
    if (fatal) best = 1
    if (status < 128 && status != best) bad("status " status ", not " best)
    print "="
    for (i = 1; i <= lines; i++) print line[i]
    for (i = 0; mode == "files" && i < items; i++)
        if (!(i in state)) print i, "absent", 0
    how = mode == "files" ? "o" : "x"
    if (dead) how = how "d"
    if (reader == "leaves") how = how "c"
    else if (keep && !aborted && retries == 0) how = how "a"
    print how >how_file
}
.

# judged SEED: says what is wrong with the run that has ended.
judged() {
    cat "$dir/report" "$dir/undead" "$dir/reports" >"$dir/left" 2>/dev/null
    case " $signals " in
    *' 137 '* | *' 139 '*) ;; # it could not
    *)
        for file in *.part; do
            [ ! -e "$file" ] || echo "left: $file" >>"$dir/left"
        done
        ;;
    esac
    cat "$dir/left"
    ! grep -q '^no end' "$dir/left" || hangs=$((hangs + 1))
    leftovers=$((leftovers + $(grep -c -v '^no end' "$dir/left")))
    right=0 piped=0
    case $list in
    pipe | late) piped=1 ;;
    esac
    [ "$reader" != leaves ] || signals="$signals 141 " harm=$((harm + 1))
    if [ "$mode" = table ]; then
        if [ "$status" -lt 128 ]; then
            known table "$items" "$max" <out >"$dir/checked"
            right=$(sed -n 's/^# .* //p' "$dir/checked")
        else
            echo '# 0' >"$dir/checked"
        fi
    fi
    known expect "$1" "$max" "${kinds:--}" "$items" >"$dir/want"
    rm -f "$dir/how"
    [ -e log ] || : >log
    awk -v want="$dir/want" -v mode="$mode" -v items="$items" \
        -v any="$any" -v status="$status" -v harm=$harm -v signals="$signals" \
        -v right="$right" -v keep="$keep" -v retries="$retries" \
        -v limited=$limited -v delivered="${delivered:-none}" \
        -v inside=$inside -v piped=$piped -v reader="$reader" \
        -v how_file="$dir/how" -f "$dir/judge" >"$dir/verdict"
    sed '/^=$/,$d' "$dir/verdict"
    if [ "$mode" != table ]; then
        name=out
        [ "$mode" = out ] || name=f
        if [ -s "$dir/how" ]; then
            sed -n '/^=$/,$p' "$dir/verdict" | sed 1d |
                known check "$1" "$max" "$(cat "$dir/how")" $name \
                    >"$dir/checked"
        else
            echo 'the judge has failed'
            : >"$dir/checked"
        fi
        [ "$mode" = out ] || [ ! -s out ] || echo 'there is standard output'
    fi
    sed '/^# /d' "$dir/checked"
    wrong=$((wrong + $(grep -c -v '^# ' "$dir/checked")))
    more=$(sed -n 's/^# \([0-9]*\).*/\1/p' "$dir/checked")
    kbytes=$((kbytes + ${more:-0} / 1000))
}

# evidence: what a round that is wrong leaves.
evidence() {
    echo "repeat: tests/soak.sh 0 $1"
    echo "gather$shown: status $status" | cut -c 1-1000
    echo "$list, $reader, $clients clients; then, in this order:"
    sed 's/^/  /' "$dir/deeds"
    echo 'wrong:'
    sed -n '1,30s/^/  /p' "$dir/bad"
    echo 'standard error:'
    grep -v 'connected; threads' err | sed -n '1,20s/^/  /p'
    cat "$dir"/cerr.* 2>/dev/null | sort | uniq -c | sed -n '1,10s/^/  /p'
    if [ "$mode" != table ]; then
        echo 'ledger, without host, times and command:'
        cut -f 1,6-8,10 log | sed -n '1,70s/^/  /p'
        echo 'expected: number, size, bytes written, state, exit, signal:'
        sed 's/^/  /' "$dir/want"
    else
        sed -n '1,70s/^/  /p' out
    fi
}

# round SEED: one.
round() {
    cd "$dir" && rm -rf work && mkdir work && cd work || exit 1
    rm -f "$dir/undead" "$dir/reports" "$dir"/cerr.*
    visitors=0 guest='' signals='' harm=0
    plan "$1"
    readers
    inside=0
    if [ "$mood" = rough ] && [ "$clients" != 0 ] && [ "$guests" != 0 ]; then
        inside=1
        attackable "$1"
    fi
    start
    if [ $inside = 1 ] && [ -n "$door" ] && [ "$jobs" = 0 ]; then
        guests=$((guests - 1))
        visit # before there is anybody else who could take the first item
    fi
    [ "$clients" = 0 ] || farms "$1"
    beside
    collect
    strangers=$((strangers + visitors)) all_items=$((all_items + items))
    judged "$1" >"$dir/bad" 2>&1
    name="seed $1: $kind, $mood, $items items of $max, $jobs jobs: $status"
    wanted "$name"
    result "$name" "$([ ! -s "$dir/bad" ] || evidence "$1")"
}

token=$(od -An -N16 -tx1 /dev/urandom | tr -cd 0-9a-f)
all_items=0 kbytes=0 kills=0 strangers=0
wrong=0 hangs=0 leftovers=0
echo "# seed $seed"
while
    round "$((seed + number))"
    [ $(($(date +%s) - began)) -lt "$seconds" ]
do :; done
printf '# soak: %s' "$number rounds, $all_items items, $((kbytes / 1000)) MB"
printf ', %s' "$kills kills, $strangers strangers, $wrong wrong bytes" \
    "$hangs hangs, $leftovers leftovers"
echo
finish
