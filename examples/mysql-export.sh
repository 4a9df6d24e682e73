#!/bin/sh
#
# mysql-export.sh - a consistent parallel export of a table from MariaDB or
# MySQL, in the order of its primary key, as one stream on standard output.
#
#     mysql-export.sh [-H] [-d file] [-f format] [-n parts] [-w seconds]
#                     database table [an option of gather ...]
#
#     mysql-export.sh shop orders >orders.tsv
#     mysql-export.sh -H -f csv shop orders -j 8
#
# database, table   as they are, without quotation marks
# -d file     an option file for the client: host, user, password
# -f format   tsv or csv
# -H          begin with a line that has the names of the columns
# -n parts    about so many; else one for each 4 MiB, but at least 40
# -w seconds  wait so long for a lock, at most (10)
#
# Options of gather that make sense are -j -l -m -o -p -q -r -t -v.  The server
# is the one that `mariadb`, or `mysql`, finds by its option files, by -d, and
# by MYSQL_HOST, MYSQL_TCP_PORT, MYSQL_UNIX_PORT and MYSQL_PWD; MYSQL may name
# another client.  There have to be as many connections free as there are jobs
# (20), and one.  The user needs SELECT on the table, and RELOAD.
#
# tsv is what `SELECT * FROM table ORDER BY key INTO OUTFILE` writes, byte for
# byte: \N for NULL, a backslash before tab, newline and backslash, \0 for NUL.
# csv has NULL as nothing, text in quotation marks, and binary columns in
# hexadecimal digits.  Text is in utf8mb4 whatever the column has; a TIMESTAMP
# is in UTC.  Generated columns are there, invisible ones are not, which is
# said aloud.
#
# Only tables of InnoDB have snapshots: others, views and queries are refused.
# Parts are ranges of the first column of the primary key.  There is one part
# without a key, with a column of another type than a whole number, a decimal,
# a date or time, uuid, inet, or a string (such as float, enum, set, bit or
# year), or if only the beginning of a string is in the key: with that, MariaDB
# does not find each row in a range if the collation takes one character as
# two.
#
# The exit status is that of gather: 0 if everything has been written, and only
# then.  Otherwise the client, gather or this script has said why on standard
# error.  What that rests on:
#
# 1. All parts see one snapshot.  MySQL has none to hand over, so a session for
#    each job is opened in advance.  The keyholder, a session more, then stops
#    all commits (BACKUP STAGE BLOCK_COMMIT or, where there is none, FLUSH
#    TABLES WITH READ LOCK); each of the others says START TRANSACTION WITH
#    CONSISTENT SNAPSHOT and touches the table; and when all have answered the
#    keyholder lets commits go on.  Nothing was committed in between, if the
#    keyholder still was the one who held the lock: so it is asked.  A lock
#    that is not granted in time (-w) ends the export; nothing is held then.
# 2. The snapshot stays.  A session that has touched the table holds its
#    metadata lock until the end: ALTER, DROP and TRUNCATE wait.  The client
#    does not reconnect, and each part is prepared from variables of its
#    session, so another session would have none.  A session that is lost is
#    never used again, and a part that is tried again (-r) gets another one,
#    with the same snapshot.
# 3. Parts do not overlap and leave nothing out: each begins with the literal
#    with which the one before it ends, and both compare it in the type and
#    collation of the column.  The boundaries need not be rows of the snapshot.
# 4. That is not taken on trust.  Each row comes with the CRC-32 of its key
#    (without one, of all columns) and of its virtual columns.  Each part
#    counts and adds what it has written, and compares the number with the one
#    that the server has sent.  The part that ends as the last one asks for
#    number and sum of the whole table, without ranges, in the snapshot, and
#    fails unless they agree: so a row that is missing or comes twice, and a
#    virtual column that has another value each time, are noticed.
# 5. A warning of the server fails the part, since that is how a value is cut.
#
# How: the client of each session reads statements from one FIFO and writes
# rows to another.  A part takes a session that is free, writes its query there
# and reads lines until the end mark.  Each line begins with a random token,
# which nobody knows who might have written it into the table, and NULL is the
# token as well.  The client writes newlines and tabs in a value as two
# characters, so that a line is a row.
#
# The keeper, a process in the background, ends the sessions, and their queries
# in the server, as soon as nobody holds open descriptor 3 any more, which are
# this shell, gather, which takes its place, and its children: however they
# end.

