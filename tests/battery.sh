#!/bin/sh
#
# battery.sh - what takes too long, or too many tools, for ../test.sh: real
# data, large data, many items, figures of memory, valgrind.
#
#     tests/battery.sh               all tests; some minutes
#     tests/battery.sh 'memory'      those whose names match: a pattern of the
#                                    shell, found anywhere in the name
#     GATHER=/path/to/gather tests/battery.sh     tests another binary
#     DEADLINE=900 tests/battery.sh               gives each test so many
#                                                 seconds (300)
#
# It uses what Linux and the GNU utilities have.  A test whose tool is missing
# is skipped, and says so.  The names in capitals are those of the chapter
# TESTING OTHER TOOLS in GNU parallel's parallel_alternatives(7), which says
# what goes wrong in tools of this kind.
#
# Output is TAP.  The last line is `N passed, N failed`, then `, N skipped` if
# some were; the exit status is 0 if none failed.  A test looks like this:
#
#     try 'what it proves' <<'.'
#     @ what it needs: a command that succeeds if that is there
#     $ gather -n 2 echo {}
#     0
#     1
#     .
#
# The `$` lines are a script, which runs in an empty directory.  The other
# lines are its output.  It must exit with status 0 and say nothing on
# standard error; 3 seconds after its end, none of its processes may be left.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
tested
if ! command -v timeout >/dev/null || [ ! -r /proc/self/environ ]; then
    echo '1..0 # SKIP no timeout, or no /proc'
    exit 0
fi
: "${DEADLINE:=300}"
nl='
'
mkdir "$dir/bin"
ln -s "$GATHER" "$dir/bin/gather"
PATH=$dir/bin:$PATH
export PATH

# --- What tests use: programs

# good COMMAND: says so if its exit status is not 0.
cat >"$dir/bin/good" <<'.'
#!/bin/sh
"$@" || echo "status $? of $*" >&2
.

# peak LOW HIGH COMMAND: good, and says so if the peak of its memory is not
# between so many MiB.  That is of the parent or, if it is more, of the largest
# of its children or commands.
cat >"$dir/bin/peak" <<'.'
#!/bin/sh
low=$1 high=$2
shift 2
good env time -q -f %M -o peak.$$ "$@"
awk -v l="$low" -v h="$high" '
    $1 < l * 1024 || $1 > h * 1024 {
        print "memory: " $1 / 1024 " MiB, not " l " to " h
    }' peak.$$ >&2
rm peak.$$
.

# blocks BYTES: reads items, each of which has to be a line and then so many
# NUL bytes.  Writes the lines.
cat >"$dir/bin/blocks" <<'.'
#!/bin/sh
while IFS= read -r line; do
    echo "$line"
    cmp -n "$1" - /dev/zero || exit
done
.

# block BYTES LINE: such an item.
cat >"$dir/bin/block" <<'.'
#!/bin/sh
echo "$2"
exec head -c "$1" /dev/zero
.

# till COMMAND: tries it until it succeeds.
cat >"$dir/bin/till" <<'.'
#!/bin/sh
until "$@"; do
    sleep 0.02
done
.

