#!/bin/sh
#
# database.sh - cursors in real databases: ../examples/pg-export.sh on a
# PostgreSQL cluster of its own, ../examples/sqlite-cursors.c on SQLite.
#
#     tests/database.sh              all tests; a minute or two
#     tests/database.sh 'timeout'    those whose names match: a pattern of the
#                                    shell, found anywhere in the name
#     GATHER=/path/to/gather tests/database.sh    tests another binary
#     DEADLINE=300 tests/database.sh              gives each test so many
#                                                 seconds (60)
#     ROWS=100000 tests/database.sh               with smaller tables than
#                                                 1,000,000 rows
#     SEED=7 CASES=200 tests/database.sh random   more of what is random
#     WITH='busybox sh' tests/database.sh         runs the script with another
#                                                 shell
#
# Needs a PostgreSQL server (Debian: postgresql), sqlite3, the headers of its
# library (libsqlite3-dev), a C compiler, make, and what Linux and the GNU
# utilities have.  What is missing is named and its tests are skipped; if CI
# is set that is a failure.  It may be run as root.
#
# scripts.sh says how the tests are run and written; no session of a test may
# be left in the cluster.

# shellcheck source=tests/scripts.sh
. "$(dirname "$0")/scripts.sh"
unset GATHER_TOKEN
: "${ROWS:=1000000}" "${WITH:=sh}"
export ROWS WITH

# shellcheck source=tests/cluster.sh
. "$here/tests/cluster.sh"
cluster_dir=$dir/pg
tidy() {
    cluster_stop immediate
}

# --- What tests use

# pg-export ARGUMENTS: the script; its shell is replaced by it, so that a
# signal for what runs in the background is one for the script.
cat >"$dir/bin/pg-export" <<'.'
#!/bin/sh
exec $WITH "$here/examples/pg-export.sh" "$@"
.

# sql STATEMENT: runs it, with bare output, and scans tables from their
# beginnings, so that there is an order to compare with.
cat >"$dir/bin/sql" <<'.'
#!/bin/sh
PGAPPNAME='' PGOPTIONS='-c synchronize_seqscans=off' \
    exec psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
.

# holds CONDITION: does it, in the cluster?  has TEXT: does somebody run it?
# which is how to wait for that, or how to end it: has TEXT pg_cancel_backend
cat >"$dir/bin/holds" <<'.'
#!/bin/sh
[ "$(sql "select $1")" = t ]
.
cat >"$dir/bin/has" <<'.'
#!/bin/sh
[ -n "$(sql "select ${2-}(pid) from pg_stat_activity where state <> 'idle'
    and pid <> pg_backend_pid() and position('$1' in query) > 0
    and query not like '%WHERE false AND%' limit 1")" ]
.

# forked N PATTERN: are there more than so many processes with such arguments?
cat >"$dir/bin/forked" <<'.'
#!/bin/sh
[ "$(pgrep -c -f "$2")" -gt "$1" ]
.

# cluster start, cluster stop MODE: no processes of a test.
cat >"$dir/bin/cluster" <<'EOF'
#!/bin/sh
unset GATHER_TEST
. "$here/tests/cluster.sh"
"cluster_$@"
EOF

# spy: stands for gather.  Has the table of $spied copied by one command in the
# snapshot that gather shall use, before gather starts.
cat >"$dir/bin/spy" <<'.'
#!/bin/sh
for arg; do
    case $arg in [0-9A-F]*-[0-9A-F]*-[0-9]) snapshot=$arg ;; esac
done
psql -X -q -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' \
    -c "SET TRANSACTION SNAPSHOT '$snapshot'" \
    -c 'SET synchronize_seqscans = off' \
    -c "COPY $spied TO STDOUT" </dev/null >want || exit