die() {
    echo "mysql-export: $*" >&2
    exit 1
}
usage() {
    echo "mysql-export: $*" >&2
    die 'usage: mysql-export.sh [-H] [-d file] [-f tsv|csv] [-n parts]' \
        '[-w seconds] database table [-j jobs] [-o template] ...'
}

# --- What is asked for

LC_ALL=C
export LC_ALL
format=tsv header='' parts=0 wait=10 file=''
while getopts :Hd:f:n:w: option; do
    case $option in
    H) header=yes ;;
    d) file=$OPTARG ;;
    f) format=$OPTARG ;;
    n) parts=$OPTARG ;;
    w) wait=$OPTARG ;;
    *) usage "no option, or without its argument: -$OPTARG" ;;
    esac
done
shift $((OPTIND - 1))
if [ -z "${1-}" ] || [ -z "${2-}" ]; then
    usage 'no database and table'
fi
database=$1 table=$2 sessions=20
shift 2
OPTIND=1
while getopts :j:l:m:o:p:qr:t:v option; do
    case $option in
    j) sessions=$OPTARG ;;
    [:?])
        usage "no option of gather, or without its argument: -$OPTARG"
        ;;
    esac
done
[ $# -lt $OPTIND ] ||
    usage 'more than a database and a table: a query cannot be exported'

# number WHAT TEXT: 1 to 99999.
number() {
    case $2 in '' | *[!0-9]* | 0* | ??????*)
        usage "no number of $1: $2" ;;
    esac
}
[ "$parts" = 0 ] || number parts "$parts"
number seconds "$wait"
number jobs "$sessions"
case $format in
tsv | csv) ;;
*) usage "no such format: $format" ;;
esac

if [ -z "${GATHER-}" ]; then
    GATHER=$(dirname "$0")/../gather
    [ -x "$GATHER" ] || GATHER=gather
fi
if [ -z "${MYSQL-}" ]; then
    MYSQL=mysql
    ! command -v mariadb >/dev/null || MYSQL=mariadb
fi
for tool in "$GATHER" "$MYSQL"; do
    command -v "$tool" >/dev/null || die "unable to find $tool"
done

# For the client: whatever an option file might set that would change what it
# writes, set otherwise.
options='--batch --quick --skip-column-names --unbuffered --binary-mode
    --comments --skip-reconnect --skip-force --skip-raw --skip-table
    --skip-html --skip-xml --skip-vertical --skip-show-warnings
    --skip-safe-updates --init-command=DO(0) --delimiter=; --database=
    --default-character-set=utf8mb4 --max-allowed-packet=1G'

# --- Sessions