# total FILE: the last line of the demonstration's table, without the time.
cat >"$dir/bin/total" <<'.'
#!/bin/sh
sed -n '$s/, [0-9.]* s, [0-9.]* MB\/s$//p' "$1"
.
chmod +x "$dir"/bin/*

# has TOOL: is it there?  plain: is gather built without a sanitizer, which
# needs memory and time of its own?  memory MIB: is so much of it free?
has() {
    command -v "$1"
}
plain() {
    ! grep -q -e __tsan_init -e __asan_init "$GATHER"
}
memory() {
    awk -v n="$1" '/^MemAvailable:/ { found = $2 >= n * 1024 }
        END { exit !found }' /proc/meminfo
}

# --- The machinery

# plus TEXT FILE: shows how the file differs from what it should be.
plus() {
    printf '%s' "$1" >"$dir/want"
    cmp -s "$dir/want" "$dir/$2" && return
    echo "# $2, < expected, > got:"
    diff -a "$dir/want" "$dir/$2" | cut -c 1-200 |
        sed -n -e 's/^/# /' -e '/^# [<>\\]/p' | sed 30q
}

# try NAME: runs the test on standard input, which is described above.
try() {
    script='' out='' lack=''
    wanted "$1" || return 0
    while IFS= read -r line; do
        text=${line#??}
        case $line in
        '@ '*) eval "${text#*: }" >/dev/null 2>&1 || lack=${text%%: *} ;;
        '$ '*) script=$script$text$nl ;;
        *) out=$out$line$nl ;;
        esac
    done
    if [ -n "$lack" ]; then
        skip "$1" "$lack"
        return
    fi
    mark=$dir/$number
    printf '%s' "$script" >"$dir/script"
    mkdir "$dir/work"
    (
        cd "$dir/work" || exit
        GATHER_TEST=$mark
        export GATHER_TEST
        exec timeout -k 5 "$DEADLINE" sh "$dir/script"
    ) >"$dir/output" 2>"$dir/errors" &
    wait $!
    status=$?
    bad=$(
        [ $status -eq 0 ] || echo "# status $status"
        [ $status -ne 124 ] || echo '# none before the deadline'
        plus "$out" output
        plus '' errors
        left 30
    )
    sweep
    [ -z "$bad" ] || bad=$(printf '%s' "$script" | sed 's/^/# $ /')$nl$bad
    result "$1" "$bad"
    rm -rf "$dir/work"
}

# --- Real data

try 'sqlite: 20 cursors have the rows of one, 1,000,000 of them' <<'.'
@ sqlite3: has sqlite3
$ sqlite3 db "create table t (id integer primary key, name text, x real);
$     with recursive n (i) as (select 1 union all
$         select i + 1 from n where i < 1000000)
$     insert into t select i, 'name ' || (i * 7919 % 1000003), i / 8.0 from n"
$ q='select id, name, x from t'
$ good gather -n 20 sqlite3 -readonly db "$q where id % 20 = {}" >got
$ wc -l <got
$ for i in $(seq 0 19); do
$     sqlite3 -readonly db "$q where id % 20 = $i"
$ done | cmp - got
$ sort -n got | cksum >sum
$ sqlite3 -readonly db "$q order by id" | cksum | cmp - sum
1000000
.

# --- MIX: what two jobs say must not mix

cat >"$dir/bin/halves" <<'.'
#!/bin/sh
# halves N: a line of 400 kB in pieces, some of them slowly
for part in 1 2 3 4; do
    printf %s "$1"
    [ $(($1 % 3)) -gt 0 ] || sleep 0.0$part
    head -c 100000 /dev/zero | tr '\0' x
done
echo ".$1"
.
chmod +x "$dir/bin/halves"

try 'MIX: half lines, slow and fast, long ones: in order' <<'.'
$ good gather -n 60 -j 60 halves {} | tr -s x >got
$ seq 0 59 | sed 's/.*/&x&x&x&x.&/' | cmp - got
.

try 'MIX: half lines, slow and fast, long ones: -u' <<'.'
$ good gather -n 60 -j 60 -u halves {} | tr -s x | sort -n >got
$ seq 0 59 | sed 's/.*/&x&x&x&x.&/' | cmp - got
.

try 'MIX: half lines, slow and fast, long ones: more than -m' <<'.'
$ for u in '' -u; do
$     good gather -n 60 -j 60 -m 100k $u halves {} | tr -s x | sort -n >got
$     seq 0 59 | sed 's/.*/&x&x&x&x.&/' | cmp - got
$ done
.

try 'MIX: single bytes of many jobs' <<'.'
$ good gather -n 40 -j 40 sh -c 'for i in $(seq 500); do printf %s, {}; done
$     echo' >got
$ for i in $(seq 0 39); do yes $i, | head -n 500 | tr -d '\n'; echo; done |
$     cmp - got
.

# --- STDERRMERGE: what goes to standard error must stay out of the output

try 'STDERRMERGE: standard error is not merged into standard output' <<'.'
$ gather -n 50 sh -c 'for i in 1 2 3; do
$     echo out {} $i; echo error {} $i >&2; done' >out 2>err
$ for i in $(seq 0 49); do
$     for k in 1 2 3; do echo out $i $k; done; done | cmp - out
$ sed 's/error/out/' err | sort -k 2n -k 3n | cmp - out
.

# --- RAM: the amount of output is not limited by memory

try 'RAM: one item of 10 GiB' <<'.'
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
$ peak 0 72 gather -n 1 block 10G {} | blocks 10737418240
0
.

try 'RAM: 20 items of 512 MiB at once, in order' <<'.'
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
$ peak 0 72 gather -n 20 block 512M {} | blocks 536870912 | tr '\n' ' '; echo
0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 
.

