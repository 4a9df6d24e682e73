# shellcheck shell=sh
#
# database-exact.sh - the part of database.sh that tries to make an export lose
# a row, or write one twice: it has to be exact, or refused; to be sourced.

: "${dir:?}" "${here:?}" "${server-}" "${lack-}"

# forger: stands for gather.  Alters what the items or the parts are told.
cat >"$dir/bin/forger" <<'.'
#!/bin/sh
for arg; do
    shift
    set -- "$@" "$(printf '%s\n' "$arg" | sed "$forge_argument")"
done
PG_EXPORT_PART=$(printf '%s\n' "$PG_EXPORT_PART" | sed "$forge_argument")
sed -z "$forge_item" | "$real" "$@"
.
chmod +x "$dir/bin/forger"

if [ -n "$server" ]; then
    # shellcheck disable=SC2034 # it is for try
    psql -X -q -v ON_ERROR_STOP=1 <<'.' || lack='tables in it'
CREATE TYPE pair AS (a int, b int);
CREATE TYPE mood AS ENUM ('SAD', 'ok', 'a b');
CREATE DOMAIN percent AS int CHECK (value BETWEEN 0 AND 100);
CREATE COLLATION loose (PROVIDER = icu, LOCALE = 'und-u-ks-level2',
    DETERMINISTIC = false);
CREATE FUNCTION steady(i int) RETURNS text LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN i || ''!''; END';
CREATE FUNCTION chance(i int) RETURNS boolean LANGUAGE plpgsql STABLE
    AS 'BEGIN RETURN random() > 0.5; END';
CREATE FUNCTION inlined(i int) RETURNS SETOF int LANGUAGE sql STABLE
    AS 'SELECT id FROM few LIMIT i';
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = 0);
CREATE USER reader;
CREATE TABLE mine AS SELECT i AS id FROM generate_series(1, 1000) AS i;
ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON mine USING (id % 2 = 1);
CREATE TABLE luck AS SELECT 1 AS id;
ALTER TABLE luck ENABLE ROW LEVEL SECURITY;
CREATE POLICY lucky ON luck USING (random() > 0.5);
GRANT SELECT ON mine, luck TO reader;
CREATE SEQUENCE counter;
CREATE VIEW first AS SELECT id FROM few ORDER BY id LIMIT 9;
CREATE VIEW indirect AS SELECT * FROM first;
.
fi

try 'what would be another result for each part is refused' <<'.'
while IFS='|' read -r key query reason; do
    exits 1 pg-export -k "$key" "$query" >got 2>err </dev/null
    grep -qF "pg-export: unable to export that: it $reason" err
    test ! -s got