# hex TEXT: its bytes, for a literal.
hex() {
    printf %s "$1" | od -An -v -tx1 | tr -d ' \n'
}
token=$(od -An -N8 -tx1 /dev/urandom | tr -cd 0-9a-f)
[ ${#token} -eq 16 ] || die 'unable to read /dev/urandom'

umask 077
dir=${TMPDIR:-/tmp}/mysql-export.$$
mkdir "$dir" || exit 1
mkdir "$dir/free" && mkfifo "$dir/hold" && : >"$dir/pids" &&
    : >"$dir/ids" && : >"$dir/done" || exit 1
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The keeper.  A query that is at work would not notice that its client has
# gone; one of an export that has been proved is none.
(
    trap '' HUP INT TERM
    cat >/dev/null
    if [ ! -e "$dir/proved" ]; then
        # shellcheck disable=SC2086 # options
        sed 's/.*/KILL &;/' "$dir/ids" |
            "$MYSQL" ${file:+"--defaults-extra-file=$file"} $options \
                --force --connect-timeout=5
    fi >/dev/null 2>&1
    # shellcheck disable=SC2046 # these are several
    kill $(cat "$dir/pids") 2>/dev/null
    rm -rf "$dir"
) <"$dir/hold" >/dev/null &
exec 3>"$dir/hold"

# session NAME: starts a client between two FIFOs, which are opened with <>: so
# there are a reader and a writer of both, nobody waits to open one, nothing is
# lost.  When the client has ended its shell says so, and keeps them open.
session() {
    mkfifo "$dir/in.$1" "$dir/out.$1" || exit 1
    (
        exec 4<>"$dir/in.$1" 1<>"$dir/out.$1" 3>&-
        client=''
        trap 'kill -s KILL "$client" 2>/dev/null; exit 1' HUP TERM
        # shellcheck disable=SC2086 # options
        "$MYSQL" ${file:+"--defaults-extra-file=$file"} $options <&4 4<&- &
        client=$!
        wait "$client"
        printf '\n%sD\n' "$token"
        exec cat <&4 5>&1 >/dev/null
    ) </dev/null &
    echo $! >>"$dir/pids"
}

# ask NAME STATEMENTS, whose answer is then read; answer NAME: the next line,
# in $answer; 1 if it is none.
ask() {
    printf '%s\n' "$2" >"$dir/in.$1"
}
answer() {
    answer=''
    read -r answer <"$dir/out.$1"
    case $answer in
    "$token"O*) answer=${answer#"$token"O} ;;
    *) return 1 ;;
    esac
}

# What a session needs before anything else.
settings="
SET SESSION sql_mode = '', time_zone = '+00:00', sql_big_selects = 1,
    sql_select_limit = 18446744073709551615, wait_timeout = 2147483,
    net_write_timeout = 2147483, group_concat_max_len = 4194304,
    lock_wait_timeout = $wait
    /*M!100300 , max_statement_time = 0, idle_transaction_timeout = 0,
    idle_readonly_transaction_timeout = 0, idle_write_transaction_timeout = 0,
    system_versioning_asof = DEFAULT */
    /*!50708 , max_execution_time = 0 */;
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET @token = '$token', @format = '$format',
    @d = CONVERT(X'$(hex "$database")' USING utf8mb4),
    @t = CONVERT(X'$(hex "$table")' USING utf8mb4);
SET @from = CONCAT('\`', REPLACE(@d, '\`', '\`\`'), '\`.\`',
        REPLACE(@t, '\`', '\`\`'), '\`');
SET @touch = CONCAT('SELECT COUNT(*) INTO @touched FROM (SELECT * FROM ',
    @from, ' LIMIT 1) AS t');
SELECT CONCAT(@token, 'O', CONNECTION_ID());"

# What the table is, and the queries for it, in variables of the session.
# Names do not leave the server, whatever is in them.
# shellcheck disable=SC2016 # no variables of the shell
definition='
SET @exact = IF(@@lower_case_table_names = 0, 1, 0), @kind = NULL;
SELECT TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH
    INTO @kind, @engine, @rows, @bytes FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = @d AND TABLE_NAME = @t
    AND (@exact = 0 OR BINARY TABLE_NAME = BINARY @t) LIMIT 1;

SELECT MIN(IF(class = "?", DATA_TYPE, NULL)),
    GROUP_CONCAT(class ORDER BY n SEPARATOR ""),
    GROUP_CONCAT(QUOTE(COLUMN_NAME) ORDER BY n SEPARATOR ", "),
    GROUP_CONCAT(CONCAT("CAST(", name, " AS BINARY)") ORDER BY n),
    IFNULL(GROUP_CONCAT(IF(EXTRA LIKE "%VIRTUAL GENERATED%",
        CONCAT(", CAST(", name, " AS BINARY)"), NULL)
        ORDER BY n SEPARATOR ""), ""),
    GROUP_CONCAT(IF(optional, CONCAT("IFNULL(", value, ", \"", @token, "\")"),
        value) ORDER BY n SEPARATOR ", ")
INTO @unknown, @classes, @names, @all, @virtual, @values
FROM (
    SELECT c.*, CASE
        WHEN class = "n" AND DATA_TYPE = "bit" THEN CONCAT(name, " + 0")
        WHEN class = "b" AND @format = "csv" THEN CONCAT("HEX(", name, ")")
        WHEN class = "b" THEN CONCAT("CAST(", name, " AS BINARY)")
        WHEN DATA_TYPE IN ("uuid", "inet4", "inet6")
            THEN CONCAT("CAST(", name, " AS CHAR)")
        WHEN class = "n" THEN name
        WHEN cs = "utf8mb4" THEN CONCAT("CAST(", name, " AS BINARY)")
        WHEN cs IN ("utf8", "utf8mb3", "latin1", "ascii", "ucs2", "utf16",
            "utf16le", "utf32")
            THEN CONCAT("CAST(CONVERT(", name, " USING utf8mb4) AS BINARY)")
        ELSE CONCAT("IF(CAST(CONVERT(CONVERT(", name, " USING utf8mb4) USING ",
            cs, ") AS BINARY) = CAST(", name, " AS BINARY), CAST(CONVERT(",
            name, " USING utf8mb4) AS BINARY), IF(", name,
            " IS NULL, NULL, \"", @token, "?\"))")
        END AS value
    FROM (
        SELECT COLUMN_NAME, DATA_TYPE, EXTRA, ORDINAL_POSITION AS n,
            CONCAT("`", REPLACE(COLUMN_NAME, "`", "``"), "`") AS name,
            IFNULL(CHARACTER_SET_NAME, "utf8mb4") AS cs,
            IS_NULLABLE = "YES" AS optional, CASE
            WHEN DATA_TYPE = "bit" AND @format = "csv" THEN "n"
            WHEN DATA_TYPE IN ("tinyint", "smallint", "mediumint", "int",
                "bigint", "decimal", "float", "double", "year", "date", "time",
                "datetime", "timestamp", "uuid", "inet4", "inet6") THEN "n"
            WHEN DATA_TYPE IN ("char", "varchar", "tinytext", "text",
                "mediumtext", "longtext", "enum", "set", "json") THEN "s"
            WHEN DATA_TYPE IN ("binary", "varbinary", "tinyblob", "blob",
                "mediumblob", "longblob", "bit", "geometry", "point",
                "linestring", "polygon", "multipoint", "multilinestring",
                "multipolygon", "geometrycollection", "geomcollection")
                THEN "b"
            ELSE "?" END AS class
        FROM information_schema.COLUMNS
        WHERE TABLE_SCHEMA = @d AND TABLE_NAME = @t
            AND (@exact = 0 OR BINARY TABLE_NAME = BINARY @t)
            AND EXTRA NOT LIKE "%INVISIBLE%"
    ) AS c
) AS v;
SELECT COUNT(*) INTO @hidden FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = @d AND TABLE_NAME = @t
    AND (@exact = 0 OR BINARY TABLE_NAME = BINARY @t)
    AND EXTRA LIKE "%INVISIBLE%";

SELECT MAX(IF(n = 1, name, NULL)), GROUP_CONCAT(name ORDER BY n),
    GROUP_CONCAT(CONCAT("CAST(", name, " AS BINARY)") ORDER BY n),
    MAX(IF(n > 1 OR part, NULL, CASE
    WHEN DATA_TYPE IN ("tinyint", "smallint", "mediumint", "int", "bigint",
        "decimal") THEN CONCAT("CAST(", name, " AS CHAR)")
    WHEN DATA_TYPE IN ("date", "time", "datetime", "timestamp", "uuid",
        "inet4", "inet6") THEN CONCAT("QUOTE(", name, ")")
    WHEN DATA_TYPE IN ("binary", "varbinary")
        THEN CONCAT("CONCAT(\"X\", QUOTE(HEX(", name, ")))")
    WHEN DATA_TYPE IN ("char", "varchar")
        THEN CONCAT("CONCAT(\"_", CHARACTER_SET_NAME,
        " X\", QUOTE(HEX(", name, ")), \" COLLATE ", COLLATION_NAME, "\")")
    END))
INTO @key, @order, @sum, @literal
FROM (
    SELECT SEQ_IN_INDEX AS n, SUB_PART IS NOT NULL AS part, c.DATA_TYPE,
        c.CHARACTER_SET_NAME, c.COLLATION_NAME,
        CONCAT("`", REPLACE(c.COLUMN_NAME, "`", "``"), "`") AS name
    FROM information_schema.STATISTICS AS s
    JOIN information_schema.COLUMNS AS c
        USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME)
    WHERE TABLE_SCHEMA = @d AND TABLE_NAME = @t AND INDEX_NAME = "PRIMARY"
        AND (@exact = 0 OR BINARY TABLE_NAME = BINARY @t)
) AS k;

