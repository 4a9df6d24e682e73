#!/bin/sh
#
# pg-export.sh - a consistent parallel export from PostgreSQL, in order, as one
# stream on standard output.
#
#     pg-export.sh [-H] [-f format] [-k key] [-n parts] [-x options] what
#                  [an option of gather ...]
#
#     pg-export.sh orders >orders.tsv
#     pg-export.sh -H -f csv -k id 'select * from orders where total > 9' -j 8
#
# what        a table; or a query, which is what has a blank, unless it begins
#             with a quotation mark
# -f format   text, csv or binary
# -H          begin with a line that has the names of the columns
# -k key      a column or an expression to part and to sort by.  A query needs
#             one; a table is parted by the place of its rows without one
# -n parts    about so many; else one for each 4 MiB of a table, but at least
#             20, or with -k 40
# -x options  more options of COPY, such as "delimiter ';', null '-'"
#
# Options of gather that make sense are -j -l -m -o -p -q -r -t -v.  The server
# is named by PGHOST, PGPORT, PGUSER, PGDATABASE and so on.  Nobody is asked
# for a password: see PGPASSFILE.  There have to be as many connections free as
# there are jobs (20), and one.
#
# The result is that of `COPY table TO STDOUT`, scanned from its beginning, or
# of `COPY (SELECT * FROM (query) AS q ORDER BY key) TO STDOUT`, byte for byte,
# at one moment: whatever is written meanwhile does not show.  If keys are not
# unique, rows with the same one are in any order.  Without an index on the key
# every part scans the whole table.
#
# The exit status is that of gather: 0 if everything has been written.
# Otherwise psql and gather have said why on standard error.
#
# Every part starts psql.  What Debian has in /usr/bin is a script that looks
# for the real one; with that, in /usr/lib/postgresql/*/bin, first in PATH,
# parts start several times as fast.
#
# How: a session takes a snapshot and says which COPY each part needs.  Then
# it idles, with the locks that keep the tables as they are.  gather runs psql
# once for each part, in the same snapshot, and writes the parts in order.  The
# session reads its commands from a pipe that gather, which takes the place of
# this shell, and its children hold open at descriptor 3.  So it ends with the
# last of them, however they end.  Only who kills this shell by KILL, before it
# has the snapshot, leaves something: a directory of two pipes, and the session
# until it has done what it was told last.

die() {
    echo "pg-export: $*" >&2
    exit 1
}
usage() {
    echo "pg-export: $*" >&2
    die 'usage: pg-export.sh [-H] [-f text|csv|binary] [-k key] [-n parts]' \
        '[-x options] table|query [-j jobs] [-o template] ...'
}

# --- What is asked for

format=text header='' key='' parts='' more=''
while getopts :Hf:k:n:x: option; do
    case $option in
    H) header=', HEADER' ;;
    f) format=$OPTARG ;;
    k) key=$OPTARG ;;
    n) parts=$OPTARG ;;
    x) more=", $OPTARG" ;;
    *) usage "no option, or without its argument: -$OPTARG" ;;
    esac
done
shift $((OPTIND - 1))
[ -n "${1-}" ] || usage 'no table and no query'
what=$1
shift
OPTIND=1
while getopts :j:l:m:o:p:qr:t:v option; do
    case $option in [:?])
        usage "no option of gather, or without its argument: -$OPTARG" ;;
    esac
done
[ $# -lt $OPTIND ] || usage 'more than one word: a query needs quotes'

case $parts in *[!0-9]* | 0* | ??????*)
    usage "no number of parts: $parts" ;;
esac
case $format in
text | csv | binary) ;;
*) usage "no such format: $format" ;;
esac
case $more in *[,\ ][Hh][Ee][Aa][Dd][Ee][Rr]*)
    usage 'a header is asked for with -H' ;; # or each part would have one
esac
case $what in
[!\"]*' '*)
    [ -n "$key" ] || usage 'a query needs a key: -k'
    table='' query=$what
    while [ "$query" != "${query%[; ]}" ]; do
        query=${query%?}
    done
    ;;
*) table=$what query='' ;;
esac

if [ -z "${GATHER-}" ]; then
    GATHER=$(dirname "$0")/../gather
    [ -x "$GATHER" ] || GATHER=gather
fi
for tool in "$GATHER" psql; do
    command -v "$tool" >/dev/null || die "unable to find $tool"
done

# A binary COPY begins with 19 bytes that only the first part may have, and
# ends with 2 that only the last one may have.  This runs a command and leaves
# out what is not for its part; $0 is the number of the last one.
# shellcheck disable=SC2016 # it is for another shell
trim='
    first() { if [ "$GATHER_WHICH" -eq 0 ]; then cat; else tail -c +20; fi; }
    last() { if [ "$GATHER_WHICH" -eq "$0" ]; then cat; else head -c -2; fi; }
    exec 4>&1
    status=$({ { "$@" 3>&-; echo $? >&3; } | first | last >&4; } 3>&1)
    exit "$status"'
if [ "$format" = binary ]; then
    [ "$(printf abc | head -c -2 2>/dev/null)" = a ] ||
        die 'unable to export in binary: head knows no -c -2 here'
fi

# --- The session with the snapshot

