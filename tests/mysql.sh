#!/bin/sh
#
# mysql.sh - ../examples/mysql-export.sh on a MariaDB server of its own.
#
#     tests/mysql.sh              all tests; about a minute
#     tests/mysql.sh 'killed'     those whose names match: a pattern of the
#                                 shell, found anywhere in the name
#     GATHER=/path/to/gather tests/mysql.sh    tests another binary
#     DEADLINE=300 tests/mysql.sh              gives each test so many seconds
#     SCRIPT=/path/to/it tests/mysql.sh        tests another script
#     WITH='busybox sh' tests/mysql.sh         runs it with another shell
#     SEED=7 TABLES=100 tests/mysql.sh random  so many random tables (6), the
#                                              first one made from this seed
#
# Needs mariadbd, mariadb-install-db and mariadb (Debian: mariadb-server-core,
# mariadb-client-core), and what Linux and the GNU utilities have.  If they are
# missing the tests are skipped; if CI is set that is a failure.  It may be run
# as root.  The server listens on a socket in a scratch directory, and nowhere
# else.  scripts.sh says how the tests are run and written; no session of a
# test may be left in the server.

# shellcheck source=tests/scripts.sh
. "$(dirname "$0")/scripts.sh"
unset GATHER_TOKEN MYSQL MYSQL_HOST MYSQL_PWD MYSQL_TCP_PORT MYSQL_UNIX_PORT
: "${WITH:=sh}" "${SCRIPT:=$here/examples/mysql-export.sh}" "${TABLES:=6}"
: "${SEED:=$(date +%s)}"
export WITH SCRIPT dir
PATH=$PATH:/usr/sbin

# --- The server

need mariadbd mariadb-server-core
need mariadb-install-db mariadb-server-core
need mariadb mariadb-client-core
server='' user=''
if [ "$(id -u)" -eq 0 ]; then
    user=nobody
    ! id mysql >/dev/null 2>&1 || user=mysql
fi

# as_user COMMAND: as the user that the server belongs to.
as_user() {
    if [ -z "$user" ]; then
        "$@"
    else
        setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"
    fi
}

# server_start: no process of a test; it answers when this returns.  In its
# tmpdir a server deletes temporary tables when it starts, be they of others.
server_start() {
    (
        unset GATHER_TEST
        cd "$dir/my" || exit
        as_user mariadbd --no-defaults --datadir="$dir/my/data" \
            --socket="$dir/my/s" --pid-file="$dir/my/pid" --skip-networking \
            --tmpdir="$dir/my" \
            --innodb-flush-log-at-trx-commit=0 --secure-file-priv= \
            --max-connections=60 --character-set-server=utf8mb4 \
            --innodb-buffer-pool-size=64M --lock-wait-timeout=30 \
            >>"$dir/my/log" 2>&1 &
    ) </dev/null
    n=0
    until sql 'select 1' >/dev/null 2>&1; do
        [ $((n += 1)) -le 300 ] || return 1
        sleep 0.1
    done
}
server_stop() {
    [ ! -e "$dir/my/pid" ] || kill -s KILL "$(cat "$dir/my/pid")"
    rm -f "$dir/my/pid"
}
tidy() {
    server_stop 2>/dev/null
}

# sql STATEMENTS: runs them, with bare output.
cat >"$dir/bin/sql" <<'.'
#!/bin/sh
exec mariadb --defaults-file="$dir/cnf" --batch --raw -N -e "$1" ${2-}
.

# mysql-export ARGUMENTS: the script, with -d; its shell is replaced by it.
cat >"$dir/bin/mysql-export" <<'.'
#!/bin/sh
exec $WITH "$SCRIPT" -d "${cnf:-$dir/cnf}" "$@"
.

