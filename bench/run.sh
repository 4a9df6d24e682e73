#!/bin/sh
# gather beside its peers: one table, made in one run.
#
#     sh bench/run.sh [rounds]        5 rounds unless told otherwise
#
# Every round measures everything once, so that what disturbs the machine for
# a while disturbs all alike.  Variables make it smaller:
#
#     SIZE   MiB for each of 20 children (64)   ITEMS  runs of true (2000)
#     TOTAL  MiB for the row about memory (10240)
#     CHILDREN  numbers of children for the row about growth
#               (20 200 2000 8000)              ONLY   rows, by letter (all)
#
# A smoke run, in seconds: SIZE=1 ITEMS=40 TOTAL=100 CHILDREN='5 50' and 1.
# Needs a C compiler; peers that are not installed are named as missing.  The
# exit status is 0 if everything that was there could be run.
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${1:-5}
case $rounds in
'' | *[!0-9]* | 0) echo "usage: sh bench/run.sh [rounds]" >&2; exit 2 ;;
esac
SIZE=${SIZE:-64} ITEMS=${ITEMS:-2000} TOTAL=${TOTAL:-10240}
CHILDREN=${CHILDREN:-20 200 2000 8000}
ONLY=${ONLY:-ABCDEFGH}
CC=${CC:-cc}
bytes=$((SIZE * 1048576))
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
export dir SIZE bytes

# What is measured, built afresh.
flags='-std=c99 -D_POSIX_C_SOURCE=200112L -D_XOPEN_SOURCE=600 -O2'
make -s CC="$CC" gather || exit 1
mkdir "$dir/lib" || exit 1
cp gather client.o server.o signals.o "$dir" || exit 1
cp lib/*.o "$dir/lib" || exit 1
# shellcheck disable=SC2086  # several words
{
    $CC $flags -o "$dir/clock" bench/clock.c &&
        $CC $flags -o "$dir/bare" bench/bare.c -lpthread -lrt &&
        $CC $flags -o "$dir/cursors" bench/cursors.c "$dir"/*.o \
            "$dir"/lib/*.o -lpthread
} || exit 1
missing=
mpi=no
if command -v mpirun >/dev/null && command -v mpicc >/dev/null &&
    mpicc -O2 -o "$dir/mpi" bench/mpi.c; then
    mpi=yes
fi
[ $mpi = yes ] || missing="$missing Open-MPI"
for peer in iperf3 parallel xargs xe rust-parallel; do
    command -v $peer >/dev/null || missing="$missing $peer"
done
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
here() { case " $missing " in *" $1 "*) return 1 ;; esac; }
failures=0

# note ROW WHO SECONDS: a result, or a failure if there are no seconds.
note() {
    if [ -n "$3" ]; then
        printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$dir/times"
    else
        echo "failed: $1 $2: $(tail -n 1 "$dir/err")" >&2
        failures=$((failures + 1))
    fi
}

# says ROW WHO COMMAND...: a program that prints its own `N s,`.
says() {
    row=$1 who=$2
    shift 2
    note "$row" "$who" "$(timeout 300 "$@" 2>"$dir/err" </dev/null |
        sed -n 's/^/ /; s/.* \([0-9]*\.[0-9]*\) s,.*/\1/p' | tail -n 1)"
}

# takes ROW WHO SCRIPT: a script, timed from outside.  $gather is the program.
takes() {
    : >"$dir/clock.out"
    "$dir/clock" "$dir/clock.out" timeout 300 sh -c "$3" 2>"$dir/err" \
        >"$dir/out" </dev/null
    note "$1" "$2" "$(awk '$4 == 0 { print $1 }' "$dir/clock.out")"
}

