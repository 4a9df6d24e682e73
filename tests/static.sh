#!/bin/sh
#
# static.sh - what analysers find in the sources without running them.
#
#     tests/static.sh              all of them; about a minute
#     tests/static.sh clang-tidy   those whose names match: a pattern of the
#                                  shell, found anywhere in the name
#
# Nothing is suppressed in the sources.  .clang-tidy lists the checks of
# clang-tidy that are off, each with the reason.  Of the others, off are
# - gcc, malloc-leak, in client.c only: it loses sight of what become() puts
#   into the array of arguments, which has to last until the exec.  Leaks there
#   are looked for by clang's analyser, and by tests/fuzz/client.c;
# - cppcheck's remarks on style; and what it has to say about move() alone, in
#   which it adds to the one of two pointers that is NULL, as no call does.
#
# Output is TAP; the last line is `N passed, N failed`; the exit status is 0 if
# none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
pattern=${1-}
cd "$here" || exit 1
standard='-std=c99 -D_POSIX_C_SOURCE=200112L'

# silent NAME PROGRAM ARGUMENT...: it succeeds, and has nothing to say.
silent() {
    name=$1
    shift
    wanted "$name" || return 0
    if ! command -v "$1" >"$dir/where"; then
        skip "$name" "$1"
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

for f in *.c; do
    leak=
    [ "$f" != client.c ] || leak=-Wno-analyzer-malloc-leak
    # shellcheck disable=SC2086  # options
    silent "gcc -fanalyzer $f" gcc $standard -O2 -Wall -Wextra -fanalyzer \
        $leak -c -o "$dir/x.o" "$f"
done
for f in *.c; do
    # shellcheck disable=SC2086  # options
    silent "clang-tidy $f" clang-tidy --quiet "$f" -- $standard
done
silent 'cppcheck' cppcheck -q --std=c99 --error-exitcode=1 \
    --enable=warning,performance,portability -D_POSIX_C_SOURCE=200112L \
    --suppress=nullPointerArithmetic:protocol.h ./*.c
for f in test.sh tests/*.sh examples/*.sh bench/*.sh; do
    silent "shellcheck $f" shellcheck -x -s sh "$f"
done
silent 'shellcheck .ci/run' shellcheck -s bash .ci/run

finish
