# measure.sh - how run.sh measures: read by it, with `.`.
# shellcheck shell=sh disable=SC2034,SC2154
# (run.sh has set some variables, and uses others.)

failures=0 # what could not be run
repeated=0 # measurements that were made again

# has PROGRAM: is it here?  A peer that was missing when we looked is not.
has() {
    case " $missing " in
    *" $1 "*) return 1 ;;
    esac
    command -v "$1" >/dev/null
}

# once SCRIPT: runs it; sets what the clock says.
once() {
    : >"$dir/clock.out"
    "$dir/clock" "$dir/clock.out" timeout 1000 sh -c "$1" >"$dir/out" \
        2>"$dir/err" </dev/null
    read -r took cpu kib faults switches others stolen status \
        <"$dir/clock.out"
}

# is_disturbed: did others take more than a tenth of the processor time that
# there was, or the host of this machine more than a twentieth?  Ticks of the
# system's clock are not seen; nor is that, of row K, if its wire is a process.
is_disturbed() {
    case $1 in
    K*) [ -z "$wire_pid" ] || return 1 ;;
    esac
    awk -v t="$took" -v n="$cpus" -v o="$others" -v s="$stolen" 'BEGIN {
        exit !((o > t * n / 10 && o > 0.05) || (s > t * n / 20 && s > 0.02))
    }'
}

# takes ROW WHO SCRIPT: measures a script, from outside.  says ROW WHO SCRIPT:
# one that prints its own time, as `N s,`.  Both leave that in $took, or
# nothing.
takes() {
    measure took "$@"
}
says() {
    measure said "$@"
}
measure() {
    try=1
    once "$4"
    while is_disturbed "$2" && [ $try -lt "$TRIES" ]; do
        try=$((try + 1))
        repeated=$((repeated + 1))
        sleep 1
        once "$4"
    done
    if is_disturbed "$2"; then disturbed=1; else disturbed=0; fi
    [ "$1" = took ] || took=$(sed -n \
        's/^/ /; s/.* \([0-9]*\.[0-9]*\) s,.*/\1/p' "$dir/out" | tail -n 1)
    [ "$status" = 0 ] || took=
    note "$2" "$3" "$took"
}

# note ROW WHO SECONDS: a result, or a failure if there are no seconds.
note() {
    if [ -n "$3" ]; then
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$cpu" \
            "$kib" "$faults" "$switches" "$disturbed" >>"$dir/times"
    else
        echo "failed: $1 $2: $(tail -n 1 "$dir/err")" >&2
        failures=$((failures + 1))
    fi
}

# ours HOW ROW WHO SCRIPT: what gather takes, or says, and an older one; in the
# script it is $program.
ours() {
    program=$dir/gather
    export program
    "$1" "$2" "$3" "$4"
    [ -n "$OLD" ] || return 0
    program=$dir/old
    "$1" "$2" "before${3#gather}" "$4"
}