SET @crc = CONCAT("CRC32(CONCAT_WS(\",\", ", IFNULL(@sum, @all), @virtual,
        "))"),
    @force = IF(@key IS NULL, "", " FORCE INDEX (PRIMARY)");
SET @head = CONCAT("SELECT CONCAT(\"", @token, "R\", LPAD(", @crc,
        ", 10, \"0\")), ", @values, " FROM ", @from, @force),
    @tail = IFNULL(CONCAT(" ORDER BY ", @order), ""),
    @total = CONCAT("SELECT \"", @token, "T\", COUNT(*), IFNULL(SUM(", @crc,
        "), 0) % 4503599627370496 FROM ", @from),
    @header = CONCAT("SELECT \"", @token, "H0000000000\", ", @names);'

# --- The keyholder: is it a table to export, and where do parts begin?

# failed WHAT: what the keyholder could not do; its client has said why.
failed() {
    cat "$dir/errors" >&2
    case $(cat "$dir/errors") in
    *'ERROR 1227 '*)
        die 'unable to hold commits up for a moment, as all sessions have to' \
            'begin at once: the user needs the privilege RELOAD'
        ;;
    *'ERROR 1205 '*)
        die "unable to $1: somebody else had a lock for more than $wait" \
            's (DDL, a backup, a long statement); wait longer with -w'
        ;;
    *) die "unable to $1" ;;
    esac
}
session holder 2>"$dir/errors"
ask holder "$settings"
answer holder || failed 'open a session'
echo "$answer" >>"$dir/ids"
# shellcheck disable=SC2016 # no variables of the shell
digest='
SELECT CONCAT(@token, "O", MD5(CONCAT_WS("|", @head, @tail, @header, @total,
    @literal)));'
