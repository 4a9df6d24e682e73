#!/bin/sh
#
# database.sh - twenty cursors in PostgreSQL, one after the other and at once.
#
#     bench/database.sh              5 rounds; some minutes
#     ROUNDS=9 ROWS=100000 bench/database.sh
#
#     PYTHON=/path/to/python bench/database.sh    one that has modules that the
#                                                 usual one has not
#
# Prints a table: seconds, median (lowest to highest), how often that goes into
# the time of the first line of its block, and the median of the seconds of
# processor time, of the server and its clients.  In every round each command
# runs once, so that whatever else the machine does hits all of them.
#
# The cursors that wait have 20 rows each, for every one of which a function
# sleeps for 10 ms, as if each came over a slow network or from a slow disk.
# Those that work compute digests over a twentieth of a table.  Those that
# deliver are the twentieths themselves: 20 tables, which a view adds up to
# one, and which also are in one plain table.  Standard output is a file.
#
# All write the same bytes; those that are marked with a * write as many lines,
# in another order or format.  ConnectorX and DuckDB do not do what pg-export
# does: the first has no snapshot, and both have no order.
#
# Needs what tests/cluster.sh needs, Linux, and GNU date.  GNU parallel,
# pg_dump, ConnectorX (with pyarrow) and DuckDB (duckdb, and the extension
# duckdb-extension-postgres-scanner of the same version), all of PyPI, are left
# out, and named, if they are missing.

LC_ALL=C
export LC_ALL
here=$(cd "$(dirname "$0")/.." && pwd) || exit 1
: "${GATHER:=$here/gather}" "${ROUNDS:=5}" "${ROWS:=2000000}"
: "${PYTHON:=python3}"
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

# processor: the time that the server and this shell have had for processes
# that have ended, in hundredths of seconds.
server=$(sed 1q "$dir/pg/data/postmaster.pid")
processor() {
    awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*[)] /, ""); t += $14 + $15 }
        END { print int(t * 100 / hz) }' "/proc/$server/stat" "/proc/$$/stat"
}

# run BLOCK NAME COMMAND: measures it.  All of a block have to write the same,
# or as many lines if there is a * in the name.
run() {
    block=$1 name=$2
    shift 2
    before=$(processor)
    start=$(date +%s%N)
    "$@" >"$dir/out" || {
        echo "$block: $name: status $?" >&2
        exit 1
    }
    stop=$(date +%s%N)
    sleep 0.3 # for the sessions, which end on their own
    echo "$block|$name|$(((stop - start) / 1000))|$(($(processor) - before))" \
        >>"$dir/results"
    case $name in
    *\**) way=lines sum='wc -l' ;;
    *) way=bytes sum=cksum ;;
    esac
    $sum <"$dir/out" >"$dir/sum"
    [ -f "$dir/sum.$way.$block" ] || cp "$dir/sum" "$dir/sum.$way.$block"
    cmp "$dir/sum" "$dir/sum.$way.$block" || exit 1
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
    pg_dump -F d -Z 0 -j "$1" -f "$dir/dump" --data-only -t 't_*' &&
        cat "$dir"/dump/[0-9]*.dat | grep -v -e '^$' -e '^\\\.$'
}

# connectorx SQL: 20 cursors, parted by id, into one table in memory, and from
# there to standard output.
connectorx() {
    "$PYTHON" - "$1" "$PGHOST" <<'.'
import sys, connectorx, pyarrow.csv
sql, socket = sys.argv[1:]
table = connectorx.read_sql(
    f"postgresql://owner@localhost/postgres?host={socket}", sql,
    partition_on="id", partition_num=20, return_type="arrow")
pyarrow.csv.write_csv(table, sys.stdout.buffer,
    pyarrow.csv.WriteOptions(include_header=False, delimiter="\t"))
.
}

