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
# Every part runs the query again, so what would be another result each time is
# refused: ../doc/databases has the list.  It is found where the server says
# how it understands the query.  What functions do is not looked at, but for
# those in SQL that become a part of the query: they are taken at their word,
# VOLATILE, STABLE or IMMUTABLE.
#
# Every part proves the number of rows that it has written: by key against what
# it has to have according to one run of the query as a whole, which also finds
# the keys at which parts begin; by place against what its session counts.
#
# The exit status is that of gather: 0 if everything has been written and is
# proved.  Otherwise psql, gather or this has said why on standard error.
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

format=text header=false key='' parts='' more=''
while getopts :Hf:k:n:x: option; do
    case $option in
    H) header=true ;;
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
case $what in
[!\"]*[[:space:]]*)
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

if [ "$format" = binary ]; then
    [ "$(printf abc | head -c -2 2>/dev/null)" = a ] ||
        die 'unable to export in binary: head knows no -c -2 here'
fi

# --- What a part does

# A part is a script for psql.  psql counts the rows that it copies, if these
# do not go where its other output goes (\g); that has to be what the item says
# or, if that says `all`, what the server counts.
#
# A binary COPY begins with 19 bytes that only the first part may have, and
# ends with 2 that only the last one may have.
part() {
    cat <<'.'
snapshot=$1 moment=$2 format=$3 last=$4 item=$5 rows=${5##*-- }
table=${item#COPY (}
table=${table%) TO STDOUT (*}
case $rows in
all*) count="SELECT count(*) AS pg_export_rows FROM ($table) AS q \\gset" ;;
*) count="\\set pg_export_rows ${rows%% *}" ;;
esac
copy() {
    $1 psql -X -q -w -A -t -v ON_ERROR_STOP=1 -f - <<end
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET TRANSACTION SNAPSHOT '$snapshot';
SET LOCAL synchronize_seqscans = off;
SET LOCAL max_parallel_workers_per_gather = 0;
$item
\\g /dev/stdout
\\set pg_export_written :ROW_COUNT
$count
SELECT format('DO %L', format('BEGIN RAISE EXCEPTION %L; END', fault))
FROM (SELECT CASE
    WHEN concat_ws('/', extract(epoch FROM pg_postmaster_start_time()),
        txid_current_snapshot()) <> '$moment'
    THEN 'this is another server, or another snapshot'
    WHEN :pg_export_written <> :pg_export_rows
    THEN format('%s rows were written, but the part has %s',
        :pg_export_written, :pg_export_rows)
    END) AS f (fault) WHERE fault IS NOT NULL \\gexec
COMMIT;
end
}
first() { if [ "$GATHER_WHICH" -eq 0 ]; then cat; else tail -c +20; fi; }
last() { if [ "$GATHER_WHICH" -eq "$last" ]; then cat; else head -c -2; fi; }
[ "$format" = binary ] || copy exec
exec 4>&1
status=$({ { copy '' 3>&-; echo $? >&3; } | first | last >&4; } 3>&1)
exit "$status"
.
}

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
    -v key="$key" -v parts="$parts" -v header="$header" \
    -v options="FORMAT $format, HEADER false$more" \
    -v statement="$dir/statement" -v items="$dir/items" \
    <"$dir/in" >"$dir/out" &
session=$!
exec 3>"$dir/in" 4<"$dir/out"

refuse() {
    die "unable to export that: $*"
}
remedy='Make a table of it (CREATE TABLE name AS ...), and export that.'

# answer WHAT: the next line that the session has for us; without one it has
# said why on standard error.
answer() {
    read -r reply <&4 || die "unable to $1"
    case $reply in
    refused* | *' try again') refuse "${reply#* }" ;;
    remedy*) refuse "${reply#* }.  $remedy" ;;
    esac
}

cat >&3 2>/dev/null <<'.'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET idle_in_transaction_session_timeout = 0;
SET synchronize_seqscans = off;