try 'RAM: 20 items of 512 MiB at once, -u' <<'.'
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
$ peak 0 72 gather -u -n 20 block 512M {} | blocks 536870912 | sort -n >got
$ seq 0 19 | cmp - got
.

# --- DISKFULL: there is no disk in it

try 'DISKFULL: no place for temporary files is needed' <<'.'
$ for t in none /dev/null /dev/full; do
$     TMPDIR=$t good gather -m 1k -n 4 seq 200000 | cksum
$ done | uniq -c >got
$ for i in 1 2 3 4; do seq 200000; done | cksum | sed 's/^/      3 /' |
$     cmp - got
.

# --- CLEANUP: an unexpected death leaves nothing behind

for options in '' '-u' '-m 1k' '-r 1' '-u -m 0' '-k -t 60'; do
    try "CLEANUP: kill -9 in the middle: ${options:-no options}" <<.
\$ mkdir tmp work; cd work
\$ TMPDIR=\$PWD/../tmp gather -n 30 $options sh -c 'seq 1000; : >../at{}
\$     seq 300000; sleep 60 | sleep 60' >/dev/null & pid=\$!
\$ till test -e ../at3; kill -KILL \$pid; wait \$pid 2>/dev/null; echo \$?
\$ find ../tmp ../work
137
../tmp
../work
.
done

try 'CLEANUP: kill -9 while the list, and the reader, stand still' <<'.'
$ mkdir tmp; mkfifo list reader
$ sleep 60 >list & other=$!
$ TMPDIR=$PWD/tmp gather -a list seq 100000 & pid=$!
$ sleep 0.2; kill -KILL $pid $other; wait $pid 2>/dev/null; echo $?
$ sleep 60 <reader & other=$!
$ TMPDIR=$PWD/tmp gather -n 30 seq 100000 >reader & pid=$!
$ sleep 0.5; kill -KILL $pid $other; wait $pid 2>/dev/null; echo $?
$ find tmp
137
137
tmp
.

# --- SPCCHAR: items are text, whatever it is

cat >"$dir/bin/odd" <<'.'
#!/bin/sh
# odd: lines with what shells and others may take for something else
cat <<'end'
My brother's 12" *** record  (costs $$$).jpg
'
"
''""``
$(touch no)
`touch no`
;touch no
&touch no&
|touch no
>no
<no
\
\\
\n\t\101
%s%d%n%%
-n
-e x
--
--help
-
 leading
trailing 
  both  
~root
#comment
!history
*
?
[a-z]*
{}
{{}}
{a,b}
{1..3}
$HOME${HOME}
$((1+1))
a=b
:::
GATHER_ITEM=x
^caret
(paren)
end
printf '\ttab\t\n\r\n\033[31m\001\177\n'
printf '\303\244\303\266\303\274 \342\202\254 \360\237\220\247\n' # UTF-8
printf '\344\366\374 \377\376 \303\n'                            # not UTF-8
.

# bytes: each byte but NUL and newline on a line of its own, then all in one.
cat >"$dir/bin/bytes" <<'.'
#!/bin/sh
all=
for i in $(seq 1 255); do
    [ "$i" -ne 10 ] || continue
    byte=\\$(printf %03o "$i")
    all=$all$byte
    printf "$byte\n"
done
printf "$all\n"
.
chmod +x "$dir/bin/odd" "$dir/bin/bytes"

for list in odd bytes; do
    for command in "printf '%s\\n' {}" "printf '%s\\n'" \
        "sh -c 'printf \"%s\\n\" \"\$1\"' sh" \
        "sh -c 'printf \"%s\\n\" \"\$GATHER_ITEM\" # \"\$1\"' sh {}"; do
        try "SPCCHAR: $list: $command" <<.
\$ $list >list; good gather -a list $command >got; cmp list got; ls
got
list
.
    done
done

try 'SPCCHAR: -0, with newlines' <<'.'
$ { odd; printf '\0'; bytes; printf '\0a\n\n\nb\n\0'; } >list
$ good gather -0 -a list printf '%s\0' >got; cmp list got
$ tr -cd '\0' <list | wc -c
3
.

