#!/bin/sh
#
# database.sh - twenty cursors in PostgreSQL, one after the other and at once.
#
#     bench/database.sh              5 rounds; some minutes
#     ROUNDS=9 ROWS=100000 bench/database.sh
#
# Prints a table: seconds, median (lowest to highest), and how often that goes
# into the time of the first line of its block.  In every round each command
# runs once, so that whatever else the machine does hits all of them.
#
# The cursors that wait have 20 rows each, for every one of which a function
# sleeps for 10 ms, as if each came over a slow network or from a slow disk.
# Those that work compute digests over a twentieth of a table.  Those that
# deliver are the twentieths themselves: 20 tables, which a view adds up to
# one, and which also are in one plain table.  Standard output is a file.
#
# Needs what tests/cluster.sh needs, and GNU date.  GNU parallel and pg_dump
# are left out, and named, if they are missing.

LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")/.." && pwd) || exit 1
: "${GATHER:=$here/gather}" "${ROUNDS:=5}" "${ROWS:=2000000}"
export GATHER
[ -x "$GATHER" ] || {
    echo "There is no $GATHER: say make first." >&2
    exit 1
}

# shellcheck source=tests/cluster.sh
. "$here/tests/cluster.sh"
dir=${TMPDIR:-/tmp}/gather-bench.$$
mkdir -m 711 "$dir" || exit 1
mkdir "$dir/times"
cluster_dir=$dir/pg
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
trap 'cluster_stop immediate; rm -rf "$dir"' 0

cluster_find || {
    echo "There is no $lack." >&2
    exit 1
}
cluster_make "$dir/pg" || exit 1
psql -X -q -v ON_ERROR_STOP=1 -v rows="$ROWS" <<'.' || exit 1
CREATE TABLE t AS SELECT i AS id, md5(i::text) AS name,
    (i * 7919::bigint) % 1000003 AS amount, i / 8.0::float8 AS price
    FROM generate_series(1, :rows) AS i;
ALTER TABLE t ADD PRIMARY KEY (id);
SELECT format('CREATE TABLE t_%1$s AS SELECT * FROM t
        WHERE id > %1$s * %2$s AND id <= (%1$s + 1) * %2$s', i, :rows / 20)
    FROM generate_series(0, 19) AS i \gexec
CREATE TABLE few AS SELECT i AS id FROM generate_series(1, 400) AS i;
CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql STABLE
    AS 'BEGIN PERFORM pg_sleep(0.01); RETURN i; END';
VACUUM ANALYZE;
CHECKPOINT;
.

PSQL='psql -X -q -v ON_ERROR_STOP=1 -c'
waits='COPY (SELECT slow(id) FROM few WHERE id % 20 = {}) TO STDOUT'
works="COPY (SELECT id, sha512(sha512(sha512(name::bytea))) FROM t_{}
    WHERE id % 4 = 0) TO STDOUT"
delivers='COPY t_{} TO STDOUT'

# one_by_one SQL: twenty cursors, each after the last.
one_by_one() {
    i=0
    while [ $i -lt 20 ]; do
        $PSQL "$(echo "$1" | sed "s/{}/$i/")" || return
        i=$((i + 1))
    done
}

# run BLOCK NAME COMMAND: measures it.  All of a block, but for dumps, have to
# write the same.
run() {
    block=$1 name=$2
    shift 2
    start=$(date +%s%N)
    "$@" >"$dir/out" || {
        echo "$block: $name: status $?" >&2
        exit 1
    }
    stop=$(date +%s%N)
    echo "$block|$name|$(((stop - start) / 1000))" >>"$dir/results"
    [ -s "$dir/out" ] || return 0
    cksum <"$dir/out" >"$dir/sum"
    [ -f "$dir/sum.$block" ] || cp "$dir/sum" "$dir/sum.$block"
    cmp "$dir/sum" "$dir/sum.$block" || exit 1
}
has() {
    command -v "$1" >/dev/null
}

# through_parallel SQL: it has no single quote in it.
through_parallel() {
    seq 0 19 | parallel --will-cite -k -j 20 "$PSQL '$1'"
}
dump() {
    rm -rf "$dir/dump"
    pg_dump -F d -Z 0 -j "$1" -f "$dir/dump" --data-only -t 't_*'
}

# peers BLOCK SQL
# shellcheck disable=SC2086 # $PSQL is words
peers() {
    run "$1" 'psql, 20 times, one after the other' one_by_one "$2"
    run "$1" 'gather -n 20 psql' "$GATHER" -n 20 $PSQL "$2"
    ! has parallel || run "$1" 'parallel -k -j 20 psql' through_parallel "$2"
}

echo "$ROUNDS rounds, $ROWS rows, $(nproc) processors, $(uname -sm), \
$(psql -X -A -t -c 'SHOW server_version')"
for tool in parallel pg_dump; do
    has $tool || echo "missing: $tool"
done
round=0
while [ $((round += 1)) -le "$ROUNDS" ]; do
    peers 'cursors that wait' "$waits"
    peers 'cursors that work' "$works"
    peers 'cursors that deliver' "$delivers"
    # shellcheck disable=SC2086 # as above
    run 'cursors that deliver' 'psql, one COPY of all' \
        $PSQL 'COPY t TO STDOUT'
    run 'cursors that deliver' 'examples/pg-export.sh' \
        "$here/examples/pg-export.sh" t
    if has pg_dump; then
        run 'cursors that deliver' 'pg_dump, one job' dump 1
        run 'cursors that deliver' 'pg_dump -j 20, to a directory' dump 20
    fi
done

# Blocks and lines in the order in which they came first.
awk -F '|' '
    !($1 in lines) { blocks[++b] = $1; lines[$1] = 0 }
    !(($1, $2) in n) { line[$1, ++lines[$1]] = $2 }
    {   # times of a line, sorted as they come
        for (k = ++n[$1, $2]; k > 1 && t[$1, $2, k - 1] > $3 + 0; k--)
            t[$1, $2, k] = t[$1, $2, k - 1]
        t[$1, $2, k] = $3 + 0
    }
    function median(key, m) {
        m = n[key]
        return (t[key, int((m + 1) / 2)] + t[key, int(m / 2) + 1]) / 2e6
    }
    END {
        for (i = 1; i <= b; i++) {
            printf "\n%-38s %8s %19s %7s\n", blocks[i], "median",
                "(lowest to highest)", "ratio"
            for (j = 1; j <= lines[blocks[i]]; j++) {
                key = blocks[i] SUBSEP line[blocks[i], j]
                if (j == 1) first = median(key)
                printf "  %-36s %8.3f   (%6.3f to %6.3f) %6.2fx\n",
                    line[blocks[i], j], median(key), t[key, 1] / 1e6,
                    t[key, n[key]] / 1e6, first / median(key)
            }
        }
    }' "$dir/results"