-- A server of version 14 or later on Linux can notice that a client has gone
-- while its query works; any other does when it sends something.
SELECT pg_export_snapshot() AS snapshot,
    concat_ws('/', extract(epoch FROM pg_postmaster_start_time()),
        txid_current_snapshot()) AS moment,
    current_setting('server_version_num')::int >= 140000
        AND version() ~ 'linux' AS checks,
    :'table' <> '' AS is_table, :'key' <> '' AS has_key \gset
\if :checks
    SET client_connection_check_interval = '1s';
\endif

-- A table is a query for what COPY would send: no heirs, no generated columns.
\if :is_table
    SELECT format('SELECT %s FROM %s %I.%I', string_agg(quote_ident(attname),
            ', ' ORDER BY attnum), CASE relkind WHEN 'p' THEN '' ELSE 'ONLY'
            END, nspname, relname) AS query,
        :'key' = '' AND relkind <> 'f' AND (relkind NOT IN ('r', 'm')
            OR coalesce(amname, '') <> 'heap') AS unfit,
        pg_relation_size(c.oid) / current_setting('block_size')::int AS blocks
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        LEFT JOIN pg_am m ON m.oid = relam
        LEFT JOIN pg_attribute ON attrelid = c.oid
            AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    WHERE c.oid = :'table'::regclass GROUP BY c.oid, nspname, amname \gset
    \if :unfit
        \echo refused it has no places to part it by: name a key (-k)
        \quit
    \endif
\endif

-- What parts do, but without a condition, and what is said about it.
SELECT CASE WHEN :'key' = '' THEN :'query'
    ELSE format(E'SELECT * FROM (%s\n) AS q', :'query') END AS head,
    CASE WHEN :'key' = '' THEN '' ELSE ' ORDER BY ' || :'key' || E'\n' END
        AS tail,
    CASE WHEN :'key' = '' THEN 'ctid' ELSE '(' || :'key' || E'\n)' END
        AS place,
    :'query' || E'\n' AS source \gset