try 'SPCCHAR: files with such names' <<'.'
$ mkdir files; cd files
$ odd | tr -d / | grep -v '^\.*$' | while IFS= read -r f; do
$     printf '%s\n' "$f" >"./$f"; done
$ printf '%s\n' * >../list
$ good gather -a ../list cat ./{} >../got; cmp ../list ../got
$ good gather -a ../list sh -c 'mv "./$1" "../new $1"' sh
$ ls -A; ls .. | grep -c '^new' >../got; wc -l <../list | cmp - ../got
.

# --- COMPOSED: commands that are more than one

try 'COMPOSED: pipelines, redirections, ; && || and & in a script' <<'.'
$ good gather sh -c 'seq "$1" | sort -rn | sed 1q; echo "<$1>" >file$1
$     cat <file$1 && echo yes || echo no; (echo sub; echo shell) | cat
$     { echo back & wait; }' sh ::: 3 5
$ cat file3 file5
3
<3>
yes
sub
shell
back
5
<5>
yes
sub
shell
back
<3>
<5>
.

try 'COMPOSED: gather as a part of pipelines' <<'.'
$ seq 100 | gather expr 2 '*' | gather -u echo x | sort -k 2n | sed -n '$p'
x 200
.

try 'COMPOSED: ; outside of a shell is an argument' <<'.'
$ gather echo foo ';' echo {} '|' '>' x ::: bar; ls
foo ; echo bar | > x
.

# --- ONEREP: the item may be wanted more than once

try 'ONEREP: {} 2,000 times in words, 2,000 times in one word' <<'.'
$ set -- $(yes '{}' | head -n 2000)
$ one=$(echo "$@" | tr -d ' ')
$ good gather printf '%s\n' "$@" "$one" ::: ab c >got
$ for i in ab c; do
$     yes $i | head -n 2000; yes $i | head -n 2000 | tr -d '\n'; echo
$ done | cmp - got
.

# --- INPUTSIZE: items may be long

try 'INPUTSIZE: one item of 100,000 bytes' <<'.'
$ head -c 100000 /dev/zero | tr '\0' x >list; echo >>list
$ good gather -a list printf '%s\n' >got; cmp list got
$ good gather -a list sh -c 'printf "%s\n" "$GATHER_ITEM"' >got; cmp list got
.

try 'INPUTSIZE: 1,000 items of 100,000 bytes' <<'.'
$ awk 'BEGIN {
$     while (length(s) < 99990) s = s "0123456789"
$     for (i = 0; i < 1000; i++) printf "%09d %s\n", i, s }' >list
$ wc -c <list
$ good gather -a list printf '%s\n' >got; cmp list got
100001000
.

# --- NUMWORDS: items, and output, may have many words; and items be many

try 'NUMWORDS: an item of 50,000 words is one argument' <<'.'
$ yes w | head -n 50000 | tr '\n' ' ' >list; echo >>list
$ good gather -a list sh -c 'echo $#; set -- $1; echo $#' sh
1
50000
.

try 'NUMWORDS: 30 items of 10 MB, of lines of 1,000 words' <<'.'
$ seq 1000 | tr '\n' ' ' >line; echo >>line
$ while cat line; do :; done 2>/dev/null | head -c 10M >words
$ good gather -n 30 cat words | cksum >got
$ for i in $(seq 30); do cat words; done | cksum | cmp - got
.

try 'NUMWORDS: 100,000 items behind a slow one, -m 1M: order, memory' <<'.'
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
$ printf '#!/bin/sh\nsleep 2; echo 0\n' >slow; chmod +x slow
$ { echo ./slow; yes "$(command -v printenv)" | head -n 99999; } >list
$ peak 1 9 gather -m 1M -a list {} GATHER_WHICH >got
$ seq 0 99999 | cmp - got
.

try 'NUMWORDS: a list of 1,000,000 lines costs no memory' <<'.'
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
$ seq 1000000 >list
$ peak 0 8 gather -q -a list -l log test 500 -ne 2>err
$ sed -e 's/ \[.*//' -e 1q err
$ awk -F '\t' 'NR > 1 && $10 == "unstarted" { n++ }
$     NR > 1 && $1 != NR - 2 { bad++ }
$     END { print NR, (n > 900000), bad + 0 }' log
gather: item 499 (500): exit 1
1000001 1 0
.

# --- 4GB: a line may be longer than 32 bits can say

try '4GB: a line of more than 4 GiB' <<'.'
$ cat >line <<'end'
$ head -c 4097M /dev/zero | tr '\0' x
$ echo
$ end
$ sh line | cksum >want
$ good gather -n 1 sh line | cksum | cmp - want; cut -d ' ' -f 2 want
4296015873
.

