#!/bin/sh
#
# coverage.sh - which lines and branches of gather the suites reach.
#
#     tests/coverage.sh            test.sh and those beside it that reach more
#     tests/coverage.sh test.sh 'tests/loops.sh 10'
#                                  these suites, with their arguments
#     LIMIT=90 tests/coverage.sh   fails below 90 % of lines (95)
#
# Builds gather with counters, runs the suites on it, and prints how many lines
# and branches of each source file were reached, then each line that was not.
# A suite may fail here though it passes otherwise: processes are slower, and
# need descriptors for their counters when they end.  That is said, and does
# not count.  Needs gcc and gcov.
#
# Output is TAP, one test; the last line is `N passed, N failed`; the exit
# status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
: "${LIMIT:=95}"
[ $# -gt 0 ] || set -- test.sh tests/terminal.sh tests/strangers.sh \
    'tests/faults.sh 10 injector' 'tests/faults.sh 10 stuck'
cd "$dir" || exit 1
mkdir lib
cp "$here"/*.[ch] . && cp "$here"/lib/*.[ch] lib || exit 1
sources=$(echo *.c lib/*.c)
standard=$(value STANDARD)
for f in $sources; do
    # shellcheck disable=SC2086 # options
    gcc $standard -O0 -g --coverage -fprofile-update=atomic -o "${f%c}o" \
        -c "$f" || exit 1
done
# shellcheck disable=SC2086
gcc $standard -O1 -o wrap.o -c "$here/tests/coverage.c" &&
    gcc --coverage -Wl,--wrap=fork,--wrap=raise,--wrap=_exit -o gather ./*.o \
        lib/*.o -lpthread || exit 1

for suite; do
    # shellcheck disable=SC2086  # a suite and its arguments
    GATHER=$dir/gather DEADLINE=60 sh "$here"/$suite >log 2>&1 </dev/null
    echo "# $suite: $(tail -n 1 log)"
    grep '^not ok' log | sed 's/^/#   /'
done

# With their paths, as files of different directories may have one name.
# shellcheck disable=SC2086 # names
if ! gcov -b -p $sources >log 2>&1; then
    echo "Bail out! $(cat log)"
    exit 1
fi
# A line counts once, however many objects it is in: the header's functions
# are in all of them.  Of a branch, each of its two or more ways counts.
cat >report.awk <<'.'
function name(path) {
    sub(/^\.\//, "", path); sub(/\.gcov$/, "", path); gsub(/#/, "/", path)
    while (sub(/[^\/]*\/\^\//, "", path)) continue # from lib/../
    return path
}
FNR == 1 { file = name(FILENAME); if (!(file in lines)) {
    files[++n] = file; lines[file] = 0 } }
/^ *branch / { at = file ":" line; k = ++way[at]
    if (!((at, k) in branch)) { ways[file]++; branch[at, k] = 0 }
    if ($0 !~ /never executed|taken 0%/ && !branch[at, k]) {
        branch[at, k] = 1; taken[file]++
    }
    next
}
/^ *[-#=0-9*]+: *[0-9]+:/ {
    split($0, part, ":")
    count = part[1]; gsub(/ /, "", count)
    line = part[2] + 0; at = file ":" line; way[at] = 0
    if (line == 0 || count == "-") next
    if (!(at in seen)) { seen[at] = 0; lines[file]++
        text[at] = $0; sub(/^[^:]*:[^:]*:/, "", text[at])
        order[++m] = at
    }
    if (count !~ /^[#=]/ && !seen[at]) { seen[at] = 1; reached[file]++ }
}
END {
    for (i = 1; i <= m; i++)
        if (!seen[order[i]]) print "#   " order[i] ":" text[order[i]]
    for (i = 1; i <= n; i++) {
        f = files[i]
        printf "# %-14s %4d of %4d lines, %5.1f %%; %4d of %4d branches, " \
            "%5.1f %%\n", f, reached[f], lines[f], \
            100 * reached[f] / lines[f], taken[f], ways[f], \
            100 * taken[f] / (ways[f] ? ways[f] : 1)
        r += reached[f]; l += lines[f]; t += taken[f]; w += ways[f]
    }
    p = 100 * r / l
    printf "# %-14s %4d of %4d lines, %5.1f %%; %4d of %4d branches, " \
        "%5.1f %%\n", "together", r, l, p, t, w, 100 * t / w
    good = p >= limit
    print (good ? "ok" : "not ok") " 1 - " limit " % of lines are reached"
    print "1..1"
    print (good ? "1 passed, 0 failed" : "0 passed, 1 failed")
    exit !good
}
.
awk -v limit="$LIMIT" -f report.awk ./*.c.gcov ./lib#*.gcov ./protocol.h.gcov
