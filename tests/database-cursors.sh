# shellcheck shell=sh
#
# database-cursors.sh - the part of database.sh that tests the programs with
# cursors, ../examples/sqlite-cursors.c and pg-cursors.c; to be sourced.

: "${dir:?}" "${here:?}" "${server-}" "${ROWS:?}"

# --- SQLite

lack=''
for tool in sqlite3 make cc; do
    command -v $tool >/dev/null || lack=$tool
done
if [ -z "$lack" ]; then
    # Built aside, so that nothing of the tree changes, which may be read-only.
    mkdir "$dir/built" "$dir/built/lib" "$dir/built/examples"
    cp "$here"/*.[ch] "$here/Makefile" "$dir/built"
    cp "$here"/lib/*.[ch] "$dir/built/lib"
    cp "$here"/examples/*.c "$here/examples/Makefile" "$dir/built/examples"
    (cd "$dir/built/examples" && make -k) >"$dir/trace" 2>&1
    if [ -x "$dir/built/examples/sqlite-cursors" ]; then
        ln -s "$dir/built/examples/sqlite-cursors" "$dir/bin"
        sqlite3 "$dir/sales" "CREATE TABLE sale (id INTEGER PRIMARY KEY,
                amount INTEGER, shop INTEGER);
            WITH RECURSIVE n (i) AS (
                SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $ROWS)
            INSERT INTO sale SELECT 3 * i, i * 7919 % 1000003 - 9, i % 977
                FROM n WHERE i % 10000 > 500" || lack='database'
    elif grep -q 'sqlite3\.h' "$dir/trace"; then
        lack='sqlite3.h (libsqlite3-dev)'
    else
        cat "$dir/trace"
        lack='sqlite-cursors that can be built'
    fi
fi
sales=$dir/sales
export sales

try 'sqlite-cursors: the sum and the rows of twenty cursors are those of one' \
    <<'.'
sqlite3 "$sales" 'SELECT count(*), sum(amount) FROM sale;
    SELECT id, amount, shop FROM sale ORDER BY amount, id' >want
sqlite-cursors "$sales" >got
cmp want got
test "$(wc -l <got)" -gt $((ROWS / 2))
.

try 'sqlite-cursors: ids may be as far apart as there are' <<'.'
for ids in 1,5000000000000000000 -9223372036854775808,9223372036854775807 \
    -9,-8 7,8 0,600000000000000000; do
    rm -f db
    sqlite3 db 'CREATE TABLE sale (id INTEGER PRIMARY KEY, amount, shop)' \
        "INSERT INTO sale VALUES (${ids%,*}, 2, 3), (${ids#*,}, 1, 4)"
    sqlite3 db 'SELECT count(*), sum(amount) FROM sale;
        SELECT id, amount, shop FROM sale ORDER BY amount, id' >want
    sqlite-cursors db >got
    cmp want got
done
.

try 'sqlite-cursors: all cursors see the same while another session writes' \
    <<'.'
cp "$sales" db
sqlite3 db 'PRAGMA journal_mode = wal; CREATE TABLE tick (n)' >mode
sum=$(sqlite3 db 'SELECT count(*), sum(amount) FROM sale')
# Every transaction moves something from one cursor to all others.
while [ ! -e stop ]; do
    echo 'BEGIN IMMEDIATE; INSERT INTO tick VALUES (1);'
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
        first=$((i * ROWS * 3 / 20)) # of a cursor
        echo "UPDATE sale SET amount = amount + $i WHERE
                id = (SELECT min(id) FROM sale WHERE id > $first);"
    done
    echo 'UPDATE sale SET amount = amount - 190 WHERE
            id = (SELECT min(id) FROM sale); COMMIT;'
    sleep 0.1
done | sqlite3 -cmd '.timeout 60000' db &
till sh -c 'sqlite3 db "SELECT n FROM tick LIMIT 1" | grep -q 1'
for round in 1 2; do
    sqlite-cursors db >got
    test "$(sed 1q got)" = "$sum"
done
: >stop
wait
test "$(sqlite3 db 'SELECT count(*), sum(amount) FROM sale')" = "$sum"
.

try 'sqlite-cursors: no database, none that is one, no table, no rows' <<'.'
exits 1 sqlite-cursors nosuch 2>err
grep -qx 'gather: unable to lock nosuch: unable to open database file' err
test ! -e nosuch
echo 'this is no database, but a line that is long enough to be read' >text
exits 1 sqlite-cursors text 2>err
grep -q 'file is not a database' err
sqlite3 db 'CREATE TABLE other (a)'
exits 1 sqlite-cursors db 2>err
grep -q '^gather: cursor [0-9]*: no such table: sale$' err
sqlite3 db 'CREATE TABLE sale (id INTEGER PRIMARY KEY, amount, shop)'
sqlite-cursors db >got
echo '0|0' | cmp - got
.

# A table whose cursors take for ever.
endless='CREATE VIEW sale AS WITH RECURSIVE n (id) AS (
    SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, 0 AS amount, 0 AS shop
    FROM n'
export endless

try 'sqlite-cursors: a child is killed in the middle' <<'.'
db=$PWD/db
sqlite3 "$db" "$endless"
exits 1 sqlite-cursors "$db" >got 2>err &
till forked 20 "^sqlite-cursors $db"
sleep 0.5
kill -KILL "$(pgrep -n -f "^sqlite-cursors $db")"
wait $!
grep -q -e 'ended early: signal 9' -e 'its client went away' err
test ! -s got
.

try 'sqlite-cursors: killed by TERM' <<'.'
db=$PWD/db
sqlite3 "$db" "$endless"
sqlite-cursors "$db" >got 2>err &
till forked 20 "^sqlite-cursors $db"
sleep 0.5
kill -TERM $!
wait $! || got=$?
test "$got" = 143
test ! -s got
.

# --- The same in PostgreSQL

lack=''
[ -n "$server" ] || lack='PostgreSQL server'
if [ -z "$lack" ] && ! [ -x "$dir/built/examples/pg-cursors" ]; then
    lack='libpq-fe.h (libpq-dev)'
fi
if [ -z "$lack" ]; then
    ln -s "$dir/built/examples/pg-cursors" "$dir/bin"
    psql -X -q -v ON_ERROR_STOP=1 -v rows="$ROWS" <<'.' || lack='sales in it'
CREATE TABLE sale AS SELECT 3 * i::bigint AS id,
    i * 7919::bigint % 1000003 - 9 AS amount, i % 977 AS shop
    FROM generate_series(1, :rows) AS i WHERE i % 10000 > 500;
ALTER TABLE sale ADD PRIMARY KEY (id);
ANALYZE sale;
.
fi

# sales: what pg-cursors has to print.
cat >"$dir/bin/sales" <<'.'
#!/bin/sh
sql 'SELECT count(*), coalesce(sum(amount), 0) FROM sale'
sql 'SELECT id, amount, shop FROM sale ORDER BY amount, id'
.
chmod +x "$dir/bin/sales"

try 'pg-cursors: the sum and the rows of twenty cursors are those of one' <<'.'
sales >want
pg-cursors >got
cmp want got
test "$(wc -l <got)" -gt $((ROWS / 2))
.

try 'pg-cursors: ids may be as far apart as there are' <<'.'
sql 'create database apart' && export PGDATABASE=apart
sql 'create table sale (id bigint primary key, amount bigint, shop int)'
for ids in '(1), (5000000000000000000)' \
    '(-9223372036854775808), (9223372036854775807)' '(-9), (-8)' '(7)' \
    '(0), (600000000000000000)' \
    '(9223372036854775806), (9223372036854775807)'; do
    sql "truncate sale; insert into sale select id, 2, 3 from
        (values $ids) as v (id)"
    sales >want
    pg-cursors >got
    cmp want got
done
sql 'truncate sale'
pg-cursors >got
echo '0|0' | cmp - got
PGDATABASE=postgres sql 'drop database apart'
.

try 'pg-cursors: all cursors see the same while another session writes' <<'.'
sum=$(sql 'SELECT count(*), sum(amount) FROM sale')
# Every transaction moves something from one cursor to all others.
yes "UPDATE sale
    SET amount = amount + CASE WHEN sale.id = s.id THEN -s.n ELSE 1 END
    FROM (SELECT min(id) AS id, count(*) - 1 AS n FROM sale
        WHERE id % 9999 = 3) AS s
    WHERE sale.id % 9999 = 3;" | psql -X -q &
writer=$!
for round in 1 2; do
    pg-cursors >got
    test "$(sed 1q got)" = "$sum"
done
kill $writer
wait
test "$(sql 'SELECT count(*), sum(amount) FROM sale')" = "$sum"
test "$(sql "SELECT count(*) FROM sale WHERE id % 9999 = 3
    AND amount <> (id / 3) * 7919 % 1000003 - 9")" -gt 9
.

try 'pg-cursors: no server, no table, a cursor that is cancelled' <<'.'
PGPORT=1 exits 1 pg-cursors 2>err
grep -q '^gather: unable to take a snapshot: .*connection to server' err
PGDATABASE=template1 exits 1 pg-cursors 2>err
grep -qx 'gather: unable to take a snapshot: ERROR:  relation "sale" does .*' \
    err
sql 'create database slow' && export PGDATABASE=slow
sql 'create function nap(i int) returns int language plpgsql stable
    as $$ begin perform pg_sleep(30); return i; end $$;
    create view sale as select id, 1 as amount, nap(2) as shop from
        generate_series(1, 99) as id'
exits 1 pg-cursors >got 2>err &
till has FETCH pg_cancel_backend
wait $!
grep -q '^gather: cursor [0-9]*: ERROR:  canceling statement due to user' err
test ! -s got
till env PGDATABASE=postgres sql 'drop database slow'
.