# --- Memory

for m in 16 64; do
    try "memory: -m ${m}M is honoured, 20 fast items behind a slow one" <<.
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
\$ peak $m $((m + 8)) gather -m ${m}M -n 21 -j 21 \\
\$     sh -c '[ {} -gt 0 ] || sleep 1; block 20M {}' | blocks 20971520 >got
\$ seq 0 20 | cmp - got
.
    try "memory: -m ${m}M is honoured, 20 fast items with -u" <<.
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
\$ peak 4 $((m + 8)) gather -u -m ${m}M -n 40 block 20M {} |
\$     blocks 20971520 | sort -n >got
\$ seq 0 39 | cmp - got
.
    try "memory: -m ${m}M is honoured, with a slow reader" <<.
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
\$ peak $m $((m + 8)) gather -m ${m}M -n 40 block 20M {} | {
\$     sleep 1; blocks 20971520; } >got
\$ seq 0 39 | cmp - got
.
done

try 'memory: -m 1M is honoured, items that fail at first, and their pauses' <<'.'
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
$ peak 1 9 sh -c 'gather -m 1M -r 1 -d 0.5 -n 400 sh -c "
$     block 100k {}; ! mkdir {}.d 2>&-" 2>err' | blocks 102400 >got
$ seq 0 399 | cmp - got; grep -c 'again in 0.5 s' err; ls -d ./*.d | wc -l
100
400
.

try 'memory: -m 1M is honoured, 20,000 items behind one in its pause' <<'.'
@ GNU time: env time -f %M true
@ figures for a sanitizer: plain
$ seq 0 19999 >list
$ peak 1 9 sh -c 'gather -m 1M -r 1 -d 2 -a list sh -c "
$     echo {}; [ {} -gt 0 ] || ! mkdir 0.d 2>&-" 2>err' >got
$ cmp list got; grep -c 'again in 2 s' err
1
.

# --- The demonstration

try 'demonstration: 20 cursors of 256 MiB' <<'.'
@ 12 GiB of free memory: memory 12288
@ time for it, with a sanitizer: plain
$ good gather -n 20 -s 256M >table; total table
20 of 20 cursors complete and right, 5368709120 of 5368709120 bytes
.

try 'demonstration: a cursor of 1500 MiB is more than one message' <<'.'
@ 4 GiB of free memory: memory 4096
@ time for it, with a sanitizer: plain
$ good gather -n 1 -s 1500M >table; total table
1 of 1 cursors complete and right, 1572864000 of 1572864000 bytes
.

try 'demonstration: 2,000 children of 1,000 bytes at once' <<'.'
@ 3,000 descriptors: sh -c 'ulimit -S -n 2700 || ulimit -n 2700'
$ good gather -n 2000 -j 2000 -s 1000 >table; total table
$ awk 'NR > 1 && $6 == "complete" { print $2 }' table | sort -u | wc -l
2000 of 2000 cursors complete and right, 2000000 of 2000000 bytes
2000
.

try 'demonstration: 5,000 items, 200 children' <<'.'
$ good gather -n 5000 -j 200 -s 1000 >table; total table
5000 of 5000 cursors complete and right, 5000000 of 5000000 bytes
.

try 'many: 5,000 commands, 200 at once' <<'.'
$ good gather -n 5000 -j 200 echo {} >got; seq 0 4999 | cmp - got
$ good gather -n 5000 -j 200 -u echo {} | sort -n >got; seq 0 4999 | cmp - got
.

# --- Valgrind: nothing to complain of, in the parent and in its children

# under: gather under $TOOL.
cat >"$dir/bin/under" <<'.'
#!/bin/sh
set -- gather "$@"
[ "$TOOL" = helgrind ] ||
    set -- --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite "$@"
exec valgrind -q --tool="$TOOL" --error-exitcode=99 --trace-children=no \
    --log-file=valgrind.%p "$@"
.
chmod +x "$dir/bin/under"

# both NAME: a test for memcheck and for helgrind, whose files must be empty.
both() {
    lines=$(cat)
    for tool in memcheck helgrind; do
        try "$tool: $1" <<.
@ valgrind: has valgrind
@ valgrind of a sanitizer: plain
\$ export TOOL=$tool
$lines
\$ ls valgrind.* >/dev/null # of each process, and empty
\$ find . -name 'valgrind.*' -size +0 -exec head -n 20 {} \;
.
    done
}

both 'the demonstration' <<'.'
$ good under -n 7 -j 3 -s 100000 >table; total table
7 of 7 cursors complete and right, 700000 of 700000 bytes
.

both 'the demonstration, with as many children as cursors, -v' <<'.'
$ good under -v -n 9 -s 1M >table 2>err; total table; grep -c connected err
9 of 9 cursors complete and right, 9437184 of 9437184 bytes
9
.

both 'commands, in order' <<'.'
$ good under -j 4 seq >got ::: 50000 10 40000 1 30000 50000
$ for n in 50000 10 40000 1 30000 50000; do seq $n; done | cmp - got
.

both '-u, with -m 0, too' <<'.'
$ for i in 1 2 3 4 5 6 7 8; do seq 20000; done >want
$ good under -u -j 4 -n 8 seq 20000 | cmp want -
$ good under -u -j 4 -n 8 -m 0 seq 20000 | cmp want -
.

both '-r, with commands that fail at first' <<'.'
$ good under -r 1 -n 8 -j 4 sh -c 'seq 9999; mkdir {} 2>/dev/null && exit 3
$     echo {}' 2>err | grep -v .... | tail -n 3; sort -u err | wc -l
998
999
7
8
.

both '-o, with an item that fails' <<'.'
$ under -k -j 2 -o f{} sh -c 'seq 9999; exit $1' - ::: 0 3 0 2>err; echo $?
$ sed 's/ \[.*//' err; wc -l f* | sed 's/^ *//'
123
gather: item 1 (3): exit 3
gather: 2 of 3 complete, 1 failed; a ledger (-l) would tell which
9999 f0
9999 f2
19998 total
.