: >spied
till test -e go
exec "$real" "$@"
.
chmod +x "$dir"/bin/*
real=$GATHER
export real

# remains: the sessions that the cluster has, of whichever user.
remains() {
    [ -z "$server" ] ||
        sql "select pid, query from pg_stat_activity where
            backend_type = 'client backend' and pid <> pg_backend_pid()" 2>&1
}

# --- PostgreSQL: the result

server=''
if cluster_find && cluster_make "$dir/pg"; then
    server=yes
    export cluster_dir cluster_bin cluster_user cluster_group
    sed -i '1i local all checked scram-sha-256' "$dir/pg/data/pg_hba.conf"
    # All that makes a difference is as it comes, scans above all.
    sed -i '/^synchronize_seqscans/d; /^autovacuum/d; /^shared_buffers/d' \
        "$dir/pg/data/postgresql.conf"
    cluster_stop fast && cluster_start || lack='cluster that starts again'
    psql -X -q -v ON_ERROR_STOP=1 -v rows="$ROWS" <<'.' || lack='table in it'
CREATE TABLE t AS SELECT i AS id, md5(i::text) AS name,
    (i * 7919::bigint) % 1000003 AS amount, i / 8.0::float8 AS price
    FROM generate_series(1, :rows) AS i;
ALTER TABLE t ADD PRIMARY KEY (id);
-- Rows that are gone, and rows that have moved.
DELETE FROM t WHERE id % 100 = 7;
UPDATE t SET amount = 0 WHERE id % 1000 = 1;

CREATE TABLE parent ("Key" int PRIMARY KEY, gone int, "a b" text,
    twice int GENERATED ALWAYS AS ("Key" * 2) STORED);
ALTER TABLE parent DROP COLUMN gone;
INSERT INTO parent SELECT i, CASE WHEN i % 5 > 0 THEN
    E'\\x\t\n''"{}%s$1' || i END FROM generate_series(1, 20000) AS i;
CREATE TABLE heir () INHERITS (parent);
INSERT INTO heir SELECT i FROM generate_series(1, 10) AS i;
CREATE TABLE "odd ""name" (k text, x float8);
INSERT INTO "odd ""name" SELECT CASE WHEN i % 100 > 0 THEN
    chr(32 + i % 90) || E'\n\\''{}:k%s$$' || i END, i / 3.0
    FROM generate_series(1, 5000) AS i;
CREATE TABLE cut (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE cut_2 PARTITION OF cut FOR VALUES FROM (500) TO (10000);
CREATE TABLE cut_1 PARTITION OF cut FOR VALUES FROM (0) TO (500);
INSERT INTO cut SELECT i, 'v' || i FROM generate_series(0, 9999) AS i;
CREATE VIEW seen AS SELECT id, upper(v) AS v FROM cut;
CREATE TABLE empty (a int);
CREATE TABLE few AS SELECT i AS id FROM generate_series(1, 40) AS i;
CREATE FUNCTION slow(i int, seconds float8) RETURNS int LANGUAGE plpgsql
    STABLE AS 'BEGIN PERFORM pg_sleep(seconds); RETURN i; END';
CREATE USER checked PASSWORD 'right' CONNECTION LIMIT 5;
GRANT SELECT ON few TO checked;
SELECT pg_reload_conf() \g /dev/null
ANALYZE;
.
else
    : "${lack:=cluster that works}"
fi

try "a table of $ROWS rows is what COPY says" <<'.'
sql 'copy t to stdout' >want
pg-export t >got
cmp want got
test "$(wc -l <got)" -ge $((ROWS / 100 * 99))
.

try 'a server that prefers to scan a table in parallel' <<'.'
sql 'copy t to stdout' >want
PGOPTIONS='-c parallel_tuple_cost=0 -c parallel_setup_cost=0' \
    pg-export -n 1 t >got
cmp want got
.

try 'in binary, too' <<'.'
sql 'copy t to stdout (format binary)' >want
pg-export -f binary t -m 1G >got
cmp want got
.

try 'a query over all of it, by key' <<'.'
sql 'copy (select id, amount from t where amount > 9 order by id) to stdout' \
    >want
pg-export -k id 'SELECT id, amount FROM t WHERE amount > 9; ' >got
cmp want got
test -s got
.

try 'while another session writes it is the table of one moment' <<'.'
{
    i=0
    while [ ! -e stop ]; do
        i=$((i + 1))
        echo "update t set amount = amount + 1 where id % 1000 = 3
            and id between $((i * 50000 % ROWS)) and
                $((i * 50000 % ROWS + 50000));
        delete from t where id = $i;
        insert into t values ($((3000000 + i)), 'new', 1, 2);
        \\! : >'$PWD/wrote'"
        sleep 0.01
    done | psql -X -q -v ON_ERROR_STOP=1
} &
till test -e wrote
spied=t GATHER=spy pg-export t >got &
till test -e spied
rm wrote
till test -e wrote
: >go
wait $!
: >stop
wait
cmp want got
test "$(sql 'copy t to stdout' | cksum)" != "$(cksum <got)"
.

try 'what a table may be: columns dropped and generated, heirs, odd names' \
    <<'.'
for table in parent '"odd ""name"'; do
    for format in text csv binary; do
        sql "copy $table to stdout (format $format)" >want
        pg-export -f $format "$table" >got
        cmp want got
        pg-export -f $format -n 1 "$table" >got
        cmp want got
    done
done
pg-export -f binary -n 99999 "$table" >got # a part for each page
cmp want got
.

try 'keys: unequal, NULL, with anything in them; {} in a query' <<'.'
sql 'copy (select * from "odd ""name" order by k, x) to stdout' >want
pg-export -k k '"odd ""name"' >got.1 # NULLs are in the order of x already
pg-export -k k -n 3 'select * from "odd ""name"' >got.2
cmp want got.1
cmp want got.2
q="select \"Key\", '{}'::int[] as e, '{}' || \"a b\" as f -- {} ) :q
    from only parent"
sql "copy ($q order by 1) to stdout" >want
pg-export -k '"Key"' "$q" >got
cmp want got
.

try 'partitions and views need a key' <<'.'
sql 'copy (select * from cut order by id) to stdout' >want
pg-export -k id cut >got
cmp want got
sql 'copy (select * from seen order by id) to stdout' >want
pg-export -k id seen >got
cmp want got
for what in cut seen; do
    exits 1 pg-export $what 2>err
    grep -q "^pg-export: unable to export that: it has no places to part it" \
        err
done
.

try 'nothing: an empty table, a query without rows' <<'.'
for format in text csv binary; do
    for table in empty '(select 1 as a where false)'; do
        sql "copy $table to stdout (format $format)" >want
        pg-export -f $format -k a "$(echo "$table" | tr -d '()')" >got
        cmp want got
    done
    sql "copy empty to stdout (format $format)" >want
    pg-export -f $format empty >got
    cmp want got
done
.

try 'a header comes once, other options of COPY as they are' <<'.'
sql "copy parent to stdout (format csv, header, delimiter ';',
    force_quote *)" >want
pg-export -H -f csv -x "delimiter ';', force_quote *" parent >got
cmp want got
exits 1 pg-export -f csv -x 'null 0, header' t 2>err # each part would have one
grep -q 'conflicting or redundant options' err
sql 'copy t to stdout (format csv, header)' | sed 3q >want
{ pg-export -H -f csv t 2>err || :; } | sed 3q >got
cmp want got
.

try "gather's options: jobs, memory, a ledger, files, retries" <<'.'
sql 'copy t to stdout' >want
pg-export t -j 3 -m 0 -l log -r 1 -q >got
cmp want got
awk 'NR > 1 && $NF != "complete" { exit 1 } END { exit NR < 20 }' log
pg-export t -o 'part.{}'
find . -name 'part.*' | sort -t . -k 3n | xargs cat | cmp want -
.

try 'a part that fails is tried again, in the same snapshot' <<'.'
sql 'copy (select id, slow(id, 0.02) from few order by id) to stdout' >want
pg-export -k id 'select id, slow(id, 0.02) from few' -r 9 >got 2>err &
till has 'COPY (SELECT' pg_terminate_backend
wait $!
cmp want got
grep -q 'trying again' err
.

# shellcheck source=tests/database-exact.sh
. "$here/tests/database-exact.sh"

# --- What goes wrong

slow='select id, slow(id, 30) from few'
export slow

try 'a wrong password, and none' <<'.'
export PGUSER=checked
export PGPASSWORD=wrong
exits 1 pg-export few 2>err
grep -q 'password authentication failed' err
grep -qx 'pg-export: unable to take a snapshot' err
unset PGPASSWORD
exits 1 pg-export few 2>err
grep -q 'no password supplied' err
PGPASSWORD=right pg-export few -j 2 >got
PGUSER=owner sql 'copy few to stdout' >want
cmp want got
.

try 'no connections left for the parts' <<'.'
PGUSER=checked PGPASSWORD=right exits 123 pg-export -k id few -j 20 >got 2>err
grep -q 'too many connections for role' err
.

try 'no server, no table, no such column, a query that is none' <<'.'
PGPORT=1 exits 1 pg-export t 2>err
grep -q 'Is the server running' err
exits 1 pg-export nosuch 2>err
grep -q 'relation "nosuch" does not exist' err
exits 1 pg-export -k nosuch t 2>err
grep -q 'column "nosuch" does not exist' err
exits 1 pg-export -k id 'selct id from t' 2>err
grep -q 'syntax error' err
exits 1 pg-export -k id 'select id from t; drop table t' 2>err
grep -q 'syntax error' err
.

try 'a command line that makes no sense' <<'.'
no() {
    message=$1
    shift
    exits 1 pg-export "$@" 2>err
    sed 1q err | grep -qxF "pg-export: $message"
    grep -q '^pg-export: usage: pg-export.sh' err
}
no 'no table and no query'
no 'no option, or without its argument: -z' -z t
no 'no option, or without its argument: -k' -k
no 'no option of gather, or without its argument: -n' t -n 3
no 'more than one word: a query needs quotes' t u
no 'more than one word: a query needs quotes' select '*' from t
no 'a query needs a key: -k' 'select * from t'
no 'no number of parts: 0' -n 0 t
no 'no such format: xml' -f xml t
.

try 'a query that is cancelled ends the export' <<'.'
exits 123 pg-export -k id "$slow" 2>err &
till has 'COPY (SELECT' pg_cancel_backend
wait $!
grep -q 'canceling statement due to user request' err
grep -q '^gather: item [0-9]* (COPY .*): exit 3 ' err
.

try 'a statement timeout ends the export' <<'.'
PGOPTIONS='-c statement_timeout=1s' exits 123 pg-export -k id "$slow" 2>err
grep -q 'canceling statement due to statement timeout' err
.

try 'an item that takes too long (-t) ends the export' <<'.'
exits 124 pg-export -k id "$slow" -t 1 2>err
grep -q '^gather: item [0-9]* (COPY .*): timed out ' err
.

try 'who wants the table for himself waits, and no part waits for him' <<'.'
mkfifo out
exits 123 pg-export -n 2 t -j 1 -m 0 >out 2>err &
exec 8<out # nobody reads yet, and buffers hold less than a part
till has 'COPY (SELECT'
sql 'alter table t add column late int' &
till has 'alter table'
cat <&8 >got
wait
grep -q 'canceling statement due to lock timeout' err
sql 'alter table t drop column late'
.

try 'the session with the snapshot is lost: no part gets another one' <<'.'
exits 123 pg-export -k id 'select id, slow(id, 0.3) from few' -j 1 \
    >/dev/null 2>err &
till has 'COPY (SELECT'
sql "select pg_terminate_backend(pid) from pg_stat_activity
    where state = 'idle in transaction' and application_name = 'pg-export'" \
    >/dev/null
wait $!
grep -q 'invalid snapshot identifier' err
.

try 'a full disk' <<'.'
exits 1 pg-export t >/dev/full 2>err
grep -qx 'gather: fatal: unable to write standard output: No space.*' err
.

try 'the reader goes away' <<'.'
{ exits 141 pg-export t 2>err || :; } | head -c 100000 >got
sql 'copy t to stdout' | head -c 100000 | cmp - got
.

# A shell without job control has what it puts into the background ignore INT.
for signal in HUP:129 INT:130 TERM:143 KILL:137; do
    code=${signal#*:} signal=${signal%:*}
    export signal code
    try "killed by $signal, while parts run" <<'.'
env --default-signal=INT pg-export -k id "$slow" 2>err &
till has 'COPY (SELECT'
kill -s "$signal" $!
wait $! || got=$?
test "$got" = "$code"
.
    [ "$signal" != KILL ] || continue # nothing a shell could do then
    try "killed by $signal, before it has a snapshot" <<'.'
mkfifo hold
psql -X -q <hold &
exec 9>hold
echo 'begin; lock table few;' >&9
blocked="exists (select from pg_stat_activity
    where application_name = 'pg-export' and wait_event_type = 'Lock')"
till holds "exists (select from pg_locks
    where relation = 'few'::regclass and mode = 'AccessExclusiveLock')"
env --default-signal=INT pg-export few 9>&- 2>err &
till holds "$blocked"
kill -s "$signal" $!
wait $! || got=$?
test "$got" = "$code"
till holds "not $blocked"
exec 9>&-
wait
.
done

# The server goes away in the middle, and comes back for the tests to come.
try 'the server is shut down' <<'.'
exits 123 pg-export -k id 'select id, slow(id, 0.2) from few' -j 5 >got 2>err &
till test -s got
cluster stop immediate
wait $!
cluster start
grep -q -e 'server closed the connection' -e 'terminating connection' \
    -e 'is shutting down' -e 'connection to server was lost' err
sql 'copy (select id, id from few order by id) to stdout' >want
test "$(wc -l <got)" -lt 40
head -c "$(wc -c <got)" want | cmp - got
.

try 'a backend crashes, and the server with it' <<'.'
exits 123 pg-export -k id "$slow" -j 5 >got 2>err &
till has 'COPY (SELECT'
kill -KILL "$(sql "select pid from pg_stat_activity
    where query like 'COPY (SELECT%' and application_name <> '' limit 1")"
wait $!
grep -q 'server closed the connection unexpectedly' err
till sql 'select 1' >up 2>down
.

for shell in dash 'bash --posix' bash mksh ksh yash 'busybox sh'; do
    lack=''
    [ -n "$server" ] || lack='PostgreSQL server'
    command -v "${shell%% *}" >/dev/null || lack=${shell%% *}
    WITH=$shell
    try "under $shell" <<'.'
sql 'copy (select * from only parent order by -"Key") to stdout (format csv)' \
    >want
pg-export -f csv -k '-"Key"' 'select * from only parent' -j 3 -l 'a log' >got
cmp want got
sql 'copy parent to stdout (format binary)' >want
pg-export -f binary parent -j 3 >got
cmp want got
.
done

# shellcheck source=tests/database-cursors.sh
. "$here/tests/database-cursors.sh"

finish