\o :items
SELECT format(E'EXPLAIN SELECT FROM (%s\n) AS q', :'query') \gexec
\o :statement
SELECT concat(:'head', ' WHERE ', :'place', ' IS NULL', :'tail');
\o
\echo :snapshot :checks :moment
.
answer 'take a snapshot'
snapshot=${reply%% *} moment=${reply##* }
checks=${reply#* } checks=${checks% *}

# --- Is it the same in every session?

# look: has the server show how it understands the query, and the functions in
# SQL that it can make a part of it, as trees.
statement=$(cat "$dir/statement")
look() {
    psql -X -q -w -v ON_ERROR_STOP=1 \
        -c 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' \
        -c "SET TRANSACTION SNAPSHOT '$snapshot'" \
        -c 'SET debug_pretty_print = off' -c 'SET client_min_messages = log' \
        -c 'SET debug_print_rewritten = on' \
        -c "SELECT FROM ($statement
) AS q WHERE false" \
        -c "EXPLAIN $statement" 2>&1 >/dev/null </dev/null |
        awk '/[(][{]QUERY / { on = 1 }
            /^$/ { on = 0 }
            on { print }
            !on && /(ERROR|FATAL)/ { print >"/dev/stderr" }'
}

# Two sessions have to understand it the same, or else it has 'now' in it,
# which is a constant, but another one for each.
look >"$dir/trees"
look >"$dir/again"
grep -q '{QUERY' "$dir/trees" || die 'unable to look into the query'
cmp -s "$dir/trees" "$dir/again" ||
    refuse "it is another query in each session, as with 'now'.  $remedy"

# psql, which the parts go through, knows variables: a[1:PORT].
psql -X -q -w -c '\set' </dev/null | sed 's/ = .*//' >"$dir/names"
while read -r name; do
    case $query$key$more in *:"$name"* | *:[\"\']"$name"*)
        refuse "it has :$name, which is psql's without a blank" ;;
    esac
done <"$dir/names"

# What is in the trees: functions, operators, aggregates, window functions and
# relations, by their oids, and whatever else may make a difference.
{
    echo "WITH RECURSIVE seen (kind, id, what) AS (VALUES ('', 0::oid, '')"
    awk '
        function see(kind, id, what) {
            gsub(/[^0-9]/, "", id)
            if (seen[kind, id, what]++ == 0)
                printf ", (\047%s\047, %d, \047%s\047)\n", kind, id, what
        }
        BEGIN {
            oids[":funcid"] = "function"
            oids[":opno"] = "operator"
            oids[":aggfnoid"] = "aggregate"
            oids[":winfnoid"] = "window"
            clause[":limitCount"] = clause[":limitOffset"] = "LIMIT or OFFSET"
            clause[":tablesample"] = "TABLESAMPLE"
        }
        {
            for (i = 1; i <= NF; i++) {
                before = tag
                tag = word
                word = $i
                if (tag in oids)
                    see(oids[tag], word, "")
                else if (tag ~ /^:.*(Clauses?|distinct|order)$/)
                    list = tag
                else if (tag == ":eqop" && list ~ /^:(group|distinct)C/)
                    see("equal", word, "")
                else if (tag ~ /^:[a-z]*collid$/)
                    see("collation", word, "")
                else if (tag == ":relid")
                    relation = word
                else if (tag == ":inh")
                    see(word == "true" ? "parent" : "only", relation, "")
                else if (tag in clause && word !~ /^<>/)
                    see("part", 0, "has " clause[tag])
                else if (tag == ":hasDistinctOn" && word == "true")
                    see("part", 0, "has DISTINCT ON")
                else if (tag == ":frameOptions" && int(word / 4) % 2 == 1)
                    see("part", 0, "has a window of ROWS")
                else if (tag == ":varattno" && word ~ /^-[345]/)
                    see("part", 0, "has cmin, cmax or xmax")
                else if (before ~ /[{]SQLVALUEFUNCTION$/ && word + 0 <= 8)
                    see("part", 0, "asks for the time")
            }
        }' "$dir/trees"
    cat <<'.'
    ), called AS (
        SELECT p.*, kind FROM seen LEFT JOIN pg_operator o
            ON o.oid = id AND kind = 'operator'
        JOIN pg_proc p ON p.oid = CASE WHEN kind = 'operator' THEN oprcode
            WHEN kind IN ('function', 'aggregate', 'window') THEN id END
    ), strict (loose) AS (
        SELECT EXISTS (SELECT FROM seen JOIN pg_collation c ON c.oid = id
            WHERE kind = 'collation' AND NOT collisdeterministic)
    ), heir AS (
        SELECT id FROM seen WHERE kind = 'parent' AND id <> 0
        UNION SELECT inhrelid FROM pg_inherits, heir WHERE inhparent = id
    ), related AS (
        SELECT id FROM heir
        UNION SELECT id FROM seen WHERE kind = 'only' AND id <> 0
    ), fault (what) AS (
        SELECT what FROM seen WHERE kind = 'part'
        UNION ALL SELECT format('calls %s, which is volatile',
            oid::regprocedure) FROM called WHERE provolatile = 'v'
        UNION ALL SELECT format('calls %s, which says something else in each '
            'session', oid::regprocedure) FROM called
        WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile = 's'
            AND (proname IN ('now', 'transaction_timestamp', 'mxid_age',
                'statement_timestamp', 'inet_client_addr', 'pg_my_temp_schema',
                'inet_client_port', 'pg_cursor', 'pg_prepared_statement',
                'pg_listening_channels', 'pg_conf_load_time',
                'pg_show_all_settings', 'pg_timezone_names',
                'pg_timezone_abbrevs')
            OR proname = 'age' AND pronargs = 1
            OR proname ~ '^txid|^pg_(current_|stat_|backend_|get_rep)|_to_xml')
        UNION ALL SELECT format('has %s, whose result depends on the order of '
            'rows, or may do so', oid::regprocedure) FROM called, strict
        WHERE kind IN ('aggregate', 'window') AND NOT (
            pronamespace = 'pg_catalog'::regnamespace AND (proname IN (
                'rank', 'dense_rank', 'percent_rank', 'cume_dist', 'count',
                'bool_and', 'bool_or', 'every', 'bit_and', 'bit_or', 'bit_xor',
                'regr_count')
            OR proname IN ('min', 'max') AND proargtypes[0] <> ALL (ARRAY[
                'numeric', 'real', 'float8', 'interval', 'anyarray']::regtype[]
                ::oid[]) AND (proargtypes[0] <> 25 OR NOT loose)
            OR proname IN ('sum', 'avg', 'variance', 'var_pop', 'var_samp',
                    'stddev', 'stddev_pop', 'stddev_samp')
                AND proargtypes[0] NOT IN (700, 701))) -- of real numbers
        UNION ALL SELECT format('has DISTINCT, GROUP BY or a set operation '
            'for values that may be equal, but not written the same, of type '
            '%s', oprleft::regtype)
        FROM seen JOIN pg_operator o ON o.oid = id, strict
        WHERE kind = 'equal' AND (loose AND oprleft IN (25, 1043, 1042)
            OR NOT EXISTS (SELECT FROM pg_amop JOIN pg_amproc
                ON amprocfamily = amopfamily AND amproclefttype = amoplefttype
                AND amprocrighttype = amoprighttype AND amprocnum = 4
                JOIN pg_am a ON a.oid = amopmethod AND amname = 'btree'
                WHERE amopopr = id AND amopstrategy = 3))
        UNION ALL SELECT format('reads %s, which no snapshot is of, since it '
            'is a %s', c.oid::regclass,
            CASE relkind WHEN 'f' THEN 'foreign table' ELSE 'sequence' END)
        FROM related JOIN pg_class c ON c.oid = id WHERE relkind IN ('f', 'S')
        UNION ALL SELECT format('reads %s, which has just been changed: '
            'try again', id::regclass)
        FROM related LEFT JOIN pg_class c ON c.oid = id
            LEFT JOIN pg_namespace n ON n.oid = relnamespace
        WHERE to_regclass(quote_ident(nspname) || '.' || quote_ident(relname))
                IS DISTINCT FROM id::regclass
            OR relfilenode <> 0 AND relfilenode <> pg_relation_filenode(id)
    )
    SELECT concat(CASE count(*) WHEN 0 THEN 'fine' ELSE 'remedy it ' END,
        min(what)) AS verdict FROM fault \gset
\echo :verdict
.
} >&3 2>/dev/null
answer 'look into the query'

# --- The parts

cat >&3 2>/dev/null <<'.'
-- Is it a query, with such a key and options?
\o /dev/null
SELECT concat('COPY (', :'head', ' WHERE false AND ', :'place', ' IS NULL',
    :'tail', ') TO STDOUT (', :'options', ')') \gexec
\o
SELECT CASE :'key' WHEN '' THEN $$ SELECT 'fine' $$ ELSE format($$
    SELECT CASE pg_typeof((SELECT %s FROM (%s) AS q LIMIT 0))
    WHEN 'record'::regtype THEN 'refused it cannot be parted by a row: '
        'name a column' ELSE 'fine' END $$, :'place', :'source') END \gexec

-- Where parts begin, and how many rows each has.  By key: one run of the
-- query, with which the parts will be compared, finds more keys than needed,
-- at distances that grow, since it does not know how many rows will come; of
-- these some that are about as far apart as each other are taken.  A long key
-- would be too much for an argument.  Keys that are NULL come last.
\if :has_key
    SELECT format($$
        WITH run AS (
            SELECT count(*) AS total, count(k) AS filled,
                array_agg(r - 1) FILTER (WHERE fit) AS befores,
                array_agg(k::text) FILTER (WHERE fit) AS starts
            FROM (SELECT k, r, r > 1 AND k IS DISTINCT FROM NULL
                    AND floor(ln(n + 1) * %5$s) <> floor(ln(n) * %5$s)
                    AND octet_length(k::text) <= 1000 AS fit
                FROM (SELECT %1$s AS k, row_number() OVER w AS n,
                        rank() OVER w AS r
                    FROM (%2$s) AS q WINDOW w AS (ORDER BY %3$s)) AS s) AS s
        ), bound AS (
            SELECT 0 AS before, NULL AS start UNION ALL SELECT before, start
            FROM (SELECT before, start, before * %4$s / total AS goal,
                    lag(before * %4$s / total, 1, 0::bigint)
                        OVER (ORDER BY before) AS previous
                FROM run, unnest(befores, starts) AS u (before, start)) AS s
            WHERE goal > previous
        ), type (type) AS (
            SELECT '::' || format_type(pg_typeof((SELECT %1$s
                FROM (%2$s) AS q LIMIT 0)), -1)
        )
        SELECT before AS n, concat_ws(' AND ',
                %1$L || ' >= ' || quote_literal(start) || type,
                %1$L || ' < ' || quote_literal(lead(start) OVER w) || type,
                CASE count(*) OVER () WHEN 1
                    THEN %1$L || ' IS DISTINCT FROM NULL' END) AS condition,
            lead(before, 1, filled) OVER w - before || ' rows' AS rows
        FROM bound, type, run WINDOW w AS (ORDER BY before)
        UNION ALL SELECT total + 1, %1$L || ' IS NOT DISTINCT FROM NULL',
            total - filled || ' rows' FROM run
        $$, :'place', :'source', :'key' || E'\n', parts,
        greatest(400, 10 * parts)) AS parts
    FROM (SELECT coalesce(nullif(:'parts', ''), '40')::int) AS p (parts) \gset
\else
    SELECT format($$
        SELECT i AS n, coalesce(nullif(concat_ws(' AND ',
                'ctid >= ''(' || nullif(i, 0) || ',0)''',
                'ctid < ''(' || lead(i) OVER (ORDER BY i) || ',0)'''), ''),
                'true') AS condition,
            'all that there are' AS rows
        FROM generate_series(0, %s, %s) AS i $$,
        greatest(blocks - 1, 0), greatest(1, CASE :'parts' WHEN '' THEN least(
            4194304 / current_setting('block_size')::int, (blocks + 19) / 20)
            ELSE (blocks - 1) / coalesce(nullif(:'parts', ''), '1')::int + 1
            END)) AS parts
    FROM (SELECT :blocks::bigint) AS b(blocks) \gset
\endif

\pset recordsep_zero
\o :items
SELECT format($$
    SELECT concat('COPY (', %2$L, ' WHERE ', condition, %3$L, ') TO STDOUT (',
        CASE WHEN n = 0 AND %5$L THEN replace(%4$L, 'HEADER false',
            'HEADER true') ELSE %4$L END, ') -- ', rows)
    FROM (%1$s) AS p ORDER BY n $$, :'parts', :'head', :'tail', :'options',
    :'header') \gexec
\o
\echo fine
.
answer 'part the query by this key' # without a key there is no reason not to
answer 'find out where parts begin'
count=$(tr -cd '\0' <"$dir/items" | wc -c)
exec 5<"$dir/items"
rm -rf "$dir"

# Whoever makes a part wait for a lock waits for the lock of the session, which
# waits for the part.
PGOPTIONS="-c lock_timeout=10s ${PGOPTIONS-}"
[ "$checks" = f ] ||
    PGOPTIONS="-c client_connection_check_interval=1s $PGOPTIONS"
export PGOPTIONS

# Messages show the command, so the script is not in it.
PG_EXPORT_PART=$(part)
export PG_EXPORT_PART
# shellcheck disable=SC2016 # it is for another shell
exec "$GATHER" "$@" -0 -a - sh -c 'eval "$PG_EXPORT_PART"' part "$snapshot" \
    "$moment" "$format" $((count - 1)) '{}' <&5 3>&3 4<&- 5<&-