ask holder "$definition
SET @step = GREATEST(1, FLOOR(@rows / IF($parts, $parts,
        GREATEST(40, @bytes DIV 4194304)))), @n = 0;
SET @starts = IF(@literal IS NULL OR $parts = 1, 'DO 0', CONCAT(
        'SELECT \"', @token, 'L\", ', @literal, ' FROM ', @from, @force,
        ' WHERE (@n := @n + 1) % ', @step, ' = 0 ORDER BY ', @key));
SELECT CONCAT(@token, 'O', CASE
    WHEN @kind IS NULL THEN 'there is none, or no privilege for it'
    WHEN @kind = 'VIEW' THEN 'it is a view, not a table'
    WHEN @kind NOT IN ('BASE TABLE', 'SYSTEM VERSIONED')
        THEN CONCAT('it is no table, but a ', LOWER(@kind))
    WHEN @engine IS NULL OR @engine <> 'InnoDB' THEN CONCAT('its engine is ',
        IFNULL(@engine, 'unknown'), ', which has no snapshots, not InnoDB')
    WHEN @unknown IS NOT NULL THEN CONCAT('it has a column of the type ',
        @unknown, ', which is not known here')
    WHEN @head IS NULL OR @total IS NULL THEN 'it has too many columns'
    ELSE CONCAT_WS(' ', 'fit', @hidden, @classes, IF(VERSION() LIKE '%MariaDB%'
        AND SUBSTRING_INDEX(VERSION(), '.', 1) * 100 + SUBSTRING_INDEX(
        SUBSTRING_INDEX(VERSION(), '.', 2), '.', -1) >= 1004, 'stage',
        'flush'))
    END);"
answer holder || failed 'find out what the table is'
case $answer in
fit\ *) ;;
*) die "unable to export table $table of $database: $answer" ;;
esac
lock=${answer##* } answer=${answer% *}
classes=${answer##* } answer=${answer% *} hidden=${answer#* }
[ "$hidden" -eq 0 ] || echo "mysql-export: columns that are invisible are" \
    "left out: $hidden" >&2
ask holder "PREPARE touch FROM @touch; EXECUTE touch;
PREPARE starts FROM @starts; EXECUTE starts; SELECT CONCAT(@token, 'E');"

# A list that has become too long keeps every other boundary.  sed ends at the
# mark; some awks would wait for more.
sed "/^${token}[^L]/q" <"$dir/out.holder" | awk -v token="$token" '
    BEGIN { mark = token "L\t" }
    $0 == token "E" { complete = 1; exit }
    index($0, mark) != 1 { exit }
    {
        literal = substr($0, length(mark) + 1)
        if (literal == start[n])
            next
        start[++n] = literal
        if (n < 20000)
            next
        for (i = 1; i <= n / 2; i++)
            start[i] = start[2 * i]
        n /= 2
    }
    END {
        if (!complete)
            exit 1
        if (n == 0)
            print "all"
        else
            print "< " start[1]
        for (i = 1; i <= n; i++)
            print ">= " start[i] (i < n ? " and < " start[i + 1] : "")
    }' >"$dir/items" || failed 'read the table'
count=$(($(wc -l <"$dir/items")))
[ "$sessions" -le "$count" ] || sessions=$count
ask holder "$digest"
answer holder || failed 'read the table'
definite=$answer

# --- The snapshot

# all WHAT STATEMENTS: every session runs them, and answers.
all() {
    s=0
    while [ $((s += 1)) -le "$sessions" ]; do
        ask $s "$2"
    done
    s=0
    while [ $((s += 1)) -le "$sessions" ]; do
        answer $s || die "unable to $1 in session $s of $sessions"
        [ "$1" != connect ] || echo "$answer" >>"$dir/ids"
        [ "$1" != 'prepare' ] || [ "$answer" = "$definite" ] ||
            die "table $table of $database has been altered: try again"
    done
}
s=0
while [ $((s += 1)) -le "$sessions" ]; do
    session $s
done
all connect "$settings"
all 'look at the table' "PREPARE touch FROM @touch;
    SELECT CONCAT(@token, 'O');"

# Should this host vanish, the server ends the keyholder, and the lock, soon.
case $lock in
stage) lock='BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT'
    unlock='BACKUP STAGE END' ;;
flush) lock='FLUSH TABLES WITH READ LOCK' unlock='UNLOCK TABLES' ;;
esac
ask holder "SET SESSION wait_timeout = $((2 * wait + 20));
$lock; SET @held = 'yes'; SELECT CONCAT(@token, 'O');"
answer holder || failed 'hold commits up for a moment'
all 'take a snapshot' "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;
    EXECUTE touch; SELECT CONCAT(@token, 'O');"
