#!/bin/sh
#
# fuzz.sh - feeds the parts of gather with what nobody would send on purpose.
#
#     tests/fuzz.sh                  30 seconds for each harness
#     tests/fuzz.sh 600              so many seconds
#     tests/fuzz.sh 600 client       that harness only: server, client, parse
#     CORPUS=dir tests/fuzz.sh       keeps what it has learned in dir/server
#                                    and so on, and begins with that
#     tests/fuzz.sh file client      runs an input, such as one printed below,
#                                    once
#
# tests/fuzz/*.c say what each harness does and what it takes for a finding;
# tests/fuzz/fuzz.h how the program is put into a world of their making.
# Before them, tests/siphash.c compares the hash of the proofs with what its
# authors have published.  Needs clang with libFuzzer.  Output is TAP, one test
# a harness, with the input in base64 when it failed; the last line is
# `N passed, N failed`; the exit status is 0 if none failed.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
seconds=${1:-30}
harnesses=${2:-server client parse}
pid=
tidy() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
}

# fuzzer WHAT...: compiles, or links, a harness.
fuzzer() {
    clang -std=c99 -D_POSIX_C_SOURCE=200809L -D_XOPEN_SOURCE=700 -g -O1 \
        -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=undefined "$@" -lpthread
}

# program: compiles what the harnesses call, once, into an archive, of which
# each of them takes what it needs.
program() {
    [ ! -f "$dir/program.a" ] || return 0
    for file in "$here/server.c" "$here/client.c" "$here"/lib/*.c; do
        object=$dir/${file##*/}
        fuzzer -DPROGRAM -DCHECK -include "$here/tests/fuzz/fuzz.h" \
            -c -o "${object%c}o" "$file" || return
    done
    ar rc "$dir/program.a" "$dir"/*.o
}

# found HARNESS: prints the input that was a finding.
found() {
    for file in "$dir/found-$1-"*; do
        [ ! -f "$file" ] ||
            printf 'Base64: %s\n' "$(base64 <"$file" | tr -d '\n')"
    done
}

echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) {
    return 0; }' >"$dir/try.c"
if ! fuzzer -o "$dir/try" "$dir/try.c" 2>/dev/null; then
    echo '1..0 # SKIP no clang with libFuzzer'
    echo '0 passed, 0 failed'
    exit 0
fi

number=$((number + 1))
cc -std=c99 -D_POSIX_C_SOURCE=200809L -o "$dir/siphash" \
    "$here/tests/siphash.c" "$here/lib/secret.c" >"$dir/log" 2>&1 &&
    "$dir/siphash" >>"$dir/log" 2>&1 && : >"$dir/log"
result 'siphash: the 64 values that its authors have published' \
    "$(cat "$dir/log")"

for h in $harnesses; do
    number=$((number + 1))
    corpus=$here/tests/fuzz/corpus-$h
    new=${CORPUS:-$dir}/$h
    mkdir -p "$new"
    ok=no
    if program >"$dir/log" 2>&1 &&
        fuzzer -o "$dir/fuzz-$h" "$here/tests/fuzz/$h.c" "$dir/program.a" \
            >"$dir/log" 2>&1
    then
        if [ -f "$seconds" ]; then
            set -- "$seconds"
        else
            set -- -max_len=2048 -timeout=60 -max_total_time="$seconds" \
                -artifact_prefix="$dir/found-$h-" -print_final_stats=1 \
                "$new" "$corpus"
        fi
        "$dir/fuzz-$h" "$@" >"$dir/log" 2>&1 &
        pid=$!
        wait $pid && ok=yes
        pid=
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$dir/log")
    if [ $ok = yes ]; then
        result "$h: nothing found in ${runs:-1} runs" ''
    else
        result "$h" "it ended early:
$(grep -E \
            'not so:|Assert|ERROR|error:|^    #[0-9]+ .*\.[ch]:' "$dir/log" |
            cut -c -200 | head -n 30
        found "$h")"
    fi
done
finish
