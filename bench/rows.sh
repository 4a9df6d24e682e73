# rows.sh - what run.sh measures, a function for each row of the table: read by
# it, with `.`.  table.awk has the titles of rows, and what is wanted of each.
# shellcheck shell=sh disable=SC2016,SC2154
# (Scripts are for another shell; run.sh has set the variables.)

# too_often MODE: large pages can take long where there are few of them, so
# once has to do.
too_often() {
    [ "$1" = '-l tcp' ] && [ "$round" -gt 1 ]
}

# Arrays, from the memory of the children to that of the parent.
row_A() {
    ours says A gather '"$program" -q -p 0 -n 20 -s $bytes'
    for mode in tcp unix pipe shm '-l tcp'; do
        export mode
        too_often "$mode" || says A "bare $mode" \
            '"$dir/bare" $mode 20 $bytes'
    done
}

row_B() {
    says B gather '"$dir/cursors" 20 $bytes'
    for mode in tcp unix pipe shm '-d tcp' '-l tcp'; do
        export mode
        too_often "$mode" || says B "bare -r $mode" \
            '"$dir/bare" -r $mode 20 $bytes'
    done
    if [ -x "$dir/mpi" ]; then
        for btl in tcp vader; do
            export btl
            says B "MPI_Gatherv $btl" 'mpirun --oversubscribe -n 21 \
                --mca btl self,$btl "$dir/mpi" $bytes'
        done
    fi
}

# Much output, in order, into a pipe.
row_C() {
    to="head -c ${SIZE}M /dev/zero"
    export to
    ours takes C gather '"$program" -q -p 0 -n 20 $to | cat >/dev/null'
    takes C "gather -m 1M" \
        '"$dir/gather" -q -p 0 -m 1M -n 20 $to | cat >/dev/null'
    takes C "bare relay" '"$dir/relay" 20 $to | cat >/dev/null'
    takes C "bare relay -m 64M" \
        '"$dir/relay" -m 67108864 20 $to | cat >/dev/null'
    has xargs && takes C "xargs -P20" \
        'seq 20 | xargs -P 20 -I : $to | cat >/dev/null'
    has xe && takes C "xe -j20" \
        'seq 20 | xe -j 20 -s "exec $to" | cat >/dev/null'
    has parallel && takes C "parallel -k" \
        'seq 20 | parallel -k -j 20 -N0 $to | cat >/dev/null'
    has parallel && takes C "parallel -k --lb" \
        'seq 20 | parallel -k --lb -j 20 -N0 $to | cat >/dev/null'
    has rust-parallel && takes C "rust-parallel -k" \
        'seq 20 | rust-parallel -k -j 20 sh -c "exec $to" | cat >/dev/null'
    has rush && takes C "rush -k" \
        'seq 20 | rush -k -j 20 "exec $to" | cat >/dev/null'
}

# Programs that compute, and print SIZE / 8 MiB or so each.
row_D() {
    echo "exec awk 'BEGIN { for (i = 0; i < $((SIZE * 16000)); i++)
        print i * 7 % 1000003 }'" >"$dir/work"
    ours takes D gather '"$program" -q -p 0 -n 20 sh "$dir/work" >/dev/null'
    for m in 1M 256M; do
        export m
        takes D "gather -m $m" \
            '"$dir/gather" -q -p 0 -m $m -n 20 sh "$dir/work" >/dev/null'
    done
    takes D "bare relay -m 64M" \
        '"$dir/relay" -m 67108864 20 sh "$dir/work" >/dev/null'
    has xargs && takes D "xargs -P20" \
        'seq 20 | xargs -P 20 -I : sh "$dir/work" >/dev/null'
    has parallel && takes D "parallel -k" \
        'seq 20 | parallel -k -j 20 -N0 sh "$dir/work" >/dev/null'
    has rust-parallel && takes D "rust-parallel -k" \
        'seq 20 | rust-parallel -k -j 20 sh "$dir/work" >/dev/null'
    has rush && takes D "rush -k" \
        'seq 20 | rush -k -j 20 "exec sh $dir/work" >/dev/null'
}