ask holder "$unlock; SELECT CONCAT(@token, 'O', @held);"
answer holder || failed 'hold commits up until all sessions had begun'
[ "$answer" = yes ] || die 'unable to trust a session that began again'

# shellcheck disable=SC2016 # no variables of the shell
all 'prepare' "$definition PREPARE header FROM @header;
    PREPARE total FROM @total; $digest"
s=0
while [ $((s += 1)) -le "$sessions" ]; do
    mkdir "$dir/free/$s" || exit 1
done

# --- The parts

# What the client writes, made into what was asked for.  The last line has to
# agree with what came before it; then the result is kept.
cat >"$dir/filter" <<'.' || exit 1
BEGIN {
    token = ENVIRON["token"]
    csv = ENVIRON["format"] == "csv"
    classes = ENVIRON["classes"]
    if (csv)
        nul = sprintf("%c", 0)
}
function fail(why) {
    why = "mysql-export: part " ENVIRON["GATHER_WHICH"] ": " why
    print why | "cat >&2"
    failed = 1
    exit 1
}
# A backslash pair becomes a newline, which is nowhere else, and thereby
# what remains of backslashes begins an escape.  Not every gsub() puts NUL in.
function with_nul(text,  i, n, piece) {
    n = split(text, piece, /\\0/)
    text = piece[1]
    for (i = 2; i <= n; i++)
        text = text nul piece[i]
    return text
}
function plain(text,  i, n, piece) {
    gsub(/\\\\/, "\n", text)
    n = split(text, piece, "\n")
    text = ""
    for (i = 1; i <= n; i++) {
        gsub(/\\n/, csv ? "\n" : "\\\n", piece[i])
        gsub(/\\t/, csv ? "\t" : "\\\t", piece[i])
        if (csv && index(piece[i], "\\0"))
            piece[i] = with_nul(piece[i])
        text = text (i > 1 ? (csv ? "\\" : "\\\\") : "") piece[i]
    }
    return text
}
function separated(text, names,  i, n, field, line, f) {
    n = split(text, field, "\t")
    for (i = 1; i <= n; i++) {
        f = field[i]
        if (f == token) {
            f = ""
        } else {
            if (index(f, "\\"))
                f = plain(f)
            if (names ? f ~ /[",\n]/ : substr(classes, i, 1) != "n") {
                gsub(/"/, "\"\"", f)
                f = "\"" f "\""
            }
        }
        line = line (i > 1 ? "," : "") f
    }
    return line
}
substr($0, 1, 16) == token {
    kind = substr($0, 17, 1)
    if (kind == "R" || kind == "H") {
        text = substr($0, 29)
        if (index(text, token "?"))
            fail("a character is not in utf8mb4")
        if (csv) {
            print separated(text, kind == "H")
        } else {
            if (index(text, "\\"))
                text = plain(text)
            if (index(text, token))
                gsub(token, "\\N", text)
            print text
        }
        if (kind == "H")
            next
        rows++
        sum += substr($0, 18, 10)
        if (sum >= 4503599627370496)
            sum -= 4503599627370496
        next
    }
    if (kind != "E")
        fail("its session is lost")
    split($0, end, "\t")
    if (end[2] != rows + 0)
        fail(end[2] " rows were sent, " rows + 0 " have come")
    warnings = end[3] + 0
    complete = 1
    exit
}
# A client that ended in the middle of a line, or nothing of ours.
$0 != "" { fail("not a line of a table: " substr($0, 1, 60)) }
END {
    if (failed || !complete)
        exit 1
    if (warnings)
        exit 3
    result = ENVIRON["dir"] "/done"
    printf "%s %.0f %.0f\n", ENVIRON["GATHER_WHICH"], rows, sum >>result
}
.

# The last part that ends compares.  A part may have run twice; the last run
# counts.  Until all have ended it is too early.
cat >"$dir/proof" <<'.' || exit 1
{ ran[$1] = 1; rows[$1] = $2; sums[$1] = $3 }
END {
    for (i in ran) {
        parts++
        n += rows[i]
        sum = (sum + sums[i]) % 4503599627370496
    }
    if (parts < count)
        exit 2
    if (n != all)
        why = sprintf("%.0f rows were written, the snapshot has %.0f",
            n, all)
    else if (sum != total)
        why = "what has been written is not the snapshot, though it has" \
            " as many rows; or a virtual column varies"
    if (why)
        print "mysql-export: " why | "cat >&2"
    exit why ? 1 : 0
}
.

# One part, in whichever session is free.  If some are lost there may be none
# for a while, but there is none left if nobody is at work in any.
cat >"$dir/part" <<'.' || exit 1
s=$GATHER_WHICH tries=0 idle=0
while :; do
    s=$((s % sessions + 1))
    if [ -d "$dir/free/$s" ] && rmdir "$dir/free/$s" 2>/dev/null; then
        break
    fi
    [ $((tries += 1)) -ge "$sessions" ] || continue
    tries=0 idle=$((idle + 1))
    for by in "$dir"/by.*; do
        ! kill -0 "$(cat "$by")" || idle=0
    done 2>/dev/null
    if [ $idle -gt 3 ]; then
        echo "mysql-export: no session is left for $1" >&2
        exit 1
    fi
    sleep 1
done
echo $$ >"$dir/by.$s"
case $1 in
all) where="\"\"" ;;
*" and "*)
    where="\" WHERE \", @key, \" ${1%% and *}\", \" AND \", @key,
        \" ${1#* and }\"" ;;
