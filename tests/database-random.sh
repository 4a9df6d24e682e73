#!/bin/sh
#
# database-random.sh - exports something random from PostgreSQL, with
# ../examples/pg-export.sh, while somebody else writes; it has to be what one
# COPY has in the same snapshot, row for row, or to be refused.
#
#     database-random.sh SEED        makes a table, a key and a query of SEED
#
# For database.sh, with whose commands it works, in a directory of its own.
# Prints `exact` or `refused`, and what; all else is a failure, which leaves
# its files: what was made in setup, the arguments in args, what came in got
# and sorted, what should have come in want and wanted.

awk -v seed="$1" '
    # One of the words of a list; one of so many; whether that is 0.
    function one(list, n, words) {
        n = split(list, words, " *[|] *")
        return words[1 + int(rand() * n)]
    }
    function below(n) { return int(rand() * n) }
    function chance(n) { return below(n) == 0 }

    BEGIN {
        srand(seed)
        rows = one("0 | 1 | 2 | 40 | 1000 | 1000 | 20000")
        keys = one("3 | 50 | 100000")
        h = "(i * 7919 % " keys ")"

        # A type of keys, and values of it.
        n = split("int: h - 25 ; bigint: h * 9223372036854 ;" \
            "smallint: h % 30000 ; numeric: h / 7.0 ;" \
            "numeric: case h % 5 when 0 then \047NaN\047 when 1 then" \
                " \047-Infinity\047 when 2 then 1.0 when 3 then 1.00" \
                " else h end::numeric ;" \
            "float8: h / 7.0 ; real: h / 3.0 ;" \
            "float8: case h % 6 when 0 then \047NaN\047 when 1 then" \
                " \047-0\047 when 2 then 0 when 3 then \047Infinity\047" \
                " when 4 then 5e-324 else h end::float8 ;" \
            "text: md5(h::text) ;" \
            "text: E\047\\\\\\n\\t{}:x%s$\\047\047 || h ;" \
            "text: repeat(\047ab\047, h % 900) || h ;" \
            "text collate \"en-x-icu\": chr(192 + h % 60) || h ;" \
            "text collate loose: chr(65 + h % 2 * 32) || h % 7 ;" \
            "char(8): repeat(\047 \047, h % 3) || h % 99999 ;" \
            "varchar: chr(33 + h % 90) || \047 \047 ;" \
            "\"char\": (h % 250 - 125)::\"char\" ; name: \047n\047 || h ;" \
            "bytea: decode(md5(h::text), \047hex\047) ;" \
            "uuid: md5(h::text)::uuid ; bool: h % 2 = 0 ;" \
            "date: case h % 4 when 0 then \047infinity\047 when 1 then" \
                " \0470044-03-15 BC\047 else date \0472000-01-01\047 + h" \
                " end::date ;" \
            "timestamp: timestamp \0472000-01-01\047 + h * interval" \
                " \0471.000001 s\047 ;" \
            "timestamptz: timestamptz \0472023-10-29 00:00Z\047 + h *" \
                " interval \0477 min\047 ;" \
            "interval: h * interval \0471 mon -30 d 1 s\047 ;" \
            "timetz: timetz \04712:00+00\047 + h * interval \0471 s\047 ;" \
            "int[]: array[h % 9, null, h] ;" \
            "text[]: array[array[h::text, \047,\"\047]] ;" \
            "pair: row(h % 5, nullif(h % 3, 0))::pair ;" \
            "pair: row(nullif(h % 5, 0), nullif(h % 3, 0))::pair ;" \
            "mood: (array[\047ok\047, \047SAD\047, \047a b\047])[1 + h % 3]" \
                "::mood ;" \
            "inet: inet \04710.0.0.0/8\047 + h ;" \
            "numrange: numrange(h % 7, h % 7 + h) ;" \
            "jsonb: jsonb_build_object(\047a\047, h % 9, \047b:PORT\047," \
                " h / 2.0) ; oid: h ; percent: h % 101 ;" \
            "bit(9): (h % 512)::bit(9) ; money: h / 100.0 ;" \
            "json: to_json(h) ; point: point(h, 1)", types, " *; *")
        type = types[1 + below(n)]
        values = substr(type, index(type, ": ") + 2)
        type = substr(type, 1, index(type, ": ") - 1)
        values = subst(values)

        # A table.
        name = one("r | r | \"r {}\"\":x\"")
        col = one("k | k | k | \"K :x\" | \"K :x\" | \"K :PORT\"")
        cols = "id int, gone text, " col " " type ", " \
            one("|| twice bigint generated always as (id * 2) stored,") \
            " v text"
        kind = one("plain | plain | plain | plain | hash | range | heirs | " \
            "unlogged | policy")
        print "drop table if exists r, \"r {}\"\":x\" cascade;" >"setup"
        if (kind == "hash" || kind == "range") {
            print "create table " name " (" cols ") partition by " kind \
                " (id);" >"setup"
            for (i = 0; i < 3; i++)
                print "create table r_" i " partition of " name \
                    " for values " (kind == "hash" ? \
                    "with (modulus 3, remainder " i ")" : \
                    "from (" (i ? i * 400 : "minvalue") ") to (" \
                    (i < 2 ? (i + 1) * 400 : "maxvalue") ")") ";" >"setup"
        } else
            print "create " (kind == "unlogged" ? kind : "") " table " name \
                " (" cols ");" >"setup"
        print "alter table " name " drop column gone;" >"setup"
        if (kind == "heirs")
            print "create table r_heir () inherits (" name ");" \
                "insert into r_heir (id, v) select i, \047heir\047 from " \
                "generate_series(1, 9) i;" >"setup"
        nulls = one("1 | 2 | 10 | 1000000")
        print "insert into " name " (id, " col ", v) select i, case " \
            "when i % " nulls " > 0 or " nulls " > 9999 then " values \
            " end, case when i % 3 > 0 then E\047\\t\\n\\\\.\047 || i end " \
            "from generate_series(1, " rows ") i;" >"setup"
        if (chance(2) && type !~ /json$|point/)
            print "create index on " name " (" col ");" >"setup"
        if (chance(2))
            print "delete from " name " where id % 10 = 1; update " name \
                " set v = v where id % 7 = 3;" >"setup"
        if (chance(2))
            print "analyze " name ";" >"setup"
        if (kind == "policy")
            print "alter table " name " enable row level security; " \
                "create policy p on " name " using (id % 2 = 0); " \
                "grant select on " name " to reader;" >"setup"
        print (kind == "policy" ? "reader" : "owner") >"user"

        # Somebody who writes: rows move and change, come and go.
        print "update " name " set v = v || \047!\047, id = id + 1 where " \
            "id % 13 = 5; delete from " name " where id % 17 = 4; insert " \
            "into " name " (id, " col ", v) select id + 17, " col ", v " \
            "from " name " where id % 11 = 3 limit 100;" >"writer"

        # A query and its key.
        form = one("place | place | table | table | * | * | where | join |" \
            "group | distinct | union | count over | cte | recursive |" \
            "view | lateral | exists | function | named | limit |" \
            "row_number | random | now | sum real | array_agg | sample | rows")
        key = one(col " | " col " | " col " | id | -id | (" col ")" \
            " | " col " is null | coalesce(id, 0) % 10 | array[id % 9]" \
            " | row(id) | concat(id, \047:\047) | 1")
        if (form == "group" || form == "distinct" || form == "union")
            key = one(col " | " col " | n")
        q = "select * from " name
        if (form == "where")
            q = "select id, " col " from " name " where id % 3 = 0 -- no ;"
        if (form == "join")
            q = "select a.id, a." col ", b.v from " name " a left join " \
                name " b on a.id = b.id + 1"
        if (form == "group")
            q = "select " col ", count(*) n, sum(id), min(v) from " name \
                " group by 1"
        if (form == "distinct")
            q = "select distinct " col ", id % 5 as n from " name
        if (form == "union")
            q = "select " col ", id % 5 as n from " name " union select " \
                col ", 7 from " name
        if (form == "count over")
            q = "select *, count(*) over (partition by " col "), rank() over" \
                " (order by id) from " name
        if (form == "cte")
            q = "with w as materialized (select * from " name ")" \
                " select * from w where id > 5;"
        if (form == "recursive")
            q = "with recursive w(id, " col ") as (select id, " col " from " \
                name " where id < 20 union select w.id + 100, w." col \
                " from w where w.id < 900) select * from w"
        if (form == "view") {
            print "create or replace view r_view as " q ";" >"setup"
            if (kind == "policy")
                print "grant select on r_view to reader;" >"setup"
            q = "select * from r_view"
        }
        if (form == "lateral")
            q = "select " name ".*, s from " name ", generate_series(1, " \
                "id % 3) s"
        if (form == "exists")
            q = "select * from " name " a where not exists (select from " \
                name " b where b.id = a.id + 3)"
        if (form == "function")
            q = "select *, steady(id) as " one("s | k2") " from " name
        if (form == "named")
            q = "select id as \":funcid 1598\", * from " name
        if (form == "limit")
            q = q " limit 50"
        if (form == "row_number")
            q = "select row_number() over () as n, * from " name
        if (form == "random")
            q = "select random() as n, * from " name
        if (form == "now")
            q = "select *, " one("now() | current_date | \047now\047::" \
                "timestamp | clock_timestamp()") " as n from " name
        if (form == "sum real")
            q = "select " col ", sum(id::real / 7) from " name " group by 1"
        if (form == "array_agg")
            q = "select " col ", array_agg(id) from " name " group by 1"
        if (form == "sample")
            q = "select * from " name " tablesample bernoulli (50)"
        if (form == "rows")
            q = "select *, sum(id) over (order by id rows 3 preceding) from " \
                name
        if (chance(2) && (form == "row_number" || form == "random"))
            key = "n"

        # How that is exported, and what one COPY would be.
        format = one("text | text | csv")
        if (form == "place")
            format = one("text | csv | binary")
        print "-f\n" format >"args"
        if (chance(3))
            print "-n\n" one("1 | 2 | 7 | 300") >"args"
        if (form != "place")
            print "-k\n" key >"args"
        print (form == "place" || form == "table" ? name : q) >"args"
        sub(/;$/, "", q)
        print (form == "place" ? name : "(" (form != "table" ? q : \
            "select id, " col ", v from " \
            (kind ~ /hash|range/ ? "" : "only ") name) "\n)") >"spied"
        print format >"format"
        print form ", " kind ", " type ", " rows " rows, " key >"what"
    }
    # h in an expression is the expression for a key that has duplicates.
    function subst(text, out, c, before, i) {
        before = " "
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            if (c == "h" && before !~ /[a-zA-Z0-9_"]/ &&
                substr(text, i + 1, 1) !~ /[a-zA-Z0-9_"]/)
                out = out h
            else
                out = out c
            before = c
        }
        return out
    }' || exit

# The export, in the snapshot of the one COPY, while the writer writes.
PGUSER=owner psql -X -q -v ON_ERROR_STOP=1 -f setup >made 2>&1 || {
    cat made what
    exit 1
}
yes "$(cat writer)" | PGUSER=owner psql -X -q >written 2>&1 &
while read -r argument || [ -n "$argument" ]; do
    set -- "$@" "$argument"
done <args
shift
PGUSER=$(cat user)
format=$(cat format)
what=$(cat what)
spied=$(cat spied)
[ "$format" = text ] || spied="$spied TO STDOUT (FORMAT $format) --"
export PGUSER spied
: >go
GATHER=spy timeout 100 pg-export "$@" >got 2>err
status=$?
kill $!
wait 2>/dev/null
if [ $status -ne 0 ]; then
    grep -q -e '^pg-export: ' -e 'rows were written, but' err || {
        echo "status $status without a reason: $what: $(tail -n 2 err)"
        exit 1
    }
    echo "refused: $what: $(tail -n 1 err)"
elif [ "${what%%,*}" = place ]; then
    cmp want got && echo "exact: $what"
else
    sort want >wanted
    sort got | cmp wanted - && echo "exact: $what"
fi || {
    echo "neither exact nor refused: $what"
    exit 1
}