# Many short commands.
row_E() {
    ours takes E gather '"$program" -q -p 0 -n $ITEMS /bin/true'
    has xargs && takes E "xargs -P20 -n1" \
        'seq $ITEMS | xargs -P 20 -n 1 /bin/true'
    has xe && takes E "xe -j20" 'seq $ITEMS | xe -j 20 /bin/true'
    has parallel && takes E "parallel -j20" \
        'seq $ITEMS | parallel -j 20 /bin/true'
    has rust-parallel && takes E "rust-parallel -j20" \
        'seq $ITEMS | rust-parallel -j 20 /bin/true'
    has rush && takes E "rush -j20" \
        'seq $ITEMS | rush -j 20 "exec /bin/true"'
}

# One command: 50 times, so that the clock's own shell does not count.
row_F() {
    loop='i=0; while [ $i -lt 50 ]; do i=$((i + 1));'
    echo 1 >"$dir/one"
    ours takes F gather "$loop \"\$program\" -q -p 0 -n 1 /bin/true; done"
    has xargs && takes F "xargs -n1" \
        "$loop xargs -n 1 /bin/true <\"\$dir/one\"; done"
}

# Many children.
row_G() {
    for n in $CHILDREN; do
        export n
        ours says G "gather $n" '"$program" -q -p 0 -j $n -n $n -s 1000'
    done
}

# More than there is memory for.
row_H() {
    part=$((TOTAL * 1048576 / 20))
    export part
    ours takes H gather \
        '"$program" -q -p 0 -n 20 head -c $part /dev/zero >/dev/null'
    program=$dir/gather
    takes H "gather -m 1M" \
        '"$program" -q -p 0 -m 1M -n 20 head -c $part /dev/zero >/dev/null'
}

# Many items, from a pipe: the first number beside peers; all of them once,
# with a look at what came out.
row_I() {
    n=${MANY%% *}
    export n
    ours takes I gather 'seq $n | "$program" -q -p 0 "$dir/tiny" >/dev/null'
    has xargs && takes I "xargs -P20 -n1" \
        'seq $n | xargs -P 20 -n 1 "$dir/tiny" >/dev/null'
    has xe && takes I "xe -j20" 'seq $n | xe -j 20 "$dir/tiny" >/dev/null'
    has rust-parallel && takes I "rust-parallel -k" \
        'seq $n | rust-parallel -k -j 20 "$dir/tiny" >/dev/null'
    has rush && takes I "rush -k" \
        'seq $n | rush -k -j 20 "exec $dir/tiny {}" >/dev/null'
    [ "$round" = 1 ] || return 0
    program=$dir/gather
    for n in $MANY; do
        seq "$n" >"$dir/list"
        takes I+ "gather $n" 'cat "$dir/list" |
            "$program" -q -p 0 "$dir/tiny" | cmp - "$dir/list"'
    done
}

# One slow item, before many quick ones, which are through before it: it takes
# a third more than these took alone.
row_J() {
    [ "$round" = 1 ] || return 0
    seq "$QUICK" >"$dir/list"
    takes J "quick ones alone" 'cat "$dir/list" |
        "$dir/gather" -q -p 0 "$dir/tiny" | cmp - "$dir/list"'
    slow=$(awk -v t="${took:-0}" 'BEGIN { print int(t * 4 / 3) + 2 }')
    program=$dir/gather
    export slow program
    takes J "gather +$slow" '{ echo "+$slow"; cat "$dir/list"; } |
        "$program" -q -p 0 "$dir/tiny" | cmp - "$dir/list"'
}

# Another host: see network.sh.  Each client asks for an item when it has sent
# the end of the last one.
row_K() {
    [ -z "$lack" ] || return 0
    small=${FAR% *} large=${FAR#* }
    export small large clients
    head -c $((small * 1024)) /dev/zero | tr '\0' ' ' >"$dir/blanks"
    for clients in 20 1; do
        ours takes K "gather, clients $clients" \
            'sh "$dir/distant" $small "printf %1024s" | cmp - "$dir/blanks"'
    done
    clients=20
    ours takes K+ gather \
        'sh "$dir/distant" $large "exec head -c 10M /dev/zero" |
            cat >/dev/null'
    if [ -s "$dir/ssh/pid" ]; then
        takes K+ "ssh + cat" '$near ssh -F "$dir/ssh/config" far "
            for i in $(seq -s " " $large); do head -c 10M /dev/zero; done
            " | cat >/dev/null'
    fi
}