both '-l, and all ways to fail' <<'.'
$ under -k -j 2 -t 1 -l log sh -c '{}' - 2>/dev/null ::: 'exit 3' \
$     'kill -KILL $$' 'kill -KILL $PPID; sleep 60' 'sleep 60' 'echo a'
$ echo $?; tail -n +2 log | sort | cut -f 10
a
124
failed
killed
incomplete
timeout
complete
.

both 'commands that cannot be executed, or are not there' <<'.'
$ under -k -j 2 {} 2>/dev/null ::: /dev/null no-such-command; echo $?
127
.

both 'small -m, items that end in reverse order' <<'.'
$ good under -m 1k -n 6 sh -c '[ {} = 5 ] || till test -e end$(({} + 1))
$     : >end{}; seq 20000' >got
$ for i in 1 2 3 4 5 6; do seq 20000; done | cmp - got
.

both 'an abort by a failure' <<'.'
$ under -j 5 -n 20 sh -c 'seq 30000; [ {} -ne 3 ] || { till test -s out; exit 3
$     }; sleep 60' 2>err >out; sed -e 's/ \[.*//' -e 1q err
gather: item 3: exit 3
.

both 'an abort by TERM' <<'.'
$ under -j 4 -n 20 sh -c 'seq 30000; : >at{}; sleep 60' >/dev/null 2>err & p=$!
$ till test -e at3; kill -TERM $p; wait $p 2>/dev/null; echo $?
$ sed 's/,.*//' err
143
gather: 0 of 20 complete
.

both 'an abort, since the reader goes away' <<'.'
$ { under -j 4 -n 9 seq 50000 2>err; echo $? >status; } 2>/dev/null | sed 2q
$ cat status
1
2
141
.

both 'a list from a file, from a pipe, with -0, after an abort' <<'.'
$ seq 30 >list; good under -j 3 -a list echo | cmp list -
$ seq 30 | good under -j 3 echo | cmp list -
$ tr '\n' '\0' <list | good under -0 -a - echo | cmp list -
$ under -l log -j 3 -a list test 5 -ne 2>/dev/null; echo $?; wc -l <log
123
31
.

both 'children that are killed' <<'.'
$ good under -r 2 -j 4 -n 12 sh -c 'mkdir {} 2>/dev/null && [ {} -lt 3 ] &&
$     kill -KILL $PPID && sleep 60; echo {}' 2>err | tail -n 2
$ grep -c 'ended early' err
10
11
3
.

both 'a descendant that holds the output open' <<'.'
$ good under -n 2 sh -c 'echo {}; sleep 2 & exit' 2>err; wc -l <err
0
1
2
.

both '100 commands, 20 at once' <<'.'
$ good under -n 100 echo {} | tail -n 1
99
.

finish