*) where="\" WHERE \", @key, \" $1\"" ;;
esac
names=
if [ -n "$header" ] && [ "$GATHER_WHICH" -eq 0 ]; then
    names="EXECUTE header;"
fi
printf "%s\n" "$names SET @q = CONCAT(@head, $where, @tail);
    PREPARE part FROM @q; EXECUTE part;
    SELECT CONCAT(@token, \"E\"), FOUND_ROWS(), @@warning_count;" \
    >"$dir/in.$s"
sed "/^${token}[^HR]/q" <"$dir/out.$s" | awk -f "$dir/filter"
status=$?
if [ $status -eq 3 ]; then
    echo "SHOW WARNINGS LIMIT 1;" >"$dir/in.$s"
    read -r warning <"$dir/out.$s"
    echo "mysql-export: part $GATHER_WHICH: a warning of the server, so" \
        "it may not be exact: $warning" >&2
fi
[ $status -eq 0 ] || exit 1
if [ $(($(wc -l <"$dir/done"))) -ge "$count" ]; then
    echo "EXECUTE total;" >"$dir/in.$s"
    read -r mark all total <"$dir/out.$s"
    if [ "$mark" != "${token}T" ]; then
        echo "mysql-export: unable to prove it: no total" >&2
        exit 1
    fi
    awk -v count="$count" -v all="$all" -v total="$total" \
        -f "$dir/proof" "$dir/done"
    case $? in
    0) : >"$dir/proved" ;;
    2) ;;
    *) exit 1 ;;
    esac
fi
rm "$dir/by.$s"
mkdir "$dir/free/$s"
.
if [ "$format" = csv ] && [ "$(awk 'BEGIN { print "a" sprintf("%c", 0) "b" }' |
    tr '\0' x)" != axb ]; then
    die 'unable to export as csv: awk does not write NUL here'
fi
export dir token format classes header count sessions

# Some shells close descriptors that are not named here.
exec "$GATHER" "$@" -a - sh "$dir/part" <"$dir/items" 3>&3