# iperf ROW WHO: its seconds for the same bytes, from the rate it reports.
iperf() {
    port=$((20000 + $$ % 20000))
    timeout 60 iperf3 -s -1 -p $port >/dev/null 2>&1 &
    i=0
    while :; do
        timeout 60 iperf3 -c 127.0.0.1 -p $port -P 20 -f m \
            -n $((20 * SIZE))M >"$dir/out" 2>"$dir/err" && break
        i=$((i + 1))
        [ $i -lt 20 ] || break
        sleep 0.1
    done
    wait
    note "$1" "$2" "$(awk -v b=$((20 * bytes)) '/SUM.*receiver/ &&
        match($0, /[0-9.]+ Mbits/) {
        r = substr($0, RSTART, RLENGTH) + 0
        if (r > 0) print b * 8 / 1e6 / r
    }' "$dir/out")"
}

round() {
    wants() { case $ONLY in *"$1"*) return 0 ;; esac; return 1; }
    if wants A; then
        says A gather "$dir/gather" -q -p 0 -n 20 -s "${SIZE}M"
        for mode in tcp unix pipe shm; do
            says A "bare $mode" "$dir/bare" $mode 20 $bytes
        done
    fi
    if wants B; then
        says B gather "$dir/cursors" 20 $bytes
        for mode in tcp unix pipe shm; do
            says B "bare -r $mode" "$dir/bare" -r $mode 20 $bytes
        done
        says B "bare -r -d tcp" "$dir/bare" -r -d tcp 20 $bytes
        if [ $mpi = yes ]; then
            for btl in tcp vader; do
                says B "MPI_Gatherv $btl" mpirun --oversubscribe -n 21 \
                    --mca btl self,$btl "$dir/mpi" $bytes
            done
        fi
        if here iperf3; then iperf B "iperf3 -P 20"; fi
    fi
    if wants C; then
        to="head -c ${SIZE}M /dev/zero"
        takes C gather "\"$dir\"/gather -q -p 0 -n 20 $to | cat >/dev/null"
        here xargs && takes C "xargs -P20" \
            "seq 20 | xargs -P 20 -I : $to | cat >/dev/null"
        here parallel && takes C "parallel -k" \
            "seq 20 | parallel -k -j 20 -N0 $to | cat >/dev/null"
        here parallel && takes C "parallel -k --lb" \
            "seq 20 | parallel -k --lb -j 20 -N0 $to | cat >/dev/null"
        here xe && takes C "xe -j20" \
            "seq 20 | xe -j 20 -s \"exec $to\" | cat >/dev/null"
        here rust-parallel && takes C "rust-parallel -j20" \
            "seq 20 | rust-parallel -j 20 sh -c \"$to\" | cat >/dev/null"
    fi
    if wants D; then
        # 20 programs that compute, and print SIZE / 8 MiB or so each.
        work="awk 'BEGIN { for (i = 0; i < $((SIZE * 16000)); i++)
            print i * 7 % 1000003 }'"
        printf '%s\n' "$work" >"$dir/work"
        # shellcheck disable=SC2016
        takes D gather '"$dir"/gather -q -p 0 -n 20 sh "$dir/work" >/dev/null'
        # shellcheck disable=SC2016
        here xargs && takes D "xargs -P20" \
            'seq 20 | xargs -P 20 -I : sh "$dir/work" >/dev/null'
        # shellcheck disable=SC2016
        here parallel && takes D "parallel -k" \
            'seq 20 | parallel -k -j 20 -N0 sh "$dir/work" >/dev/null'
    fi
    if wants E; then
        takes E gather "\"$dir\"/gather -q -p 0 -n $ITEMS /bin/true"
        here xargs && takes E "xargs -P20 -n1" \
            "seq $ITEMS | xargs -P 20 -n 1 /bin/true"
        here xe && takes E "xe -j20" "seq $ITEMS | xe -j 20 /bin/true"
        here parallel && takes E "parallel -j20" \
            "seq $ITEMS | parallel -j 20 /bin/true"
        here rust-parallel && takes E "rust-parallel -j20" \
            "seq $ITEMS | rust-parallel -j 20 /bin/true"
    fi
    if wants F; then
        # 50 times each, so that the clock's own shell does not count.
        # shellcheck disable=SC2016  # for the inner shell
        loop='i=0; while [ $i -lt 50 ]; do i=$((i + 1));'
        takes F gather "$loop \"$dir\"/gather -q -p 0 -n 1 /bin/true; done"
        here xargs && takes F "xargs -n1" \
            "echo 1 >\"$dir/one\"; $loop xargs -n 1 /bin/true <\"$dir/one\"
            done"
    fi
    if wants G; then
        for n in $CHILDREN; do
            says G "$n" "$dir/gather" -q -p 0 -j "$n" -n "$n" -s 1000
        done
    fi
    if wants H && [ "$1" = 1 ]; then
        : >"$dir/clock.out"
        "$dir/clock" "$dir/clock.out" timeout 300 "$dir/gather" -q -p 0 \
            -n 20 head -c $((TOTAL * 1048576 / 20)) /dev/zero \
            >/dev/null 2>"$dir/err" </dev/null
        note H "KiB" "$(awk '$4 == 0 { print $3 }' "$dir/clock.out")"
        note H "seconds" "$(awk '$4 == 0 { print $1 }' "$dir/clock.out")"
    fi
}