done <<'end'
k|select row_number() over () as k, id from t|has row_number()
id|select id from t limit 100|has LIMIT or OFFSET
id|select id from t offset 100|has LIMIT or OFFSET
id|select id from few where id > (select 1 from t limit 1)|has LIMIT or OFFSET
id|select * from indirect|has LIMIT or OFFSET
id|select distinct on (amount) * from t|has DISTINCT ON
id|select id from t tablesample system (9) repeatable (1)|has TABLESAMPLE
id|select i as id from inlined(3) i|has LIMIT or OFFSET
r|select random() as r, id from t|calls random(), which is volatile
random()|few|calls random(), which is volatile
id|select id, nextval('counter') from few|calls nextval(regclass)
id|select id, now() from few|calls now(), which says something else in each
id|select id, age(current_date) from few|asks for the time
id|select id, pg_backend_pid() from few|calls pg_backend_pid(), which says
id|select id, 'now'::timestamp from few|is another query in each session
pid|select pid from pg_stat_activity|calls pg_stat_get_activity(integer)
id|select id, lag(id) over (order by id) from few|has lag(
id|select id, sum(id) over (rows 1 preceding) from few|has a window of ROWS
id|select id, array_agg(id) from few group by id|has array_agg(
id|select id, string_agg('a', 'b') from few group by id|has string_agg(
id|select id, sum(id::float8) from few group by id|has sum(double precision)
id|select id, avg(id::real) from few group by id|has avg(real)
id|select id, total(id) from few group by id|has total(integer)
id|select id, xmax from few|has cmin, cmax or xmax
g|select amount / 7.0 as g, count(*) from t group by 1|has DISTINCT, GROUP BY
g|select distinct id::float8 as g from few|has DISTINCT, GROUP BY or a set
g|select 1.0 as g union select 1.00|has DISTINCT, GROUP BY or a set operation
id|select id, max(id / 7.0) from few group by id|has max(numeric)
last_value|counter|reads counter, which no snapshot is of
row(id)|few|cannot be parted by a row: name a column
a|select a[1:PORT] as a from (select '{1}'::int[], 2) q (a, PORT)|has :PORT
end
.

try 'keys that are NULL, all, some or none, are exported once' <<'.'
for key in 'null::int' 'nullif(id, 7)' 'row(nullif(id % 2, 0), id)::pair' \
    'row(null, null)::pair' 'array[nullif(id, 3)]' 'nullif(id > 3, false)'; do
    sql "copy (select id, $key from few) to stdout" | sort >want
    for parts in 1 7; do
        pg-export -k "$key" -n $parts "select id, $key from few" >got
        sort got | cmp want -
    done
done
.

try 'rows of a policy, of whoever exports; of one that throws dice none' <<'.'
sql 'copy (select * from mine where id % 2 = 1 order by 1) to stdout' >want
PGUSER=reader pg-export mine >got
cmp want got
PGUSER=reader pg-export -k id mine >got
cmp want got
PGUSER=reader exits 1 pg-export luck 2>err
grep -q 'calls random(), which is volatile' err
.

try 'other styles of dates and numbers: exact, or refused with a count' <<'.'
sql "create table styles as select i as id, timestamptz '2023-03-01' +
    i * interval '67 min' as t, i / 7.0::float8 as f
    from generate_series(1, 9999) i" >/dev/null
styled() {
    psql -X -q -c "copy (select $1 from styles order by 1) to stdout" >want
    if pg-export -n 9 -k "$1" "select $1 from styles" >got 2>err; then
        cmp want got
    else
        grep -q 'rows were written, but the part has' err
    fi
}
export PGTZ PGDATESTYLE PGOPTIONS
for PGTZ in Asia/Kolkata America/New_York; do
    for PGDATESTYLE in ISO SQL,DMY German Postgres; do
        styled t
    done
done
for digits in -9 0 1; do
    PGOPTIONS="-c extra_float_digits=$digits"
    styled f
done
unset PGTZ PGDATESTYLE PGOPTIONS
sql 'drop table styles' >/dev/null
.

try 'a part with another number of rows than it has to have ends the export' \
    <<'.'
exits 123 pg-export -k id 'select id from t where chance(id)' >got 2>err
grep -q 'rows were written, but the part has' err
# A boundary that is in no part; and rows that one COPY does not have.
forge_item='s/ >= / > /' forge_argument='' GATHER=forger \
    exits 123 pg-export -k id t >got 2>err
grep -q 'rows were written, but the part has' err
forge_item='' forge_argument='s/ FROM (\$table)/ FROM generate_series(1, 9)/' \
    GATHER=forger exits 123 pg-export t >got 2>err
grep -q 'rows were written, but the part has 9' err
.

try 'another server that has a snapshot of that name is not taken for it' \
    <<'.'
forge_item='' forge_argument='s,^\([0-9.]*/[0-9]*:\),9\1,' GATHER=forger \
    exits 123 pg-export few >got 2>err
grep -q 'this is another server, or another snapshot' err
.

try 'a table that is emptied, or exchanged, as the export begins' <<'.'
for sql in 'truncate brief; insert into brief values (3)' \
    'alter table brief rename to other; create table brief as select 3 as id' \
    'alter table brief alter id type bigint'; do
    for key in '' '-k id'; do
        sql 'create table brief as select i as id from generate_series(1, 9) i'
        mkfifo hold
        psql -X -q <hold &
        exec 9>hold
        echo "begin; $sql;" >&9
        till holds "exists (select from pg_locks
            where relation = (select max(oid) from pg_class
                where relname in ('brief', 'other'))
            and mode = 'AccessExclusiveLock')"
        # shellcheck disable=SC2086 # an option, or nothing
        exits 1 pg-export $key brief 9>&- >got 2>err &
        till holds "exists (select from pg_stat_activity
            where application_name = 'pg-export'
            and wait_event_type = 'Lock')"
        echo 'commit;' >&9
        exec 9>&-
        wait $!
        grep -q 'has just been changed: try again' err
        test ! -s got
        wait
        rm hold
        sql 'drop table if exists brief, other' 2>/dev/null
    done
done
.

try 'a partition that is attached meanwhile: exact, or refused' <<'.'
sql 'create table late (id int, v text); insert into late
    select i, i from generate_series(10000, 19999) i' >/dev/null
sql 'copy (select id, id from cut where id % 20 = 0 order by 1) to stdout' \
    >want
{
    pg-export -k id 'select id, slow(id, 0.002) from cut where id % 20 = 0' \
        -j 1 >got 2>err && : >fine
} &
till has 'COPY (SELECT'
sql 'alter table cut attach partition late for values from (10000) to (20000)'
wait
if [ -e fine ]; then
    cmp want got
else
    grep -q 'rows were written, but the part has' err
fi
sql 'alter table cut detach partition late; drop table late' >/dev/null
.

try 'timeouts of the role are not those of the session with the snapshot' <<'.'
sql "alter role reader set idle_in_transaction_session_timeout = '100ms'"
sql "grant select on few to reader"
PGUSER=reader pg-export -k id 'select id, slow(id, 0.02) from few' -j 2 >got
test "$(wc -l <got)" = 40
sql "alter role reader reset all"
.

try 'on a standby: exact, and a conflict with recovery ends the export' <<'.'
{ . "$here/tests/cluster.sh"; }
sql 'create table gone as select i as id from generate_series(1, 400) i' \
    >/dev/null
sql 'copy parent to stdout' >want
mkdir standby
[ -z "$cluster_user" ] || chown "$cluster_user" standby
cluster_as "$cluster_bin/pg_basebackup" -D "$PWD/standby/data" -R -c fast
echo "unix_socket_directories = '$PWD/standby'
max_standby_streaming_delay = 100ms" |
    cluster_as tee -a standby/data/postgresql.conf >tee
(cluster_dir=$PWD/standby && cluster_start)
PGHOST=$PWD/standby pg-export parent >got
cmp want got
PGHOST=$PWD/standby exits 123 pg-export -k id \
    'select id, slow(id, 9) from gone' -j 2 >got 2>err &
till env PGHOST="$PWD/standby" has 'COPY (SELECT'
sql 'delete from gone' >/dev/null
sql 'vacuum gone' >/dev/null
wait $!
grep -q 'conflict with recovery' err
(cluster_dir=$PWD/standby && cluster_stop immediate)
sql 'drop table gone' >/dev/null
.

: "${CASES:=6}" "${SEED:=$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}"
export CASES SEED
try "$CASES random tables, keys and queries while somebody writes: exact, or \
refused (SEED=$SEED)" <<'.'
i=0
while [ $i -lt "$CASES" ]; do
    mkdir work.$i
    (cd work.$i && sh "$here/tests/database-random.sh" $((SEED + i))) >>notes
    i=$((i + 1))
done
sql 'drop table if exists r, "r {}"":x" cascade' 2>/dev/null
.
