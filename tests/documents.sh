#!/bin/sh
#
# documents.sh - every command that README and doc/gather.1 print, run as it
# stands there, in the order in which it stands there, in a built copy of the
# sources; the output that is printed below it has to come.  TAP; the last line
# is `N passed, N failed`.
#
# A command is a line that begins with `$ `, indented by four blanks in README,
# within a literal display in the manual.  Those that name a database run on a
# cluster of their own.  What follows up to the next command
# or the end of the indented part is its output.  A command with no output
# below it has to succeed, or fail as items do (123 to 125).

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
chmod 711 "$dir"
cluster_dir=$dir/pg
tidy() {
    cluster_stop immediate
}
cp -r "$here"/*.[ch] "$here/Makefile" "$here/README" "$here/examples" "$dir"
# shellcheck source=tests/cluster.sh
. "$here/tests/cluster.sh"
cd "$dir" || exit 1
make >make.out 2>&1 || { cat make.out; echo "0 passed, 1 failed"; exit 1; }
rm make.out
PATH=$dir:$PATH

if ! cluster_find || ! cluster_make "$dir/pg"; then
    echo "# no ${lack:-cluster}: what needs a database will fail"
fi

# check FILE: the commands in what awk made of a document: `$ command` lines
# and `> output` lines.
check() {
    step=0
    total=$(grep -c '^\$ ' "$1")
    while [ $((step += 1)) -le "$total" ]; do
        awk -v n="$step" '/^\$ / { i++ } i == n' "$1" >"$dir/.step"
        command=$(sed -n '1s/^..//p' "$dir/.step")
        sed '1d;s/^> //' "$dir/.step" >"$dir/.want"
        sh -c "$command" </dev/null >"$dir/.got" 2>"$dir/.errors"
        status=$?
        if [ "$command" = './gather -n 4' ]; then # pids and times differ
            for file in "$dir/.want" "$dir/.got"; do
                sed -n 's/ complete and right.*//p' "$file" >"$file.verdict"
                mv "$file.verdict" "$file"
            done
        fi
        case $status in 0 | 12[345]) good=yes ;; *) good=no ;; esac
        [ ! -s "$dir/.want" ] || cmp -s "$dir/.want" "$dir/.got" || good=no
        wanted "$2: $command"
        if [ $good = yes ]; then
            result "$2: $command" ''
        else
            result "$2: $command" "status $status; output, < expected, > got:
$(diff "$dir/.want" "$dir/.got" | sed -n '/^[<>]/p')
$(sed 's/^/error: /' "$dir/.errors")"
        fi
    done
}

awk '/^    \$ / { print substr($0, 5); on = 1; next }
     /^    / { if (on) print "> " substr($0, 5); next }
     { on = 0 }' "$here/README" >"$dir/.readme"
awk '/^\.Bd/ { on = 1; next } /^\.Ed/ { on = 0 }
     on && /^\$ / { print; next }
     on { print "> " $0 }' "$here/doc/gather.1" >"$dir/.manual"
check "$dir/.readme" README
check "$dir/.manual" gather.1
finish
