#!/bin/sh
#
# documents.sh - every command that README, the documents in doc/ and the
# manual print, run as it stands there, in the order in which it stands there,
# in a built copy of the sources; the output that is printed below it has to
# come.  And what they say of the sources that a machine can compare.  TAP; the
# last line is `N passed, N failed`.
#
#     tests/documents.sh              all tests
#     tests/documents.sh hosts        those whose names match: a pattern of the
#                                     shell, found anywhere in the name
#
# A command is a line that begins with `$ `, indented by four blanks, or within
# a literal display of the manual; lines that begin with `> ` belong to it.
# What follows up to the next command or the end of the indented part is its
# output.  A command with no output below it has to succeed, or fail as items
# do (123 to 125).  A command for which other hosts are needed has no `$ `: it
# is not run here; tests/hosts.sh, ssh.sh and slurm.sh run those of doc/hosts.
#
# Each document has a directory and a PostgreSQL database of its own, so it
# needs nothing that another one has left behind.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
: "${DEADLINE:=300}"
chmod 711 "$dir"
cluster_dir=$dir/pg
tidy() {
    cluster_stop immediate
}
mkdir "$dir/built"
for name in Makefile README examples doc lib; do
    cp -Rp "$here/$name" "$dir/built" || exit 1
done
cp -p "$here"/*.[ch] "$dir/built"
rm -f "$dir/built/examples/sqlite-cursors" "$dir/built/examples/pg-cursors"
# shellcheck source=tests/cluster.sh
. "$here/tests/cluster.sh"
cd "$dir/built" || exit 1
{ make clean && make; } >make.out 2>&1 || {
    cat make.out
    echo "0 passed, 1 failed"
    exit 1
}
rm make.out

if ! cluster_find || ! cluster_make "$dir/pg"; then
    echo "# no ${lack:-cluster}: what needs a database will fail"
fi
standard=$PATH

# stable FILE: leaves out what differs from run to run: the demonstration's
# processes, times and rate, and how long an item took that failed.
stable() {
    sed -e 's/^\( *[0-9]* \) *[0-9]* \( *[0-9]*  \)[0-9]*\.[0-9]*  /\1P\2T  /' \
        -e 's/^\(.* complete and right, .* bytes, \).*/\1/' \
        -e 's/ \[after [0-9]*\.[0-9]* s/ [after T/' "$1" >"$1.stable"
    mv "$1.stable" "$1"
}

# check NAME COMMANDS: the commands in what awk has made of a document:
# `$ command`, `+ more of it` and `> output` lines.
check() {
    # shellcheck disable=SC2254 # it is a pattern
    case $1 in
    *$pattern*) ;;
    *) return ;;
    esac
    cp -Rp "$dir/built" "$dir/$1"
    cd "$dir/$1" || exit 1
    PATH=$dir/$1:$standard
    PGDATABASE=$1
    psql -q -d postgres -c "create database \"$1\"" >/dev/null 2>&1
    step=0
    total=$(grep -c '^\$ ' "$2")
    while [ $((step += 1)) -le "$total" ]; do
        awk -v n="$step" '/^\$ / { i++ } i == n' "$2" >"$dir/step"
        sed -n 's/^[$+] //p' "$dir/step" >"$dir/command"
        sed -n 's/^> //p' "$dir/step" >"$dir/want"
        timeout -k 5 "$DEADLINE" sh "$dir/command" </dev/null >"$dir/got" \
            2>"$dir/errors"
        status=$?
        stable "$dir/want"
        stable "$dir/got"
        case $status in 0 | 12[35]) good=yes ;; *) good=no ;; esac
        [ ! -s "$dir/want" ] || cmp -s "$dir/want" "$dir/got" || good=no
        name="$1: $(sed 's/^ */ /' "$dir/command" | tr -d '\n' | cut -c 1-70)"
        number=$((number + 1))
        if [ $good = yes ]; then
            result "$name" ''
        else
            result "$name" "status $status; output, < expected, > got:
$(diff "$dir/want" "$dir/got" | sed -n '/^[<>]/p')
$(sed 's/^/error: /' "$dir/errors")"
        fi
    done
    cd "$dir" || exit 1
}

# text FILE: the commands of a text; manual FILE: those of a manual.
text() {
    awk '/^    \$ / { print substr($0, 5); on = more = 1; next }
        /^    > / && more { print "+ " substr($0, 7); next }
        /^    / { if (on) print "> " substr($0, 5); more = 0; next }
        { on = more = 0 }' "$1" >"$dir/commands"
}
manual() {
    awk '/^\.Bd/ { on = 1; next } /^\.Ed/ { on = 0 }
        on && /^\$ / { print; more = 1; next }
        on && /^> / && more { print "+ " substr($0, 3); next }
        on { print "> " $0; more = 0 }' "$1" |
        sed 's/\\e/\\/g;s/\\-/-/g' >"$dir/commands"
}

text "$here/README"
check README "$dir/commands"
for name in databases hosts parts porting review working; do
    text "$here/doc/$name"
    check "$name" "$dir/commands"
done
manual "$here/doc/gather.1"
check gather.1 "$dir/commands"

# --- What documents say of the sources

cd "$here" || exit 1
texts='README doc/databases doc/hosts doc/parts doc/porting doc/review'
texts="$texts doc/working"

# alike NAME COMMAND: shows what is wrong, if something is.
alike() {
    name=$1
    shift
    wanted "$name" || return 0
    result "$name" "$("$@")"
}