# Jiffies of all processors, without the idle ones; idle ones; stolen ones.
jiffies() {
    awk '/^cpu / { print $2 + $3 + $4 + $7 + $8, $5 + $6, $9 }' /proc/stat \
        2>/dev/null || echo 0 0 0
}

# The machine.  No names: the table may be shown to anybody.
cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo '?')
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null |
    sed -n 1p)
memory=$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' \
    /proc/meminfo 2>/dev/null)
load=$(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null)
# shellcheck disable=SC2046  # three words
set -- $(jiffies)
b=$1 i=$2
sleep 2
# shellcheck disable=SC2046
set -- $(jiffies)
b0=$1 st0=$3
busy=$(awk -v b=$(($1 - b)) -v i=$(($2 - i)) \
    'BEGIN { printf "%d", 100 * b / (b + i + 0.001) }')

r=0
while [ $r -lt "$rounds" ]; do
    r=$((r + 1))
    round $r
done

# shellcheck disable=SC2046
set -- $(jiffies)
# This shell's children, in seconds, from the last line of `times`.
times >"$dir/own"
own=$(awk 'NR == 2 { for (k = 1; k <= 2; k++) {
    split($k, t, "[ms]"); s += t[1] * 60 + t[2] } print s }' "$dir/own")
others=$(awk -v b=$(($1 - b0)) -v own="$own" \
    -v hz="$(getconf CLK_TCK 2>/dev/null || echo 100)" \
    'BEGIN { b /= hz; if (b > own) p = 100 * (b - own) / b
        printf "%d", p }')

cat <<END
gather beside its peers, interleaved, rounds: $rounds

Machine: $cpus processors ($model), $memory,
$(uname -s) $(uname -r) $(uname -m), $($CC --version 2>/dev/null | sed -n 1p).
Load averages at the start $load, processors then $busy % busy;
meanwhile others took $others % of the processor time that was used (kernel
threads included), and the host kept $((($3 - st0) / 100)) s of it for itself.
END
[ "$busy" -le 10 ] && [ "$others" -le 10 ] ||
    echo "NOT IDLE: do not believe differences that are smaller than that."
[ -z "$missing" ] || echo "Not installed, so not compared:$missing."

