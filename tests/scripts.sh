# shellcheck shell=sh
#
# scripts.sh - for database.sh, hosts.sh, ssh.sh and slurm.sh, which source it:
# how their tests are written and run, with what Linux and the GNU utilities
# have; all but database.sh by root.
#
#     tests/NAME.sh              all tests
#     tests/NAME.sh 'token'      those whose names match: a pattern of the
#                                shell, found anywhere in the name
#     GATHER=/path/to/gather tests/NAME.sh    tests another binary
#     DEADLINE=300 tests/NAME.sh              gives each test so many seconds
#
# What is missing is named, and its tests are skipped; if CI is set that is a
# failure, unless it is the kernel that lacks it.
#
# Output is TAP.  The last line is `N passed, N failed`, then `, N skipped` if
# some were; the exit status is 0 if none failed.
#
#     try 'what it proves' <<'.'
#     a script
#     .
#
# The script runs in an empty directory, under `sh -eux`, between `before` and
# `after`, which a suite may define.  It has to succeed before the deadline
# and write nothing to standard output; lines in the file `notes` are shown.
# 5 seconds after its end no process of it may be left, no temporary file, and
# nothing that `remains` prints, if a suite defines it.  The trace is shown
# when it fails.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
umask 022
pattern=${1-}
tested
: "${DEADLINE:=60}" "${CC:=cc}"
GATHER_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -cd 0-9a-f)
export GATHER_TOKEN CC here

chmod 711 "$dir"
mkdir "$dir/bin" "$dir/tmp"
PATH=$dir/bin:$PATH
problems=$dir/problems
export PATH problems dir

before() { :; }
after() { :; }
remains() { :; }
tidy() {
    after
}

# exits STATUS COMMAND: does it?
cat >"$dir/bin/exits" <<'.'
#!/bin/sh
want=$1
shift
"$@"
got=$?
[ $got = "$want" ] || echo "status $got, not $want, of $*" >>"$problems"
[ $got = "$want" ]
.

# ended STATUS PID: has that child ended so, when it has?
# shellcheck disable=SC2016 # for the tests' shell
prelude='ended() {
    got=0
    wait "$2" || got=$?
    [ $got = "$1" ] || echo "status $got, not $1, of $2" >>"$problems"
    [ $got = "$1" ]
}'

# till COMMAND: tries it until it succeeds.
cat >"$dir/bin/till" <<'.'
#!/bin/sh
until "$@"; do
    sleep 0.05
done 2>/dev/null
.

# lines N FILE: has it so many, at least?
cat >"$dir/bin/lines" <<'.'
#!/bin/sh
[ "$(wc -l <"$2")" -ge "$1" ]
.

# column NAME FILE: that column of a ledger.
cat >"$dir/bin/column" <<'.'
#!/bin/sh
awk -F '\t' -v name="$1" 'NR == 1 { while ($(++i) != name); next }
    { print $i }' "$2"
.

# states FILE: how the items in a ledger have ended, with their numbers.
cat >"$dir/bin/states" <<'.'
#!/bin/sh
column State "$1" | sort | uniq -c | awk '{ print $1, $2 }'
.
chmod +x "$dir"/bin/*

kernel=''

# recipe NAME FILE: what doc/hosts shows: how to make a token and, after the
# line that begins with the name, how to use it.
recipe() {
    awk -v name="$1." '/share a token:$/ || index($0, name) == 1 { on = 1 }
        on && /^    / { print substr($0, 5); n = 1 }
        n && !/^    / { on = n = 0 }' "$here/doc/hosts" >"$2"
}

# leftovers: shows what is left after 5 seconds.
leftovers() {
    tries=0
    while [ $((tries += 1)) -le 50 ]; do
        [ -n "$(marked; remains; ls -A "$dir/tmp")" ] || return
        sleep 0.1
    done
    left 0
    remains | sed 's/^/# session: /'
    find "$dir/tmp" ! -path "$dir/tmp" | sed 's/^/# file: /'
}

# try NAME: runs the test on standard input.
try() {
    script=$(cat)
    wanted "$1" || return 0
    [ -z "$kernel" ] || {
        skip "$1" "$kernel"
        return
    }
    lacking "$1" && return
    mark=$dir/$number
    printf '%s\n' "$prelude" "$script" >"$dir/script"
    : >"$problems"
    mkdir "$dir/work"
    before
    (
        cd "$dir/work" || exit
        TMPDIR=$dir/tmp GATHER_TEST=$mark
        export TMPDIR GATHER_TEST
        exec timeout -k 5 "$DEADLINE" sh -eux "$dir/script"
    ) >"$dir/output" 2>"$dir/trace" </dev/null &
    wait $!
    status=$?
    bad=$(
        [ $status -eq 0 ] || echo "# status $status"
        [ $status -ne 124 ] || echo '# none before the deadline'
        sed 's/^/# /' "$problems"
        sed 's/^/# output: /' "$dir/output" | sed 20q
        leftovers
    )
    sweep
    after
    rm -rf "$dir/tmp"
    mkdir "$dir/tmp"
    result "$1" "$bad"
    [ -z "$bad" ] || {
        tail -n 40 "$dir/trace" | cut -c 1-300 | sed 's/^/# trace: /'
        for file in "$dir"/work/err*; do
            [ ! -s "$file" ] || sed "s/^/# ${file##*/}: /;20q" "$file"
        done
    }
    [ ! -f "$dir/work/notes" ] || sed 's/^/# /' "$dir/work/notes"
    rm -rf "$dir/work"
}