# want TABLE: what INTO OUTFILE writes of it, in utf8mb4, by its key.  BIT it
# does not escape, binary it does.
cat >"$dir/bin/want" <<'.'
#!/bin/sh
rm -f "$dir/my/out"
query=$(sql "set sql_mode = '', group_concat_max_len = 1000000;
    select concat('select ', group_concat(case
        when data_type = 'bit' then concat('cast(', n, ' as binary)')
        when ifnull(character_set_name, 'utf8mb4') = 'utf8mb4' then n
        else concat('convert(', n, ' using utf8mb4)') end
        order by ordinal_position),
        ' into outfile ''$dir/my/out'' from \`$1\`', ifnull((select
            concat(' order by ', group_concat(concat('\`', column_name, '\`')
            order by seq_in_index)) from information_schema.statistics
            where table_schema = 'd' and table_name = '$1'
            and index_name = 'PRIMARY'), ''))
    from (select *, concat('\`', replace(column_name, '\`', '\`\`'), '\`') as n
        from information_schema.columns where table_schema = 'd'
        and table_name = '$1' and extra not like '%INVISIBLE%') as c")
sql "set time_zone = '+00:00', sql_mode = ''; $query" d
cat "$dir/my/out"
.

# has PATTERN: a session that runs such a thing; busy PATTERN: is there one?
cat >"$dir/bin/has" <<'.'
#!/bin/sh
sql "select id from information_schema.processlist
    where id <> connection_id() and info rlike '$1' limit 1" | grep .
.
cat >"$dir/bin/busy" <<'.'
#!/bin/sh
has "$1" >/dev/null
.

# spoil: stands for the client; $spoil is done to the statements for it.
cat >"$dir/bin/spoil" <<'.'
#!/bin/sh
mkfifo "pipe.$$"
sed -u "$spoil" </proc/$$/fd/0 >"pipe.$$" &
exec mariadb "$@" <"pipe.$$"
.
chmod +x "$dir"/bin/*

# remains: the sessions that the server has.
remains() {
    [ ! -e "$dir/my/pid" ] || sql "select id, info from
        information_schema.processlist where id <> connection_id()
        and command <> 'Daemon'" 2>&1
}

if [ -z "$lack" ]; then
    mkdir "$dir/my"
    [ -z "$user" ] || chown "$user" "$dir/my"
    printf '[client]\nuser=root\nsocket=%s/my/s\n' "$dir" >"$dir/cnf"
    if as_user mariadb-install-db --no-defaults --datadir="$dir/my/data" \
        --tmpdir="$dir/my" --auth-root-authentication-method=normal \
        --skip-test-db \
        >"$dir/install" 2>&1 && server_start; then
        server=yes
    else
        cat "$dir/install" "$dir/my/log"
        lack='server that starts'
    fi
fi

# --- What is exported

cat >"$dir/tables.sql" <<'.'
CREATE TABLE t (id int PRIMARY KEY, v varchar(200));
INSERT INTO t SELECT seq, concat(repeat('x', 100), seq) FROM seq_1_to_20000;
CREATE TABLE big (id int PRIMARY KEY, v varchar(2000));
INSERT INTO big SELECT seq, repeat('x', 2000) FROM seq_1_to_20000;
CREATE TABLE types (`a``b{}%s"'` bigint unsigned, ti tinyint zerofill,
    f float, db double, de decimal(30,10), b bit(13), y year, dt date,
    tm time(3), dtt datetime(6), ts timestamp(2) NULL, c char(20),
    v varchar(300), l1 varchar(20) CHARSET latin1,
    u2 varchar(20) CHARSET ucs2, u3 varchar(20) CHARSET utf8mb3, bi binary(7),
    vb varbinary(300), lb longblob, e enum('x', 'a b', '\\', '	'),
    s set('p', 'q'), j json, g geometry, u uuid, i6 inet6,
    vc varchar(50) AS (concat(v, '!')) VIRTUAL, st int AS (ti * 2) STORED,
    inv int INVISIBLE DEFAULT 3, gb varchar(10) CHARSET gbk,
    id int, PRIMARY KEY (id, ti));
INSERT INTO types (`a``b{}%s"'`, ti, f, db, de, b, y, dt, tm, dtt, ts, c, v,
    l1, u2, u3, bi, vb, lb, e, s, j, g, u, i6, gb, id)
SELECT seq * 6148914691236517, seq % 100,
    seq / 7 * pow(10, cast(seq % 30 AS signed) - 15),
    -seq / 7 * pow(10, cast(seq % 300 AS signed) - 150), seq / 3,
    seq * 7 % 8192, 1901 + seq % 200,
    date_add('1000-01-01', INTERVAL seq * 113 day),
    sec_to_time(seq * 991.123 - 300000),
    date_add('1001-01-01 01:02:03.456789', INTERVAL seq * 113234 second),
    from_unixtime(seq * 712343.33), concat('c', seq, '  '),
    concat(char(seq % 128 USING utf8mb4), '\t\n\\', char(0 USING utf8mb4),
        '"\r', x'f09f9880', 'NULL\\N\\\\n', if(seq % 3, '', '\t'), seq),
    concat(x'e96c', seq, x'ff80', '\\\n'), concat('\t', seq), '"',
    concat('b', seq, char(0)), unhex(sha2(seq, 512)),
    if(seq % 97, if(seq % 2, '', sha1(seq)),
        repeat(unhex(sha2(seq, 512)), 3000)),
    1 + seq % 4, seq % 4, concat('{"a":', seq, '}'), point(seq, seq / 3),
    md5(seq), concat('::', hex(seq)), x'd6d0cec4', cast(seq AS signed) - 1000
FROM seq_1_to_1500;
INSERT INTO types (id, ti) SELECT -cast(seq AS signed) - 2000, seq % 50
    FROM seq_1_to_100;
CREATE TABLE bare (a int, b varchar(10));
INSERT INTO bare SELECT if(seq % 3, seq, NULL), if(seq % 5, 'x', NULL)
    FROM seq_1_to_1000;
INSERT INTO bare VALUES (1, 'x'), (1, 'x');
CREATE TABLE empty LIKE t;
CREATE TABLE `odd.n``a'm"e{} $x` (`k	e\y` varchar(40) COLLATE
    utf8mb4_unicode_ci PRIMARY KEY);
INSERT INTO `odd.n``a'm"e{} $x`
    SELECT concat('''" and >= \\', seq) FROM seq_1_to_300;
CREATE TABLE cut (id int, v int, PRIMARY KEY (id, v)) PARTITION BY
    HASH (id) PARTITIONS 5;
INSERT INTO cut SELECT seq % 300, seq FROM seq_1_to_3000;
CREATE TABLE versions (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING;
INSERT INTO versions SELECT seq, 1 FROM seq_1_to_1000;
UPDATE versions SET v = 2 WHERE id % 3 = 0;
DELETE FROM versions WHERE id % 7 = 0;
CREATE TABLE money (id int PRIMARY KEY, v bigint, pad char(100));
INSERT INTO money SELECT seq, 1000, '' FROM seq_1_to_20000;
CREATE VIEW seen AS SELECT * FROM t;
CREATE TABLE isam (a int) ENGINE = MyISAM;
CREATE SEQUENCE seq;
CREATE TABLE varies (id int PRIMARY KEY, c int AS (connection_id()) VIRTUAL);
INSERT INTO varies (id) SELECT seq FROM seq_1_to_1000;
CREATE USER reader IDENTIFIED BY 'right';
CREATE USER few IDENTIFIED BY 'right' WITH MAX_USER_CONNECTIONS 5;
GRANT SELECT ON d.* TO reader, few;
GRANT RELOAD ON *.* TO few;
CREATE USER half;
GRANT SELECT (id) ON d.t TO half;
GRANT RELOAD ON *.* TO half;
.
if [ -n "$server" ]; then
    { sql 'CREATE DATABASE d' && sql "SET NAMES utf8mb4, time_zone = '+00:00';
        SET sql_mode = ''; $(cat "$dir/tables.sql")" d; } ||
        lack='table in it'
fi

try 'each type is what INTO OUTFILE says, in any number of parts' <<'.'
want types >want
test "$(wc -c <want)" -gt 100000
for n in 1 7 150; do
    mysql-export -n $n d types -j 5 >got 2>err
    cmp want got
done
grep -qx 'mysql-export: columns that are invisible are left out: 1' err
.

try 'without a key; empty; one row; partitions; versions; odd names' <<'.'
odd="odd.n\`a'm\"e{} \$x"
mysql-export -n 20 d "$odd" >got
sql "select * from \`odd.n\`\`a'm\"e{} \$x\` order by 1" d |
    sed 's/\\/\\\\/g' | cmp - got
for table in bare empty cut versions; do
    want $table >want
    mysql-export d $table >got
    cmp want got
done
sql "create table one (a int primary key, b int); insert into one (a) values
    (7)" d
mysql-export -H d one >got
printf 'a\tb\n7\t\\N\n' | cmp - got
mysql-export -H d "$odd" -j 1 | sed 1q >got
printf 'k\\\te\\\\y\n' | cmp - got
.

try 'csv: text in quotation marks, NULL as nothing, binary in hex' <<'.'
sql 'create table c (id int primary key, `a "b"` varchar(20), b varbinary(9),
    d datetime, bits bit(4));
    insert into c values (1, "x\"y,\nz\t\\", 0x00ff5c0a, "2020-01-02", 5),
    (2, "", "", null, null), (3, null, null, null, null),
    (4, concat("N", char(0), "\\0\\n"), null, null, null)' d
mysql-export -H -f csv d c >got
{
    echo 'id,"a ""b""",b,d,bits'
    printf '1,"x""y,\nz\t\\","00FF5C0A",2020-01-02 00:00:00,5\n'
    printf '2,"","",,\n3,,,,\n4,"N\0\\0\\n",,,\n'
} >want
cmp want got
.

# random SEED: the statements that make a table from it.
cat >"$dir/bin/random" <<'.'
#!/bin/sh
exec awk -v seed="$1" '
    function pick(text,  n, p) {
        n = split(text, p, "|")
        return p[1 + int(rand() * n)]
    }
    BEGIN {
        srand(seed)
        h = "md5(concat(seq, " seed "))"
        r = "cast(conv(left(" h ", 8), 16, 10) as signed)"
        big = "cast(conv(left(" h ", 16), 16, 10) as unsigned)"
        k["int"] = r " - 2147483648"
        k["smallint"] = r " % 30000"
        k["bigint unsigned"] = big
        k["bigint"] = "cast(" big " as decimal(30)) - 9223372036854775808"
        k["decimal(20,4)"] = "(" r " - 2147483648) / 777"
        k["float"] = "(" r " - 2147483648) / 777"
        k["double"] = "(" r " - 2147483648) / 777 * pow(10, seq % 50)"
        k["date"] = "date_add(\"1000-01-02\", interval " r " % 3000000 day)"
        k["datetime(6)"] = "from_unixtime(" r " / 2.000001)"
        k["timestamp(3)"] = "from_unixtime(" r " / 2.001)"
        k["time(2)"] = "sec_to_time(" r " % 6000000 / 1.01 - 3000000)"
        k["year"] = "1901 + " r " % 250"
        k["bit(20)"] = r " % 1000000"
        k["enum(\"b\",\"a\",\"c\")"] = "1 + " r " % 3"
        k["uuid"] = h
        k["inet6"] = "concat(\"::\", left(" h ", 4))"
        k["binary(9)"] = "unhex(left(" h ", 18))"
        k["varbinary(30)"] = "unhex(left(" h ", 2 * (seq % 15)))"
        text = "concat(char(" r " % 128), if(seq % 3, \"\", \" \"), elt(1" \
            " + seq % 9, \"\", \"a\", \"A\", 0xc3a4, 0xc384, \"ss\"," \
            " 0xc39f, \"\\t\\n\", \"\\\\N\"), if(seq % 4, left(" h \
            ", 1 + seq % 5), \"\"))"
        n = split("utf8mb4_general_ci|utf8mb4_unicode_ci|utf8mb4_bin|" \
            "utf8mb4_unicode_520_nopad_ci|utf8mb4_swedish_ci|" \
            "latin1_swedish_ci|latin1_german2_ci|latin1_general_cs|" \
            "utf8mb3_czech_ci|utf16_unicode_ci|ucs2_bin|cp1250_czech_cs|" \
            "utf8mb4_hungarian_ci|sjis_japanese_ci", c, "|")
        for (i = 1; i <= n; i++) {
            split(c[i], cs, "_")
            type = "varchar(40) character set " cs[1] " collate " c[i]
            k[type] = text
            if (cs[1] == "sjis")
                k[type] = "hex(" text ")"
        }
        k["char(30) collate utf8mb4_general_ci"] = text
        m = 0
        for (type in k)
            names[++m] = type
        type = names[1 + int(rand() * m)]
        key = pick("(k)|(k, n)|(k, n)|none|(n, k)")
        if (type ~ /char/ && rand() < 0.1)
            key = "(k(3), n)"
        rows = int(exp(rand() * 8))
        print "create table r (" \
            (rand() < 0.5 ? "v varchar(90)," : "v longblob default \"\",") \
            "k " type (key ~ /k/ ? " not null" : "") ", n int not null," \
            " w double, x bit(9), y datetime(3)" (rand() < 0.3 ? \
            ", z varchar(90) as (concat(v, n)) virtual" : "") \
            (key == "none" ? "" : ", primary key " key) ");"
        print "insert ignore into r (v, k, n, w, x, y) select if(seq % 7, " \
            "concat(left(" h ", seq % 20), elt(1 + seq % 5, \"\\t\", " \
            "\"\\n\", \"\\\\\", \"\\0\", \"NULL\")), null), " k[type] ", " \
            (rand() < 0.3 ? "1" : "seq") ", seq / 7, if(seq % 2, seq, null)," \
            " from_unixtime(seq) from seq_1_to_" rows + 1 ";"
        if (rand() < 0.3)
            print "delete from r where n % 3 = 0;"
    }'
.
chmod +x "$dir/bin/random"

n=-1
while [ $((n += 1)) -lt "$TABLES" ]; do
    seed=$((SEED + n))
    export seed
    try "random table $seed" <<'.'
sql "set sql_mode = '', time_zone = '+00:00', names utf8mb4; drop table if
    exists r; $(random "$seed")" d
sql 'show create table r' d >notes
sql 'select count(*) from r' d >>notes
want r >want
for n in 1 $((seed % 50 + 2)) 150; do
    mysql-export -n $n d r -j 5 >got
    cmp want got
done
rm notes
.
done

# --- One snapshot

try 'writers all the time: each export has the sum of one moment' <<'.'
for writer in 1 2 3; do
    w=$writer
    {
        i=0
        while [ ! -e stop ]; do
            i=$((i + w))
            a=$((1 + i * 7919 % 20000)) b=$((1 + i * 104729 % 20000))
            echo "begin; update money set v = v - 7 where id = $a;
                update money set v = v + 7 where id = $b; commit;"
            echo "begin; insert into money values ($((30000 * w + i)), 5, '');
                update money set v = v - 5 where id = $a; commit;"
            : >"wrote.$w"
        done | mariadb --defaults-file="$dir/cnf" d
    } &
done
for writer in 1 2 3; do
    till test -e wrote.$writer
done
for n in 1 2 3; do
    mysql-export d money -j 8 >got.$n
    test "$(awk '{ n += $2 } END { print n }' got.$n)" = 20000000
done
: >stop
wait
! cmp -s got.1 got.3
sql 'delete from money where id > 20000' d
.

try 'whoever alters, empties or drops the table waits for the end' <<'.'
sql 'create table victim like big; insert into victim select * from big' d
want victim >want
mkfifo out
mysql-export -n 3 d victim -j 3 -m 0 >out &
exec 8<out # nobody reads yet
till busy '^select concat.*victim.*order by'
sql 'alter table victim add column late int first' d &
till busy 'alter table'
sql 'truncate table victim' d &
till busy 'truncate'
sql 'drop table victim' d &
till busy 'drop table'
cat <&8 >got
wait
cmp want got
.

try 'settings of the server and of option files change nothing' <<'.'
want types >want
sql "set global sql_mode = concat('ANSI_QUOTES,NO_BACKSLASH_ESCAPES',
        ',PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH,EMPTY_STRING_IS_NULL'),
    global sql_select_limit = 10, global time_zone = '+05:00',
    global wait_timeout = 1, global max_statement_time = 0.2,
    global tx_isolation = 'READ-UNCOMMITTED',
    global net_write_timeout = 1, global idle_transaction_timeout = 1,
    global group_concat_max_len = 100, global autocommit = 0,
    global init_connect = 'set autocommit = 0'" || :
cat "$dir/cnf" - >cnf <<'E'
[mysql]
safe-updates
raw
table
xml
html
vertical
force
reconnect
show-warnings
column-names
select-limit=3
database=mysql
delimiter=x
init-command=select 7
E
mkfifo out
cnf=$PWD/cnf mysql-export d types -j 3 -m 0 >out 2>err &
exec 8<out
sleep 3 # longer than all these timeouts
cat <&8 >got
wait $!
sql 'set global sql_mode = default, global sql_select_limit = default,
    global time_zone = default, global wait_timeout = default,
    global max_statement_time = default, global net_write_timeout = default,
    global tx_isolation = default,
    global idle_transaction_timeout = default, global autocommit = default,
    global group_concat_max_len = default, global init_connect = default'
cmp want got
.

# --- What is refused

try 'views, other engines, sequences, no table, a query' <<'.'
no() {
    message=$1
    shift
    exits 1 mysql-export "$@" >got 2>err
    grep -qxF "mysql-export: unable to export table $message" err
    test ! -s got
}
no 'seen of d: it is a view, not a table' d seen
no 'isam of d: its engine is MyISAM, which has no snapshots, not InnoDB' d isam
no 'seq of d: it is no table, but a sequence' d seq
no 'T of d: there is none, or no privilege for it' d T
no 't of nosuch: there is none, or no privilege for it' nosuch t
no 'select 1 from t of d: there is none, or no privilege for it' d \
    'select 1 from t'
exits 123 mysql-export d varies >got 2>err
grep -q 'or a virtual column varies' err
.

try 'a command line that makes no sense' <<'.'
no() {
    message=$1
    shift
    exits 1 mysql-export "$@" 2>err
    sed 1q err | grep -qxF "mysql-export: $message"
    grep -q '^mysql-export: usage: mysql-export.sh' err
}
no 'no database and table'
no 'no database and table' d
no 'no option, or without its argument: -z' -z d t
no 'no option of gather, or without its argument: -n' d t -n 3
no 'more than a database and a table: a query cannot be exported' d t u
no 'no number of parts: x' -n x d t
no 'no number of seconds: 0' -w 0 d t
no 'no number of jobs: 0' d t -j 0
no 'no such format: xml' -f xml d t
.

try 'no server, a wrong password, no RELOAD, a column without SELECT' <<'.'
echo '[client]' >>cnf
echo "socket=$PWD/nosuch" >>cnf
cnf=cnf exits 1 mysql-export d t 2>err
grep -q "Can't connect to local server" err
grep -qx 'mysql-export: unable to open a session' err
printf '[client]\nuser=reader\npassword=wrong\nsocket=%s/my/s\n' "$dir" >cnf
cnf=cnf exits 1 mysql-export d t 2>err
grep -q 'Access denied' err
sed -i s/wrong/right/ cnf
cnf=cnf exits 1 mysql-export d t >got 2>err
grep -q 'at once: the user needs the privilege RELOAD$' err
test ! -s got
printf '[client]\nuser=half\nsocket=%s/my/s\n' "$dir" >cnf
cnf=cnf exits 1 mysql-export d t >got 2>err
grep -q 'SELECT command denied' err
test ! -s got
.

try 'too few connections' <<'.'
printf '[client]\nuser=few\npassword=right\nsocket=%s/my/s\n' "$dir" >cnf
cnf=cnf exits 1 mysql-export d t >got 2>err
grep -q 'max_user_connections' err
grep -q '^mysql-export: unable to connect in session . of 20$' err
cnf=cnf mysql-export d t -j 4 >got
want t | cmp - got
.

try 'a lock that somebody else holds: a message, and nothing stays locked' \
    <<'.'
echo 'backup stage start; select sleep(60)' >statements
mariadb --defaults-file="$dir/cnf" <statements >/dev/null 2>&1 &
till busy 'sleep.60'
exits 1 mysql-export -w 1 d t 2>err
grep -q '^mysql-export: unable to hold commits up for a moment: somebody' err
sql "kill $(has 'sleep.60')"
wait
sql 'lock table t write; select sleep(60)' d >/dev/null 2>&1 &
till busy 'sleep.60'
exits 1 mysql-export -w 1 d t 2>err
grep -q '^mysql-export: unable to read the table: somebody else had a' err
sql 'update money set v = v where id = 1' d
sql "kill $(has 'sleep.60')"
wait
.

# --- What goes wrong

try 'a session is killed in the middle' <<'.'
mkfifo out
exits 123 mysql-export -n 3 d big -j 3 -m 0 >out 2>err &
exec 8<out
till busy '^select concat.*big.*order by'
sql "kill $(has '^select concat.*big.*order by')"
cat <&8 >got
wait $!
grep -q 'its session is lost' err
want big >want
test "$(wc -c <got)" -lt "$(wc -c <want)"
.

try 'a query is killed; with -r the part is tried again in another session' \
    <<'.'
mkfifo out
exits 123 mysql-export -n 3 d big -j 3 -m 0 >out 2>err &
exec 8<out
till busy '^select concat.*big.*order by'
sql "kill query $(has '^select concat.*big.*order by')"
cat <&8 >got
wait $!
exec 8<&-
grep -q 'Query execution was interrupted' err
spoil='s/EXECUTE part;/DO SLEEP(1); &/' MYSQL=spoil \
    mysql-export -n 9 d t -r 9 -j 4 >got 2>err &
till busy '^do sleep.1'
sql "kill $(has '^do sleep.1')"
wait $!
grep -q 'trying again' err
want t | cmp - got
.

try 'the keyholder is killed before all have begun' <<'.'
spoil="s/^ *EXECUTE touch; SELECT CONCAT(@token, 'O');/DO SLEEP(2); &/" \
    MYSQL=spoil exits 1 mysql-export d t -j 2 >got 2>err &
till busy '^do sleep.2'
sql "kill $(sql "select min(id) from information_schema.processlist
    where command = 'Sleep'")"
wait $!
grep -q 'unable to hold commits up until all sessions had begun' err
test ! -s got
.

try 'the server is killed' <<'.'
mkfifo out
exits 123 mysql-export -n 3 d big -j 3 -m 0 >out 2>err &
exec 8<out
till busy '^select concat.*big.*order by'
kill -KILL "$(cat "$dir/my/pid")"
rm "$dir/my/pid"
cat <&8 >got
wait $!
grep -q -e 'Lost connection' -e 'gone away' -e 'its session is lost' err
.
[ -z "$server" ] || server_start || lack='server that starts again'

try 'a full disk; the reader goes away' <<'.'
exits 1 mysql-export d big >/dev/full 2>err
grep -qx 'gather: fatal: unable to write standard output: No space.*' err
{ exits 141 mysql-export d big 2>err || :; } | head -c 100000 >got
want big | head -c 100000 | cmp - got
.

for signal in HUP:129 INT:130 TERM:143 KILL:137; do
    code=${signal#*:} signal=${signal%:*}
    export signal code
    try "killed by $signal, while parts run, and before" <<'.'
mkfifo out
env --default-signal=INT mysql-export -n 3 d big -j 3 -m 0 >out 2>err &
exec 8<out
till busy '^select concat.*big.*order by'
kill -s "$signal" $!
ended "$code" $!
exec 8<&-
sql 'lock table t write; select sleep(60)' d 2>/dev/null &
till busy 'sleep.60'
env --default-signal=INT mysql-export d t 2>err &
till busy 'touched FROM'
kill -s "$signal" $!
ended "$code" $!
sql "kill $(has 'sleep.60')"
wait
.
done

for shell in dash 'bash --posix' bash mksh ksh 'busybox sh'; do
    command -v "${shell%% *}" >/dev/null || lack=${lack:-${shell%% *}}
    WITH=$shell
    try "under $shell" <<'.'
want types >want
mysql-export d types -j 3 -l 'a log' >got
cmp want got
mysql-export -f csv -H d bare -n 2 >got || mysql-export -f csv -H d bare >got
test "$(wc -l <got)" -eq 1003
.
done

finish