awk -F '\t' -v size="$SIZE" -v items="$ITEMS" -v total="$TOTAL" '
function sort(a, n,   i, j, t) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && a[j] < a[j - 1]; j--) {
            t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
        }
}
# Sets median and spread, in percent of it.
function sum(key,   a, n, i) {
    n = count[key]
    for (i = 1; i <= n; i++) a[i] = value[key, i]
    sort(a, n)
    median = n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    spread = median > 0 ? 100 * (a[n] - a[1]) / median : 0
}
function verdict(ok) { return ok ? "reached" : "LOST" }
{
    key = $1 SUBSEP $2
    if (!(key in count)) {
        order[++keys] = key
        row[keys] = $1
        who[keys] = $2
    }
    value[key, ++count[key]] = $3 + 0
}
END {
    m = size " MiB"
    title["A"] = "20 x " m ", filled in the children, into arrays"
    title["B"] = "20 x " m ", in memory before the clock starts, into arrays"
    title["C"] = "20 x head -c " size "M /dev/zero, in order, into cat"
    title["D"] = "20 commands that compute, some MB each, into /dev/null"
    title["E"] = items " x /bin/true, 20 at once"
    title["F"] = "one /bin/true (seconds are for 50)"
    title["G"] = "children of 1000 bytes each"
    title["H"] = total " MiB through 20 children, in order"
    want["A", "bare tcp"] = 0.9
    want["B", "bare -r tcp"] = 0.9
    want["B", "MPI_Gatherv tcp"] = 1.5
    want["B", "MPI_Gatherv vader"] = 1.0
    want["C", "parallel -k"] = 1.5
    want["C", "parallel -k --lb"] = 1.8
    want["C", "xargs -P20"] = 0.65
    want["D", "xargs -P20"] = 0.9
    want["E", "xargs -P20 -n1"] = 1.0
    want["E", "parallel -j20"] = 4
    for (k = 1; k <= keys; k++) {
        r = row[k]
        if (r != last) {
            printf "\n%s\n", title[r]
            if (r == "G")
                printf "  %-18s %9s %7s %10s %7s\n", "children", "median s",
                    "spread", "us a child", "growth"
            else if (r != "H")
                printf "  %-18s %9s %7s %7s %7s\n", "", "median s",
                    "spread", "ratio", "wanted"
            last = r
            sum(r SUBSEP "gather")
            mine = median
            least = 0
        }
        sum(order[k])
        if (r == "G") {
            each = median / who[k] * 1e6
            growth = least > 0 ? each / least : 1
            if (least == 0 || each < least) least = each
            printf "  %-18s %9.4f %5d %% %10.1f %7.2f    <= 1.50 %s\n",
                who[k], median, spread, each, growth, verdict(growth <= 1.5)
        } else if (r == "H") {
            if (who[k] == "KiB")
                printf "  largest process    %9.1f MiB, wanted <= 72: %s\n",
                    median / 1024, verdict(median / 1024 <= 72)
            else
                printf "  time               %9.2f s, %.0f MB/s\n", median,
                    total * 1.048576 / median
        } else {
            printf "  %-18s %9.4f %5d %%", who[k], median, spread
            if (who[k] != "gather" && mine > 0)
                printf " %7.2f", median / mine
            if ((r, who[k]) in want)
                printf " %7.2f %s", want[r, who[k]],
                    verdict(median / mine >= want[r, who[k]])
            more = (mine - median) * 20 # milliseconds for one
            if (r == "F" && who[k] != "gather")
                printf "    gather: %.2f ms more, <= 2 %s", more,
                    verdict(more <= 2)
            printf "\n"
        }
    }
}' "$dir/times"
cat <<'END'

Ratio: the peer's median by gather's; above 1, gather is faster.  Spread:
largest less smallest, by the median.  Growth: the time for a child by the
least of those above.  A, C to G include everything from the first fork to the
last child's end; B starts when all arrays are filled, since MPI's call does.
`vader` is Open MPI's shared memory.  -d forgets what it reads, and iperf3
too: ceilings, not peers.  shm copies once, and leaves the arrays where they
are; bare loops check nothing on the way.  xargs and xe mix what their
commands write; rust-parallel keeps that whole, but not in order.
END
[ "$failures" = 0 ]