umask 077
dir=${TMPDIR:-/tmp}/pg-export.$$
mkdir "$dir" || exit 1
session=''
trap 'rm -rf "$dir"; [ -z "$session" ] || kill "$session" 2>/dev/null' 0
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
mkfifo "$dir/in" "$dir/out" || exit 1
: "${PGAPPNAME:=pg-export}"
export PGAPPNAME
psql -X -q -w -A -t -v ON_ERROR_STOP=1 -v table="$table" -v query="$query" \
    -v key="$key" -v parts="$parts" -v options="FORMAT $format$more" \
    -v header="$header" -v items="$dir/items" <"$dir/in" >"$dir/out" &
session=$!
exec 3>"$dir/in" 4<"$dir/out"
cat >&3 2>/dev/null <<'.'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET idle_in_transaction_session_timeout = 0;

-- A server of version 14 or later on Linux can notice that a client has gone
-- while its query works; any other does when it sends something.
SELECT pg_export_snapshot() AS snapshot,
    current_setting('server_version_num')::int >= 140000
        AND version() ~ 'linux' AS checks,
    :'table' <> '' AS is_table, :'key' <> '' AS has_key \gset
\if :checks
    SET client_connection_check_interval = '1s';
\endif

-- A table is a query for what COPY would send: no heirs, no generated columns.
\if :is_table
    SELECT format('SELECT %s FROM %s %s', string_agg(quote_ident(attname),
            ', ' ORDER BY attnum), CASE relkind WHEN 'p' THEN '' ELSE 'ONLY'
            END, :'table'::regclass) AS query,
        relkind NOT IN ('r', 'm') AND :'key' = '' AS unfit,
        pg_relation_size(c.oid) / current_setting('block_size')::int AS blocks
    FROM pg_class c LEFT JOIN pg_attribute ON attrelid = c.oid
        AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    WHERE c.oid = :'table'::regclass GROUP BY c.oid \gset
    \if :unfit
        \echo unfit
        \quit
    \endif
\endif

-- This takes the locks that the query needs, until the session ends.  The plan
-- is written where the items shall be, and is overwritten.
\o :items
SELECT format(E'EXPLAIN SELECT FROM (%s\n) AS q', :'query') \gexec
\o

-- Where parts begin: numbers and literals.  Keys that are NULL come last.
\if :has_key
    SELECT '(' || :'key' || ')' AS place, ' ORDER BY ' || :'key' AS tail,
        E'SELECT * FROM (' || :'query' || E'\n) AS q' AS head,
        format($$
            SELECT min(n), start::text FROM (
                SELECT percentile_disc(ARRAY(SELECT i / %1$s.0::float8
                    FROM generate_series(1, %1$s - 1) AS i))
                    WITHIN GROUP (ORDER BY %2$s) AS starts
                FROM (%3$s
                ) AS q) AS p, unnest(starts) WITH ORDINALITY AS u(start, n)
            GROUP BY start UNION ALL SELECT 0, NULL
            $$, coalesce(nullif(:'parts', ''), '40'), :'key', :'query')
        AS starts \gset
\else
    SELECT 'ctid' AS place, '' AS tail, :'query' AS head, format($$
        SELECT i, '(' || i || ',0)' FROM generate_series(0, %s, %s) AS i $$,
        greatest(blocks - 1, 0), greatest(1, CASE :'parts' WHEN '' THEN least(
            4194304 / current_setting('block_size')::int, (blocks + 19) / 20)
            ELSE (blocks - 1) / coalesce(nullif(:'parts', ''), '1')::int + 1
            END)) AS starts
    FROM (SELECT :blocks::bigint) AS b(blocks) \gset
\endif

\pset recordsep_zero
\o :items
SELECT format($$
    WITH part AS (
        SELECT n, coalesce(nullif(concat_ws(' AND ',
            %2$L || ' >= ' || quote_literal(start),
            %2$L || ' < ' || quote_literal(lead(start) OVER (ORDER BY n))),
            ''), 'true') AS condition
        FROM (%1$s) AS s(n, start)
        UNION ALL SELECT 1000000, %2$L || ' IS NULL' WHERE %2$L <> 'ctid'
    )
    SELECT concat('COPY (', %3$L, ' WHERE ', condition, %4$L,
        ') TO STDOUT (', %5$L, CASE n WHEN 0 THEN %6$L END, ')')
    FROM part ORDER BY n $$, :'starts', :'place', :'head', :'tail', :'options',
    :'header') \gexec
\o
\echo :snapshot :checks
.
read -r snapshot checks <&4 || die 'unable to take a snapshot'
[ "$snapshot" != unfit ] || die "unable to part $table by place: it needs a" \
    'key (-k)'
count=$(tr -cd '\0' <"$dir/items" | wc -c)
exec 4<&- 5<"$dir/items"
rm -rf "$dir"

# --- The parts

# Whoever makes a part wait for a lock waits for the lock of the session, which
# waits for the part.  Parts without a key are scanned from their beginning, by
# one process, as nothing else gives them an order.
PGOPTIONS="-c lock_timeout=10s ${PGOPTIONS-}"
[ -n "$key" ] || PGOPTIONS="$PGOPTIONS -c synchronize_seqscans=off \
-c max_parallel_workers_per_gather=0"
[ "$checks" = f ] ||
    PGOPTIONS="-c client_connection_check_interval=1s $PGOPTIONS"
export PGOPTIONS

# Some shells close descriptors that are not named here.
set -- "$GATHER" "$@" -0 -a -
[ "$format" != binary ] || set -- "$@" sh -c "$trim" $((count - 1))
exec "$@" psql -X -q -w -v ON_ERROR_STOP=1 \
    -c 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' \
    -c "SET TRANSACTION SNAPSHOT '$snapshot'" -c '{}' -c COMMIT <&5 3>&3 5<&-
