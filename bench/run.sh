#!/bin/sh
#
# run.sh - gather beside its peers: one table, made in one run.
#
#     sh bench/run.sh [rounds]             5 rounds unless told otherwise
#     OLD=/some/gather sh bench/run.sh     beside an older one as well
#
# Every round measures everything once, so that what disturbs the machine for
# a while disturbs all alike.  What was disturbed is measured again, up to
# TRIES times (3); what was disturbed each time has a question mark.  A few
# long ones are measured in the first round only.  With 5 rounds it takes a
# quarter of an hour on a fast machine.  Variables make it smaller:
#
#     ONLY      rows, by letter (ABCDEFGHIJK)
#     SIZE      A to D: MiB for each of 20 children (64)
#     ITEMS     E: runs of /bin/true (2000)
#     CHILDREN  G: numbers of children (20 200 2000 8000)
#     TOTAL     H: MiB in all (10240)
#     MANY      I: numbers of items; the first is for peers, too (10000 100000
#               1000000)
#     QUICK     J: quick items behind the slow one (100000)
#     FAR       K: items of 1 KiB, and of 10 MiB (1000 100)
#
# rows.sh has the rows, table.awk the table and what is wanted.  Needs a C
# compiler.  Peers that are not installed are named as missing, and so are
# rows that need root or something of the kernel.  To have all of them:
#
#     apt-get install parallel xe openmpi-bin libopenmpi-dev \
#         openssh-server iproute2
#     cargo install rust-parallel
#     go install github.com/shenwei356/rush@latest
#
# The exit status is 0 if everything that was there could be run.
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${1:-5}
case $rounds in
'' | *[!0-9]* | 0)
    echo "usage: sh bench/run.sh [rounds]" >&2
    exit 2
    ;;
esac
: "${ONLY:=ABCDEFGHIJK}" "${SIZE:=64}" "${ITEMS:=2000}" "${TOTAL:=10240}"
: "${CHILDREN:=20 200 2000 8000}" "${MANY:=10000 100000 1000000}"
: "${QUICK:=100000}" "${FAR:=1000 100}" "${TRIES:=3}" "${OLD:=}" "${CC:=cc}"
bytes=$((SIZE * 1048576))
cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
dir=$(mktemp -d) || exit 1
export dir SIZE ITEMS TOTAL bytes
# Where cargo and go put what they install.
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin:${GOPATH:-$HOME/go}/bin
export PATH

# shellcheck source=bench/measure.sh
. bench/measure.sh
# shellcheck source=bench/network.sh
. bench/network.sh
# shellcheck source=bench/rows.sh
. bench/rows.sh
trap 'network_end; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# wants LETTER: is the row to be measured?
wants() {
    case $ONLY in
    *"$1"*) return 0 ;;
    esac
    return 1
}

# --- What is measured, built afresh

flags='-std=c99 -D_POSIX_C_SOURCE=200112L -D_XOPEN_SOURCE=600 -O2'
make -s CC="$CC" gather || exit 1
mkdir "$dir/lib" || exit 1
cp gather client.o server.o signals.o "$dir" || exit 1
cp lib/*.o "$dir/lib" || exit 1
[ -z "$OLD" ] || cp "$OLD" "$dir/old" || exit 1

# build NAME [WHAT]: a program of this directory.
build() {
    name=$1
    shift
    # shellcheck disable=SC2086  # several words
    $CC $flags -o "$dir/$name" "bench/$name.c" "$@"
}
build clock && build page-costs && build bare -lpthread -lrt &&
    build relay -lpthread &&
    build cursors "$dir"/*.o "$dir"/lib/*.o -lpthread || exit 1
build tiny -static 2>/dev/null || build tiny || exit 1

# --- Peers

# first COMMAND: the first line of what it prints.
first() {
    "$@" 2>&1 </dev/null | sed -n 1p
}

# version PEER: what it says of itself.
version() {
    case $1 in
    xe) # it does not say
        v=$(dpkg-query -W xe 2>/dev/null)
        echo "xe${v#xe}" | tr '\t' ' '
        ;;
    ssh) first ssh -V ;;
    *) first "$1" --version ;;
    esac
}

missing=
versions=$("$dir/gather" -V)
for peer in xargs parallel xe rust-parallel rush mpirun ssh; do
    if command -v $peer >/dev/null; then
        versions="$versions; $(version $peer)"
    else
        missing="$missing $peer"
    fi
done
if has mpirun && ! mpicc -O2 -o "$dir/mpi" bench/mpi.c 2>/dev/null; then
    missing="$missing mpicc"
fi
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM

# --- The machine.  No names: the table may be shown to anybody

"$dir/page-costs" >"$dir/costs" || exit 1
model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null |
    sed -n 1p)
memory=$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' \
    /proc/meminfo 2>/dev/null)
load=$(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null)
began=$(date +%s)

wants K && network_begin
round=1
while [ $round -le "$rounds" ]; do
    for row in A B C D E F G H I J K; do
        if wants $row; then "row_$row"; fi
    done
    round=$((round + 1))
done

fold -s -w 79 <<END | sed 's/ *$//'
gather beside its peers, interleaved, rounds: $rounds

Machine: $cpus processors ($model), $memory, $(uname -s) $(uname -r) \
$(uname -m), $(first "$CC" --version).  Load averages at the start: $load.  \
It took $(($(date +%s) - began)) s; $repeated measurements were disturbed, \
and made again.
END
cat "$dir/costs"
echo "$versions." | fold -s -w 79 | sed 's/ *$//'
[ -z "$missing" ] || echo "Missing, so not compared:$missing."
[ -s "$dir/times" ] || exit 1
awk -f bench/table.awk -v size="$SIZE" -v items="$ITEMS" -v total="$TOTAL" \
    -v quick="$QUICK" -v far="$FAR" -v wire="$wire" "$dir/costs" "$dir/times"
cat <<'END'

Seconds: the median.  Range: largest less smallest, in percent of it.  CPU s,
pf, cs: processor time of the user and the system, page faults and context
switches, of all processes together, medians.  Ratio, and CPU: the peer's by
gather's; above 1, gather takes less.  MiB: the largest process.  A question
mark: others disturbed it each time.

A and C to K include everything from the first fork to the last child's end; B
starts when all arrays are filled, since MPI's call does, but not its columns
behind the first two.  `vader` is Open MPI's shared memory.  -l has arrays in
huge pages; -d forgets what it reads: a ceiling, no peer.  shm copies once, and
leaves the arrays where they are.  Bare programs have no protocol and check
nothing on the way.  xargs and xe mix what their commands write; -k keeps it
whole and in order.
END
[ "$failures" = 0 ]
