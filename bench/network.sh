# network.sh - another host for run.sh, which reads this with `.`: two network
# namespaces, near and far, on a wire that keeps everything for 1 ms, so that a
# round trip takes 2; and an sshd on the far one.  Nothing is sent outside.
# The wire is netem, of the kernel; or where that is not to be had
# tests/lossy.c, a process that takes a processor for itself.
# shellcheck shell=sh disable=SC2034,SC2154
# (run.sh has set some variables, and uses others.)

net=bench$$
lack=     # what it would take, if it is not there
wire=     # what it is
wire_pid= # its process, if it is one
near="ip netns exec $net-near"
far="ip netns exec $net-far"
between="ip netns exec $net-wire"
export near far

# network_begin: sets $lack if it cannot be had.
network_begin() {
    if ! make_network 2>"$dir/err"; then
        lack="another-host ($(head -n 1 "$dir/err"))"
        missing="$missing $lack"
        return
    fi
    GATHER_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    export GATHER_TOKEN
    write_scripts
    if has ssh; then start_sshd || missing="$missing sshd"; fi
}

make_network() {
    ip netns add "$net-wire" || return
    n=0
    for host in near far; do
        n=$((n + 1))
        ip netns add "$net-$host" &&
            ip -n "$net-$host" link add name eth0 type veth \
                peer name $host netns "$net-wire" &&
            ip -n "$net-$host" addr add "192.0.2.$n/24" dev eth0 &&
            ip -n "$net-$host" link set dev lo up &&
            ip -n "$net-$host" link set dev eth0 up &&
            ip -n "$net-wire" link set dev $host up || return
    done
    if $near tc qdisc add dev eth0 root netem delay 1ms limit 100000; then
        wire=netem
        $far tc qdisc add dev eth0 root netem delay 1ms limit 100000 &&
            ip -n "$net-wire" link add name bridge up type bridge &&
            ip -n "$net-wire" link set dev near master bridge &&
            ip -n "$net-wire" link set dev far master bridge
    else
        wire=lossy.c
        $CC -std=c99 -O2 -o "$dir/lossy" tests/lossy.c &&
            { $between "$dir/lossy" near far 1 0 2>/dev/null & } &&
            wire_pid=$!
    fi
}

# A gather that serves here, $small or so items, and its $clients there.
write_scripts() {
    cat >"$dir/distant" <<'END'
$near "$program" -q -b 192.0.2.1 -p 7000 -j 0 -n "$1" &
$far sh "$dir/clients" "$2" &
wait
END
    cat >"$dir/clients" <<'END'
i=0
while [ $i -lt "$clients" ]; do
    i=$((i + 1))
    "$program" -c 192.0.2.1:7000 sh -c "$1" >/dev/null &
done
wait
END
}

start_sshd() {
    mkdir -p /run/sshd "$dir/ssh" || return
    for name in server user; do
        ssh-keygen -q -t ed25519 -N '' -f "$dir/ssh/$name" || return
    done
    cat >"$dir/ssh/sshd" <<END
ListenAddress 192.0.2.2:22
HostKey $dir/ssh/server
PidFile $dir/ssh/pid
AuthorizedKeysFile $dir/ssh/user.pub
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PrintMotd no
END
    cat >"$dir/ssh/config" <<END
Host far
HostName 192.0.2.2
User $(id -un)
IdentityFile $dir/ssh/user
IdentitiesOnly yes
UserKnownHostsFile $dir/ssh/known
StrictHostKeyChecking accept-new
LogLevel ERROR
END
    $far /usr/sbin/sshd -f "$dir/ssh/sshd" -E "$dir/ssh/log" || return
    i=0
    until [ -s "$dir/ssh/pid" ]; do
        i=$((i + 1))
        [ $i -lt 100 ] || return
        sleep 0.1
    done
}

# network_end: nothing of it is left.
network_end() {
    [ ! -s "$dir/ssh/pid" ] || kill "$(cat "$dir/ssh/pid")"
    [ -z "$wire_pid" ] || kill "$wire_pid"
    for host in near far wire; do
        ip netns del "$net-$host" 2>/dev/null
    done
}