# duckdb TABLE: its scanner, by place, with 20 threads.
duckdb() {
    "$PYTHON" - "$1" <<'.'
import sys, duckdb, glob, os, duckdb_extension_postgres_scanner as scanner
[path] = glob.glob(os.path.dirname(scanner.__file__) + "/extensions/*/*")
db = duckdb.connect(config={"threads": 20})
db.execute(f"LOAD '{path}'; ATTACH '' AS pg (TYPE postgres, READ_ONLY)")
db.execute(f"""COPY (FROM pg.public.{sys.argv[1]}) TO '/dev/stdout'
    (FORMAT csv, DELIMITER '\t', HEADER false)""")
.
}
module() {
    "$PYTHON" -c "import $1" 2>/dev/null
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
rows='connectorx, pyarrow.csv' scan='duckdb, duckdb_extension_postgres_scanner'
module "$rows" || echo "missing: ConnectorX"
module "$scan" || echo "missing: DuckDB's scanner"
export="$here/examples/pg-export.sh"
few='SELECT id, slow(id) FROM few'
digests='SELECT id, sha512(sha512(sha512(name::bytea)))::text FROM t
    WHERE id % 4 = 0'
round=0
while [ $((round += 1)) -le "$ROUNDS" ]; do
    peers 'cursors that wait' "$waits"
    run 'cursors that wait' 'pg-export.sh -k id -n 20 *' \
        "$export" -k id -n 20 "$few"
    ! module "$rows" ||
        run 'cursors that wait' 'ConnectorX, 20 partitions *' connectorx "$few"
    peers 'cursors that work' "$works"
    run 'cursors that work' 'pg-export.sh -k id -n 20 *' \
        "$export" -k id -n 20 "$digests"
    ! module "$rows" || run 'cursors that work' \
        'ConnectorX, 20 partitions *' connectorx "$digests"
    peers 'cursors that deliver' "$delivers"
    # shellcheck disable=SC2086 # as above
    run 'cursors that deliver' 'psql, one COPY of all' \
        $PSQL 'COPY t TO STDOUT'
    run 'cursors that deliver' 'pg-export.sh' "$export" t
    run 'cursors that deliver' 'pg-export.sh -k id' "$export" -k id t
    if has pg_dump; then
        run 'cursors that deliver' 'pg_dump, one job, then cat *' dump 1
        run 'cursors that deliver' 'pg_dump -j 20, then cat *' dump 20
    fi
    ! module "$rows" || run 'cursors that deliver' \
        'ConnectorX, 20 partitions *' connectorx 'SELECT * FROM t'
    ! module "$scan" || run 'cursors that deliver' \
        "DuckDB's scanner, 20 threads *" duckdb t
done

# Blocks and lines in the order in which they came first.
awk -F '|' '
    !($1 in lines) { blocks[++b] = $1; lines[$1] = 0 }
    !(($1, $2) in n) { line[$1, ++lines[$1]] = $2 }
    {   # times of a line, sorted as they come
        for (k = ++n[$1, $2]; k > 1 && t[$1, $2, k - 1] > $3 + 0; k--)
            t[$1, $2, k] = t[$1, $2, k - 1]
        t[$1, $2, k] = $3 + 0
        for (k = n[$1, $2]; k > 1 && p[$1, $2, k - 1] > $4 + 0; k--)
            p[$1, $2, k] = p[$1, $2, k - 1]
        p[$1, $2, k] = $4 + 0
    }
    function median(key, m) {
        m = n[key]
        return (t[key, int((m + 1) / 2)] + t[key, int(m / 2) + 1]) / 2e6
    }
    END {
        for (i = 1; i <= b; i++) {
            printf "\n%-37s %8s %18s %7s %6s\n", blocks[i], "median",
                "(lowest to highest)", "ratio", "CPU s"
            for (j = 1; j <= lines[blocks[i]]; j++) {
                key = blocks[i] SUBSEP line[blocks[i], j]
                if (j == 1) first = median(key)
                printf "  %-35s %8.3f (%6.3f to %6.3f) %6.2fx %6.2f\n",
                    line[blocks[i], j], median(key), t[key, 1] / 1e6,
                    t[key, n[key]] / 1e6, first / median(key),
                    p[key, int((n[key] + 1) / 2)] / 100
            }
        }
    }' "$dir/results"
