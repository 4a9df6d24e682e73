#!/bin/sh
# How gather grows: time and the largest process, along one axis at a time.
#
#     sh bench/scale.sh [plot.svg]
#
# Prints a table and, if a file is named and gnuplot is installed, draws it.
# Each figure is the median of three runs if these are short, else of one.
# Variables make the lists shorter, for a smoke run:
#
#     CHILDREN  children of 1000 bytes, all at once
#     ARRAYS    bytes for each of 20 cursors, which the parent holds
#     STREAMS   bytes from each of 20 commands, which pass through
#     GIANTS    bytes from each of 2 commands
#     ITEMS     cursors of 8 bytes, 20 at once
#     COMMANDS  runs of /bin/true, 20 at once
set -u
cd "$(dirname "$0")/.." || exit 1
plot=${1:-}
CHILDREN=${CHILDREN:-1 2 5 20 50 200 500 2000 4000 8000}
ARRAYS=${ARRAYS:-1 1000 16384 131072 1048576 8388608 67108864 134217728}
STREAMS=${STREAMS:-1 1000 16384 131072 1048576 8388608 67108864 268435456}
GIANTS=${GIANTS:-1073741824 4294967296}
ITEMS=${ITEMS:-10 100 1000 10000 100000 1000000}
COMMANDS=${COMMANDS:-10 100 1000 10000}
CC=${CC:-cc}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
make -s CC="$CC" gather || exit 1
cp gather "$dir/gather" || exit 1
$CC -std=c99 -D_POSIX_C_SOURCE=200112L -O2 -o "$dir/clock" bench/clock.c ||
    exit 1
failures=0

# point SERIES X UNITS ARGUMENT...: one line of the table.  UNITS is how many
# there are of what the last but one column is the time of.
point() {
    series=$1 x=$2 units=$3
    shift 3
    : >"$dir/out"
    for i in 1 2 3; do
        timeout 600 "$dir/clock" "$dir/out" "$dir/gather" -q -p 0 "$@" \
            >/dev/null 2>"$dir/err" </dev/null
        awk '$1 > 5 { exit 1 }' "$dir/out" || break # once is enough
    done
    awk -v i="$i" '$4 == 0 { n++ } END { exit n == i ? 0 : 1 }' \
        "$dir/out" || {
        echo "failed: gather $*: $(tail -n 1 "$dir/err")" >&2
        failures=$((failures + 1))
        return
    }
    sort -n "$dir/out" | awk -v s="$series" -v x="$x" -v u="$units" '
        { took[NR] = $1; cpu[NR] = $2; if ($3 > kib) kib = $3 }
        END {
            m = int((NR + 1) / 2)
            printf "%s\t%s\t%.6f\t%.6f\t%d\t%.3f\n", s, x, took[m], cpu[m],
                kib, took[m] / u * 1e6
        }' >>"$dir/points"
    tail -n 1 "$dir/points" | awk -F '\t' '{
        printf "  %12s %11.4f %11.4f %11.1f %13s\n", $2, $3, $4, $5 / 1024,
            $6 < 1e6 ? $6 : "-" }'
}

# part TITLE X UNIT: begins a part of the table.
part() {
    printf '\n%s\n  %12s %11s %11s %11s %13s\n' "$1" "$2" "seconds" \
        "CPU s" "peak MiB" "$3"
}

echo "How gather grows.  Load averages at the start:" \
    "$(cut -d ' ' -f 1-3 /proc/loadavg 2>/dev/null || uptime)"
part "Children of 1000 bytes, all at once" children "us a child"
for n in $CHILDREN; do
    point children "$n" "$n" -j "$n" -n "$n" -s 1000
done
part "20 cursors, held in the parent" "bytes each" "us a MiB"
for n in $ARRAYS; do
    point arrays "$n" "$(echo "$n" | awk '{ print 20 * $1 / 1048576 }')" \
        -n 20 -s "$n"
done
part "20 commands, in order, passing through" "bytes each" "us a MiB"
for n in $STREAMS; do
    point streams "$n" "$(echo "$n" | awk '{ print 20 * $1 / 1048576 }')" \
        -n 20 head -c "$n" /dev/zero
done
part "2 commands, in order, passing through" "bytes each" "us a MiB"
for n in $GIANTS; do
    point giants "$n" "$(echo "$n" | awk '{ print 2 * $1 / 1048576 }')" \
        -n 2 head -c "$n" /dev/zero
done
part "Cursors of 8 bytes, 20 children" items "us an item"
for n in $ITEMS; do
    point items "$n" "$n" -j 20 -n "$n" -s 8
done
part "Runs of /bin/true, 20 at once" items "us an item"
for n in $COMMANDS; do
    point commands "$n" "$n" -n "$n" /bin/true
done
cat <<'END'

Seconds: from start to exit of gather, so with the checksums and the table of
the demonstration.  Peak: the largest of gather's processes, the parent in all
parts but those whose children hold arrays as large as its own.
END

[ -n "$plot" ] || exit $((failures > 0))
if ! command -v gnuplot >/dev/null; then
    echo "No plot: gnuplot is not installed."
    exit $((failures > 0))
fi
for s in children arrays streams giants items commands; do
    awk -F '\t' -v s=$s '$1 == s { print $2, $3, $5 / 1024 }' \
        "$dir/points" >"$dir/$s"
done
gnuplot <<END || exit 1
set terminal svg size 1000,800 font "sans,11"
set output '$plot'
set multiplot layout 2,2
set logscale xy
set key top left
set grid
set format x '10^{%L}'
set ylabel 'seconds'
set title 'Time, by number'
set xlabel 'children, or items'
plot '$dir/children' with linespoints title 'children of 1000 bytes', \\
    '$dir/items' with linespoints title 'cursors, 20 children', \\
    '$dir/commands' with linespoints title '/bin/true, 20 at once'
set title 'Time, by size'
set xlabel 'bytes each'
plot '$dir/arrays' with linespoints title '20 cursors, held', \\
    '$dir/streams' with linespoints title '20 commands', \\
    '$dir/giants' with linespoints title '2 commands'
set ylabel 'MiB'
set title 'Largest process, by number'
set xlabel 'children, or items'
plot '$dir/children' using 1:3 with linespoints title 'children', \\
    '$dir/items' using 1:3 with linespoints title 'cursors', \\
    '$dir/commands' using 1:3 with linespoints title '/bin/true'
set title 'Largest process, by size'
set xlabel 'bytes each'
plot '$dir/arrays' using 1:3 with linespoints title '20 cursors, held', \\
    '$dir/streams' using 1:3 with linespoints title '20 commands', \\
    '$dir/giants' using 1:3 with linespoints title '2 commands'
END
exit $((failures > 0))
