#!/bin/sh
#
# static.sh - what compilers and analysers find in the sources without running
# them, and the limits within which they are to be readable.
#
#     tests/static.sh              all of them; about a minute
#     tests/static.sh clang-tidy   those whose names match: a pattern of the
#                                  shell, found anywhere in the name
#     CI=1 tests/static.sh         what is missing is a failure
#
# Nothing is suppressed in the sources.  .clang-tidy lists the checks of
# clang-tidy that are off, each with the reason.  Of the others, off are
# - gcc, malloc-leak, in lib/memory.c only: it takes blocks that are in the
#   list of the pool, which is never given back, for lost;
# - gcc, null-argument, in lib/report.c only: it does not see that a text
#   without room is made larger before something is added;
# - cppcheck's remarks on style.
#
# Needs gcc, clang, make, clang-tidy, clang-query (Debian: clang-tools),
# universal-ctags, cppcheck and shellcheck.
#
# Output is TAP; the last line is `N passed, N failed`, then `, N skipped` if
# some were; the exit status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
cd "$here" || exit 1

standard=$(value STANDARD)
warnings=$(value WARNINGS)
sources='*.c lib/*.c'
headers='protocol.h lib/*.h'
tags=$(command -v ctags-universal || echo ctags)

# silent NAME TOOL COMMAND: it succeeds, and has nothing to say.
silent() {
    name=$1 tool=$2
    shift 2
    wanted "$name" || return 0
    if ! command -v "$tool" >"$dir/where"; then
        if [ -n "${CI-}" ]; then
            result "$name" "there is no $tool"
        else
            skip "$name" "$tool"
        fi
        return
    fi
    # what is on standard error of clang-tidy is how many warnings are off
    "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    if [ $status -eq 0 ] && [ ! -s "$dir/out" ] &&
        { [ "$1" = clang-tidy ] || [ ! -s "$dir/err" ]; }; then
        result "$name" ''
    else
        result "$name" "status $status
$(cat "$dir/out" "$dir/err" | head -n 60)"
    fi
}

# --- Compilers

# Some warnings of gcc come from the optimizer.
compile() {
    for f in $sources examples/*.c bench/cursors.c; do
        # shellcheck disable=SC2086 # options
        "$@" $standard $warnings -Werror -O2 -I"$(pg_config --includedir)" \
            -c -o "$dir/x.o" "$f" || return
    done
}
for macro in '' -DCHECK -DNDEBUG -DPLAIN; do
    # shellcheck disable=SC2086 # an option or none
    silent "warnings: gcc $macro" gcc compile gcc $macro
    # shellcheck disable=SC2086
    silent "warnings: clang $macro" clang compile clang -Wcomma $macro
done

# --- Analysers

for f in $sources; do
    off=
    case $f in
    lib/memory.c) off=-Wno-analyzer-malloc-leak ;;
    lib/report.c) off=-Wno-analyzer-null-argument ;;
    esac
    # shellcheck disable=SC2086  # options
    silent "gcc -fanalyzer $f" gcc gcc $standard -O2 -Wall -Wextra -fanalyzer \
        $off -c -o "$dir/x.o" "$f"
done
for f in $sources; do
    # shellcheck disable=SC2086  # options
    silent "clang-tidy $f" clang-tidy clang-tidy --quiet "$f" -- $standard
done
# shellcheck disable=SC2086  # options, and names
silent 'cppcheck' cppcheck cppcheck -q --std=c99 --error-exitcode=1 \
    --enable=warning,performance,portability ${standard#-std=c99} $sources
for f in test.sh tests/*.sh examples/*.sh bench/*.sh; do
    silent "shellcheck $f" shellcheck shellcheck -x -s sh "$f"
done
silent 'shellcheck .ci/run' shellcheck shellcheck -s bash .ci/run

# --- Limits

# longer N FILE ...: those of more lines.
longer() {
    most=$1
    shift
    for f; do
        awk -v most="$most" 'END {
            if (NR > most) print FILENAME ": " NR " lines" }' "$f"
    done
}
# shellcheck disable=SC2086  # names
silent 'limits: no source has more than 450 lines' awk longer 450 $sources \
    $headers
silent 'limits: server.c has at most 350' awk longer 350 server.c

# shellcheck disable=SC2086
silent 'limits: no line has more than 79 columns' awk awk '
    length > 79 { print FILENAME ":" FNR ": " length }' $sources $headers

# functions N: those of more lines.
functions() {
    # shellcheck disable=SC2086
    "$tags" -o - --kinds-C=f --fields=+ne $sources $headers >"$dir/tags" ||
        return
    awk -F '\t' -v most="$1" '
        function field(name,  i) {
            for (i = 4; i <= NF; i++)
                if (index($i, name ":") == 1)
                    return substr($i, length(name) + 2)
        }
        { n = field("end") - field("line") + 1 }
        n > most { print $2 ": " $1 "() has " n " lines" }
        END { if (NR < 200) print "only " NR " functions were found" }
    ' "$dir/tags"
}
silent 'limits: no function has more than 45 lines' "$tags" functions 45

# complexity: functions above .clang-tidy's threshold; an assertion is no
# branch.
complexity() {
    for f in $sources; do
        # shellcheck disable=SC2086  # options
        clang-tidy --quiet "$f" \
            --checks='-*,readability-function-cognitive-complexity' -- \
            $standard -DCHECK -DNDEBUG 2>&1
    done | grep error | sort -u
}
silent 'limits: no function has a cognitive complexity above 15' clang-tidy \
    complexity

# query MATCHER: where the sources have that, in the words of clang-query.
query() {
    for f in $sources $headers; do
        # shellcheck disable=SC2086  # options
        clang-query -c 'set output diag' -c "match $1" "$f" -- -x c \
            $standard -DCHECK
    done | sed -e '/^$/d' -e '/^Match #/d' -e '/^0 matches\.$/d'
}
comma='hasOperatorName(",")'
silent 'limits: no comma operator but in for ()' clang-query query "
    binaryOperator(isExpansionInMainFile(), $comma, unless(hasParent(
        stmt(anyOf(forStmt(),
            binaryOperator($comma, hasParent(forStmt())))))))"
assignment='anyOf(binaryOperator(isAssignmentOperator()),
    unaryOperator(hasAnyOperatorName("++", "--")))'
silent 'limits: no condition of an if assigns' clang-query query "
    ifStmt(isExpansionInMainFile(), hasCondition(anyOf(expr($assignment),
        hasDescendant(expr($assignment)))))"

finish