# known: functions that are named are in the sources, or in POSIX.
known() {
    # shellcheck disable=SC2086 # these are several
    grep -ho '[a-z_0-9]*[a-z0-9]()' $texts | sort -u | while read -r name; do
        cat ./*.[ch] lib/*.[ch] | grep -q "[^a-z_0-9]${name%)}" ||
            grep -qw "${name%()}" tests/posix.symbols ||
            echo "there is no $name"
    done
}

# there: files that are named exist.
there() {
    # shellcheck disable=SC2086
    grep -Eho '(doc|lib|tests|bench|examples)/[a-z-]+(\.[a-z0-9]+)?' $texts |
        sort -u | while read -r name; do
        [ -e "$name" ] || [ -e "$name.c" ] || [ -e "${name%.o}.c" ] ||
            echo "there is no $name"
    done
}

# figures: README draws the wire as protocol.h does, and has the states of an
# item, all of them and no others.
figures() {
    sed -n '/^HOW IT WORKS/,/^The client asks/s/^    *//p' README |
        while IFS= read -r line; do
            grep -qF -- "$line" protocol.h || echo "not in protocol.h: $line"
        done
    sed -n '/^The client asks/,/^EXIT STATUS/{/^    /p;}' README |
        grep -o '[A-Z][A-Z]*' | sort >"$dir/drawn"
    sed -n '/^enum item_state/,/^}/s/^ *ITEM_\([A-Z]*\).*/\1/p' lib/gather.h |
        grep -v '^STATES$' | sort >"$dir/states"
    diff "$dir/drawn" "$dir/states"
}

# entries: the table of doc/porting has those of lib/system.h, and no more:
# functions, and the macros that others use.  Each has a sentence on what is
# lost without.
entries() {
    {
        grep -Eo 'system_[a-z_]+\(' lib/system.h | sed 's/(//;/_tune_/d'
        sed -n 's/^# *define \([A-Z_]*\) .*/\1/p' lib/system.h |
            while read -r name; do
                ! cat ./*.c lib/*.c | grep -qw "$name" || echo "$name"
            done
    } | sort -u >"$dir/entries"
    sed -n '/^    entry  /,/^$/p' doc/porting |
        sed -n 's/^    \([A-Za-z_]*_[A-Za-z_]*\).*/\1/p' | sort >"$dir/rows"
    diff "$dir/entries" "$dir/rows"
    grep -c '^ \* Without' lib/system.h >"$dir/sentences"
    [ "$(cat "$dir/sentences")" = "$(grep -c . "$dir/entries")" ] ||
        echo "$(cat "$dir/sentences") sentences on what is lost without"
}

# shown: the tests that doc/porting names, by how their names begin.
shown() {
    sed -n 's/.*\[\([a-zA-Z: -]*\)\].*/\1/p' doc/porting | sort -u |
        while IFS= read -r name; do
            grep -q "try ['\"]${name%%:*}: " tests/portability.sh ||
                echo "there is no test ${name%%:*}"
            grep -q -- "${name#*: }" tests/portability.sh ||
                echo "there is no test $name"
        done
}

# options: those of -h, and their arguments, are in the manual.
options() {
    "$dir/built/gather" -h | sed -n 's/^  -\(.\) \([^ ]*\) .*/\1 \2/p' |
        while read -r letter argument; do
            case $argument in
            '') line=".It Fl $letter" ;;
            host*) line='.It Fl c Ar host Ns Op : Ns Ar port' ;;
            *) line=".It Fl $letter Ar $argument" ;;
            esac
            grep -qx -- "$line" doc/gather.1 || echo "gather.1 lacks $line"
        done
}

# messages: those of the sources are in the manual; what varies may be anything.
messages() {
    sed -e :a -e '/\\$/N;s/\\\n//;ta' -e 's,[\],,g' doc/gather.1 >"$dir/manual"
    cat ./*.c lib/*.c | tr '\n' ' ' | sed 's/"  *"//g' |
        grep -Eo '(say|say_unlocked|fail_run|fatal)\( *"[^"]*"' |
        sed -e 's/^[^"]*"//' -e 's/"$//' -e '/^usage: /d' \
            -e 's/[].*^$[]/\\&/g' -e 's/%lu/.*/g;s/%ju/.*/g;s/%[sdc]/.*/g' |
        sort -u | while IFS= read -r message; do
        grep -q -- "$message" "$dir/manual" ||
            echo "gather.1 lacks: $message"
    done
}

# suites: all are named where it says what each is for.
suites() {
    for name in tests/*.sh; do
        grep -q "${name#tests/}" doc/working || echo "doc/working lacks $name"
    done
}

# sizes: two screens of README, and nothing wider than a terminal.
sizes() {
    awk 'END { if (NR > 104) print NR, "lines of README" }' README
    # shellcheck disable=SC2086
    awk 'length > 79 { print FILENAME ": " $0 }' $texts
}

alike 'functions that are named exist' known
alike 'files that are named exist' there
alike 'the figures of README are those of the sources' figures
alike 'doc/porting has every entry of lib/system.h, and no others' entries
alike 'doc/porting names tests that there are' shown
alike 'gather.1 has every option of -h' options
alike 'gather.1 has every message' messages
alike 'doc/working has every suite' suites
alike 'README has two screens, and no line more than 79 columns' sizes
finish
