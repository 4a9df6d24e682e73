#!/bin/sh
#
# hosts.sh - clients on other hosts: network namespaces that hang, each by a
# link, on a switch, which is a namespace as well.  Nothing is sent outside.
# scripts.sh says how the tests are run and written; four minutes or so.
#
# Needs ip and tc (Debian: iproute2), ping (iputils-ping), a C compiler, mount,
# musl-gcc (musl-tools), podman and runc, s390x-linux-gnu-gcc
# (gcc-s390x-linux-gnu, libc6-dev-s390x-cross) and qemu-s390x (qemu-user).
#
# Hosts are `server`, `a`, `b` and `c`; `far` is behind a line with delay and
# loss: of tc (netem) if the kernel has it, else of lossy.c.  All are anew for
# each test.

: "${DEADLINE:=120}"
# shellcheck source=tests/scripts.sh
. "$(dirname "$0")/scripts.sh"

net=gather$$
hosts='server a b c far'
export net
need ip iproute2
need "$CC" gcc
need setsid util-linux

# before: the switch, the hosts, and their links, to-HOST on the switch.
before() {
    n=0
    for host in switch $hosts; do
        ip netns add "$net-$host"
        ip -n "$net-$host" link set dev lo up
    done
    ip -n "$net-switch" link add name bridge type bridge forward_delay 0
    ip -n "$net-switch" link set dev bridge up
    for host in $hosts; do
        n=$((n + 1))
        ip -n "$net-switch" link add name "to-$host" type veth \
            peer name eth0 netns "$net-$host"
        ip -n "$net-switch" link set dev "to-$host" master bridge up
        ip -n "$net-$host" addr add "192.0.2.$n/24" dev eth0
        ip -n "$net-$host" link set dev eth0 up
    done
}

# after: no host is left, and nobody on it.
after() {
    for host in switch $hosts; do
        [ -e "/run/netns/$net-$host" ] || continue
        ip netns pids "$net-$host" | xargs -r kill -s KILL
        ip netns del "$net-$host"
    done 2>/dev/null
}

# on HOST COMMAND: runs it there.
cat >"$dir/bin/on" <<'.'
#!/bin/sh
host=$net-$1
shift
exec ip netns exec "$host" "$@"
.

# serve OPTIONS: gather on the host `server`; from HOST ARGUMENTS: a client.
cat >"$dir/bin/serve" <<'.'
#!/bin/sh
exec on server "$GATHER" -b 192.0.2.1 -p 5000 "$@"
.
cat >"$dir/bin/from" <<'.'
#!/bin/sh
host=$1
shift
exec on "$host" "$GATHER" -c 192.0.2.1:5000 "$@"
.

# link HOST up|down: its cable is plugged in, or not, which nobody is told.
cat >"$dir/bin/link" <<'.'
#!/bin/sh
exec ip -n "$net-switch" link set dev "to-$1" "$2"
.

# ends HOST: kills all that runs there, at once.
cat >"$dir/bin/ends" <<'.'
#!/bin/sh
ip netns pids "$net-$1" | xargs kill -s KILL 2>/dev/null || :
.

# runs HOST PATTERN: does a process whose arguments begin so?
cat >"$dir/bin/runs" <<'.'
#!/bin/sh
for pid in $(ip netns pids "$net-$1"); do
    tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "^$2" && exit
done
exit 1
.

# reaches N FILE: is it so long?
cat >"$dir/bin/reaches" <<'.'
#!/bin/sh
[ "$(wc -c <"$2")" -ge "$1" ]
.

# named FILE HOST COMMAND: runs it there, where that is /etc/hosts.
cat >"$dir/bin/named" <<'.'
#!/bin/sh
file=$1 host=$net-$2
shift 2
# shellcheck disable=SC2016 # for the other shell
exec ip netns exec "$host" \
    sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$file" "$@"
.

# pool: 2,000 lines, all of them different, of 60 to 99 bytes.
cat >"$dir/bin/pool" <<'.'
#!/bin/sh
awk 'BEGIN { while (length(s) < 99) s = s "abcdefghijklmno"
    for (i = 1; i <= 2000; i++)
        printf "%05d %s\n", i, substr(s, 1, 53 + i * i % 40) }'
.

# parts N: so many items, to be commands of sed that print a part of the pool:
# of 0 to about 200,000 bytes, 4,000 in most cases.
cat >"$dir/bin/parts" <<'.'
#!/bin/sh
awk -v n="$1" 'BEGIN { srand(8)
    for (i = 0; i < n; i++) {
        from = 1 + int(rand() * 1900)
        if (i % 100 == 7) print "d"
        else if (i % 500 == 3) print "p;p"
        else print from "," from + int(rand() * 99) "p"
    } }'
.

# whole POOL: what sed -n should print for the items on standard input.
cat >"$dir/bin/whole" <<'.'
#!/bin/sh
awk -v pool="$1" 'BEGIN { while ((getline line[++n] < pool) > 0) continue }
    { split($1, range, /[,p]/)
      if ($1 == "p;p") for (i = 1; i < n; i++) print line[i] "\n" line[i]
      else if ($1 != "d")
          for (i = range[1]; i <= range[2]; i++) print line[i] }'
.
chmod +x "$dir"/bin/*

# --- Delivery

try 'three hosts: 300 items, whole and in order; who has run which' <<'.'
serve -j 0 -n 300 -l log >out 2>err &
gather=$!
for host in a b c; do
    from $host sh -c ': >{}; till test -e 2 # until each host has one
        echo "$GATHER_WHICH, {}"; sleep 0.01' 2>err.$host &
done
wait $gather
wait
awk 'BEGIN { while (i < 300) { print i + 0 ", " i + 0; i++ } }' | cmp - out
test "$(states log)" = '300 complete'
test "$(column Host log | sort -u | xargs)" = '192.0.2.2 192.0.2.3 192.0.2.4'
test "$(column Seq log | uniq | wc -l)" = 300
sort -u err | exits 1 grep -v '^gather: waiting for clients on 192.0.2.1 '
exits 1 grep . err.a err.b err.c
.

try 'two hosts gather 10,000 items; one is killed, another replaces it' <<'.'
pool >pool
parts 10000 >items
whole pool <items >want
serve -j 0 -r 5 -l log <items >out 2>err &
gather=$!
for i in 1 2 3; do
    from a sed -n '{}' pool 2>err.a$i &
    from b sed -n '{}' pool 2>err.b$i &
done
till lines 3000 log
ends b
for i in 1 2 3; do
    from c sed -n '{}' pool 2>err.c$i &
done
wait $gather
cmp want out
test "$(states log)" = '10000 complete'
column Host log | sort | uniq -c >hosts
lines 3 hosts
echo "$(wc -c <want) bytes; by host $(xargs <hosts);" \
    "$(grep -c 'trying again' err) items were run again" >notes
wait
exits 1 grep . err.a? err.c?
.

try 'local children and remote clients together' <<'.'
script=': >{}; till test -e 3; echo {}; sleep 0.05'
serve -j 2 -n 60 -l log sh -c "$script" >out 2>err &
gather=$!
from a sh -c "$script" 2>err.a &
a=$!
from b sh -c "$script" 2>err.b &
b=$!
ended 0 $gather
ended 0 $a
ended 0 $b
seq 0 59 | cmp - out
test "$(states log)" = '60 complete'
column Host log | grep -qx :
column Host log | grep -qx 192.0.2.2
column Host log | grep -qx 192.0.2.3
exits 1 grep . err err.a err.b
.

try 'a list that grows: lines of a pipe go to whoever is there' <<'.'
mkfifo list
serve -j 0 <list >out 2>err &
gather=$!
exec 7>list
from a echo a 2>err.a 7>&- &
echo 1 >&7
till grep -qx 'a 1' out
from b echo b 2>err.b 7>&- &
till on b grep -q ' 010200C0:1388 01 ' /proc/net/tcp
echo 2 >&7
echo 3 >&7
till lines 3 out
exec 7>&-
ended 0 $gather
wait
cut -d ' ' -f 2 out >numbers
seq 1 3 | cmp - numbers
exits 1 grep . err.a err.b
.

# --- Beginning and end

try 'clients that start before their server' <<'.'
for host in a b; do
    from $host echo 2>err.$host &
done
till runs a "$GATHER"
till runs b "$GATHER"
sleep 1
serve -j 0 -n 20 >out 2>err
wait
seq 0 19 | cmp - out
exits 1 grep . err.a err.b
.

try 'a server that never comes: half a minute, then a clear error' <<'.'
from a true 2>err.a &
refused=$!
on b "$GATHER" -c 192.0.2.99:5000 true 2>err.b &
silent=$!
start=$(date +%s)
ended 1 $refused
took=$(($(date +%s) - start))
ended 1 $silent
echo "after $took s: $(cat err.a)" >notes
echo "after $(($(date +%s) - start)) s: $(cat err.b)" >>notes
test $took -ge 25
grep -qx 'gather: fatal: unable to connect to 192.0.2.1 port 5000:.*' err.a
grep -qx 'gather: fatal: unable to connect to 192.0.2.99 port 5000:.*' err.b
exits 1 on a "$GATHER" -c nosuch.invalid:5000 true 2>err
grep -qx 'gather: fatal: unable to .* nosuch.invalid .*: no such host' err
.

try 'a server that is killed: clients and commands end, with status 1' <<'.'
for how in KILL TERM; do
    serve -j 0 -n 9 2>err &
    gather=$!
    from a sh -c 'sleep 1000; echo' 2>err.a &
    a=$!
    from b cat /dev/zero 2>err.b &
    b=$!
    till runs a 'sleep 1000'
    till runs b 'cat /dev/zero'
    kill -s $how $gather
    ended 1 $a
    ended 1 $b
    for host in a b; do
        echo 'gather: fatal: the connection is lost' | cmp - err.$host
        test -z "$(ip netns pids "$net-$host")"
    done
    wait $gather || :
done >out
.

try 'a failed item ends the run, and clients, elsewhere' <<'.'
serve -j 0 -n 9 >out 2>err &
gather=$!
from a sleep 1000 2>err.a &
a=$!
till runs a 'sleep 1000'
exits 1 from b sh -c 'exit 3' 2>err.b
ended 123 $gather
ended 1 $a
grep -q '^gather: item 1: exit 3 \[after .* at ' err
.

try 'a client that is told to end takes its command with it' <<'.'
serve -j 0 -n 2 -k >out 2>err &
gather=$!
from a sh -c 'sleep 1000; echo' 2>err.a &
a=$!
till runs a 'sleep 1000'
kill -s TERM $a
ended 143 $a
test -z "$(ip netns pids "$net-a")"
from b echo b
ended 123 $gather
echo 'b 1' | cmp - out
grep -q '^gather: item 0: incomplete: its client went away' err
.

# --- Names

# plain: gather without what POSIX has not, so it calls getaddrinfo().
# shellcheck disable=SC2046 # words
[ -n "$lack" ] || "$CC" $(value STANDARD) -DPLAIN -o "$dir/plain" \
    "$here"/*.c "$here"/lib/*.c -lpthread 2>"$dir/why" ||
    lack="plain: $(head -n 1 "$dir/why")"

# silence HOST ADDRESS: nobody has it, and nobody says so.
cat >"$dir/bin/silence" <<'.'
#!/bin/sh
exec ip -n "$net-$1" neigh add "$2" lladdr 02:00:00:00:00:99 dev eth0
.
chmod +x "$dir/bin/silence"

try 'a name with several addresses: -c tries each, in turn and again' <<'.'
silence a 192.0.2.99
printf '%s dual\n' 192.0.2.99 192.0.2.3 192.0.2.1 >hosts # silent, refusing
for gather in "$GATHER" "$dir/plain"; do
    serve -j 0 -n 1 >out 2>err &
    named hosts a "$gather" -c dual:5000 echo here
    wait
    echo 'here 0' | cmp - out
    # now the client is there first
    named hosts b "$gather" -c dual:5000 echo again &
    client=$!
    till runs b "$gather"
    till on b grep -q ' 630200C0:1388 02 ' /proc/net/tcp
    sleep 1
    serve -j 0 -n 1 >out 2>err
    ended 0 $client
    echo 'again 0' | cmp - out
done
.

try 'a name with several addresses: -b takes the first that is here' <<'.'
printf '%s dual\n' 192.0.2.99 192.0.2.1 >hosts
for gather in "$GATHER" "$dir/plain"; do
    named hosts server "$gather" -v -b dual -p 5000 -j 0 -n 1 >out 2>err &
    from a echo here
    wait
    echo 'here 0' | cmp - out
    grep -qx 'gather: listening on 192.0.2.1 port 5000' err
    # what is in use there is not tried elsewhere
    serve -j 0 -n 1 >out 2>err.1 &
    till grep -q waiting err.1
    exits 1 named hosts server "$gather" -b dual -p 5000 -j 0 -n 1 2>err
    echo 'gather: fatal: unable to listen on dual port 5000:' \
        'Address already in use' | cmp - err
    from a echo
    wait
done
.

try 'localhost is ::1, too, and first: its IPv4 address is used' <<'.'
printf '%s localhost\n' ::1 127.0.0.1 >hosts
for gather in "$GATHER" "$dir/plain"; do
    named hosts a "$gather" -v -b localhost -p 5000 -j 0 -n 1 >out 2>err &
    named hosts a "$gather" -c localhost:5000 echo here
    wait
    echo 'here 0' | cmp - out
    grep -qx 'gather: listening on 127.0.0.1 port 5000' err
done
.

try 'a name that has only an IPv6 address: it is said' <<'.'
echo 2001:db8::7 six >hosts
only='gather speaks IPv4 only'
for gather in "$GATHER" "$dir/plain"; do
    exits 1 named hosts a "$gather" -c six:5000 true 2>err
    echo "gather: fatal: unable to connect to six port 5000: $only" | cmp - err
    exits 1 named hosts a "$gather" -b six -p 5000 true ::: a 2>err
    echo "gather: fatal: unable to listen on six port 5000: $only" | cmp - err
    exits 1 named hosts a "$gather" -c seven:5000 true 2>err
    grep -qx 'gather: fatal: unable to .* seven port 5000: no such host' err
done
.

# --- Other systems

# preloaded NAME: a library, of what is on standard input.
preloaded() {
    [ -z "$lack" ] || return 0
    cat >"$dir/$1.c"
    "$CC" -D_DEFAULT_SOURCE -shared -fPIC -o "$dir/$1.so" "$dir/$1.c" \
        2>"$dir/why" || lack="$1: $(head -n 1 "$dir/why")"
}

# What illumos does to a socket that is still connecting, here to all.
preloaded shutdown <<'.'
#include <errno.h>
#include <sys/socket.h>
int shutdown(int s, int how) {
    errno = ENOTCONN;
    return s + how < 0 ? 0 : -1;
}
.
preloaded fork <<'.'
#include <errno.h>
#include <unistd.h>
pid_t vfork(void) {
    errno = EAGAIN;
    return -1;
}
.
# What a jail of FreeBSD does, whose loopback address is another one.
preloaded bind <<'.'
#include <arpa/inet.h>
#include <sys/syscall.h>
#include <unistd.h>
int bind(int s, const struct sockaddr *a, socklen_t n) {
    struct sockaddr_in in = *(const struct sockaddr_in *)a;
    if (in.sin_addr.s_addr == inet_addr("127.0.0.1"))
        in.sin_addr.s_addr = inet_addr("127.0.0.2");
    return (int)syscall(SYS_bind, s, &in, n);
}
.

# ends_by_term PID: it does, and in less time than any wait of it would last.
# 2 seconds are promised; the others are for a machine that is busy.
# shellcheck disable=SC2016 # for the tests' shell
prelude="$prelude
"'ends_by_term() {
    sent=$(date +%s)
    kill -s TERM "$1"
    ended 143 "$1"
    test $(($(date +%s) - sent)) -le 10
}
# without LIBRARY ...: a client on host a, with these.
without() {
    preload=
    for name; do preload="$preload $dir/$name.so"; done
}'

try 'where shutdown() ends nothing: TERM ends a client in each phase' <<'.'
without shutdown
silence a 192.0.2.99
on a env LD_PRELOAD="$preload" "$GATHER" -c 192.0.2.99:5000 true 2>err.a &
client=$!
till on a grep -q ' 630200C0:1388 02 ' /proc/net/tcp # it connects
ends_by_term $client
mkfifo list out
serve -j 0 -m 0 <list >out 2>err &
gather=$!
exec 7>list 8<>out
till grep -q waiting err
kill -s STOP $gather
on a env LD_PRELOAD="$preload" "$GATHER" -c 192.0.2.1:5000 true 2>err.a &
client=$!
till on a grep -q ' 010200C0:1388 01 ' /proc/net/tcp # it waits for a proof
sleep 0.5
ends_by_term $client
kill -s CONT $gather
on a env LD_PRELOAD="$preload" "$GATHER" -c 192.0.2.1:5000 \
    cat /dev/zero 2>err.a &
client=$!
till on a grep -q ' 010200C0:1388 01 ' /proc/net/tcp # it waits for an item
sleep 0.5
ends_by_term $client
on a env LD_PRELOAD="$preload" "$GATHER" -c 192.0.2.1:5000 \
    cat /dev/zero 2>err.a &
client=$!
echo 0 >&7
till runs a 'cat /dev/zero' # it delivers, and nobody takes that
sleep 1
ends_by_term $client
exits 1 grep . err.a
kill -s TERM $gather
ended 143 $gather
for script in 'sleep 1000' 'echo; sleep 1000'; do
    serve -j 0 -n 1 >got 2>err &
    gather=$!
    on a env LD_PRELOAD="$preload" "$GATHER" -c 192.0.2.1:5000 \
        sh -c "$script; :" 2>err.a &
    client=$!
    till runs a 'sleep 1000' # it waits for its command
    ends_by_term $client
    ended 123 $gather
done
without shutdown fork
serve -j 0 -n 1 2>err &
gather=$!
on a env LD_PRELOAD="$preload" "$GATHER" -c 192.0.2.1:5000 true 2>err.a &
client=$!
till on a grep -q ' 010200C0:1388 01 ' /proc/net/tcp # it cannot fork
sleep 1
ends_by_term $client
ended 123 $gather
exits 1 grep . err.a
.

try 'the system gives another address than was asked for, as in a jail' <<'.'
LD_PRELOAD=$dir/bind.so on a "$GATHER" -v -p 5000 -n 9 -j 3 echo {} \
    >out 2>err
seq 0 8 | cmp - out
grep -qx 'gather: listening on 127.0.0.2 port 5000' err
exits 1 grep 'refused\|fatal' err
.

# overflowing COMMAND: where 16 connections may wait to be accepted, and others
# are reset; as on FreeBSD beyond 193.
cat >"$dir/bin/overflowing" <<'.'
#!/bin/sh
echo 16 >/proc/sys/net/core/somaxconn
echo 1 >/proc/sys/net/ipv4/tcp_abort_on_overflow
exec "$@"
.
chmod +x "$dir/bin/overflowing"

try 'a queue of connections that overflows: children dial again' <<'.'
for i in 1 2 3; do
    on a overflowing "$GATHER" -q -j 150 -n 150 echo {} >out 2>err
    seq 0 149 | cmp - out
    exits 1 grep . err
done
on a cat /proc/net/netstat | awk '$1 != "TcpExt:" { next }
    n == 0 { while ($++n != "ListenOverflows") continue; next }
    { print $n, "connections did not fit" }' >notes
.

try 'a queue of connections that overflows: so do clients from elsewhere' <<'.'
on server overflowing "$GATHER" -b 192.0.2.1 -p 5000 -j 0 -n 80 >out 2>err &
gather=$!
till grep -q waiting err
kill -s STOP $gather
clients=''
for i in $(seq 80); do
    from a -w $((i - 1)) echo $i 2>>err.a &
    clients="$clients $!"
done
till on a sh -c 'test $(grep -c " 010200C0:1388 0[12] " /proc/net/tcp) -ge 40'
sleep 6 # longer than one attempt
kill -s CONT $gather
for client in $clients; do
    ended 0 $client
done
ended 0 $gather
seq 80 | awk '{ print $1, $1 - 1 }' | cmp - out
exits 1 grep . err.a
.

try 'keep-alive has the numbers of systems that hide the names' <<'.'
# All headers first, lest they are other ones for another system.
mkdir -p hidden/netinet
: >hidden/netinet/tcp.h
cat >ask.c <<'end'
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "system"
#define setsockopt(s, level, name, value, n)                                  \
    (level == IPPROTO_TCP ? printf("%d %d\n", name, *(value)) : 0)
#include "lib/system.h"
int main(void) {
    system_keep_alive(0);
    return 0;
}
end
for system in __FreeBSD__:256:512:1024 __APPLE__:16:257:258 other:; do
    echo "#define ${system%%:*}" >system
    "$CC" -Ihidden -I"$here" -o ask ask.c
    ./ask | xargs >got
    echo "${system#*:}" | sed 's/\(.*\):\(.*\):\(.*\)/\1 20 \2 5 \3 4/' >want
    cmp want got
done
.

# --- The token

try 'no token, a short one, one that is none: refused at both ends' <<'.'
for token in '' 0123456789abcdef "${GATHER_TOKEN}0" "${GATHER_TOKEN%?}g"; do
    for what in '-b 192.0.2.1 -p 5000' '-j 0' '-c 192.0.2.1:5000'; do
        GATHER_TOKEN=$token exits 1 on server "$GATHER" $what true 2>err
        grep -q 'no GATHER_TOKEN of 32 hex digits' err
        test -z "$token" || exits 1 grep -F "$token" err
    done
done
unset GATHER_TOKEN
exits 1 serve -j 0 2>err
grep -q 'no GATHER_TOKEN of 32 hex digits' err
.

try 'a wrong token: refused, and the run goes on' <<'.'
serve -j 0 -n 3 -v >out 2>err &
gather=$!
token=$GATHER_TOKEN
case $token in
0*) GATHER_TOKEN=1${token#?} ;;
*) GATHER_TOKEN=0${token#?} ;;
esac
exits 1 from a echo stranger 2>err.a
GATHER_TOKEN=$token
from b echo 2>err.b
wait $gather
seq 0 2 | cmp - out
grep -qx 'gather: warning: refused a stranger at 192\.0\.2\.2: wrong token' err
echo 'gather: fatal: 192.0.2.1 port 5000 does not know our token:' \
    'it is not our server' | cmp - err.a
exits 1 grep -iF "$token" err err.a err.b
.

try 'the token: in no argument, no message, no environment of a command' <<'.'
look='tr "\0" "\n" </proc/$$/environ; env; echo done {}; sleep 1'
serve -v -j 1 -n 3 -l log sh -c "$look" >out 2>err &
gather=$!
from a sh -c "$look" 2>err.a &
till runs a 'sleep 1'
cat /proc/[0-9]*/cmdline >arguments || :
wait $gather
wait
test "$(grep -c '^done' out)" = 3
grep -qx GATHER_ITEM=2 out
exits 1 grep -aiF "$GATHER_TOKEN" out err err.a log arguments
exits 1 grep GATHER_TOKEN out err err.a log
.

# --- -w

try '-w: items are delivered, from three hosts, in any order' <<'.'
serve -j 0 -n 4 -l log -m 0 >out 2>err &
gather=$!
from c -w 3 sh -c 'echo three' 2>err.c &
echo two | from b -w 2 2>err.b &
head -c 3000000 /dev/zero | from a -w 1 2>err.a &
printf '\0zero' | from a -w 0
wait $gather
wait
{
    printf '\0zero'
    head -c 3000000 /dev/zero
    echo two
    echo three
} | cmp - out
test "$(column Host log | xargs)" = \
    '192.0.2.2 192.0.2.2 192.0.2.3 192.0.2.4'
test "$(column Receive log | xargs)" = '5 3000000 4 6'
exits 1 grep . err.a err.b err.c
.

try '-w: an item that is taken already, and one that there is not' <<'.'
serve -j 0 -n 3 >out 2>err &
gather=$!
echo zero | from a -w 0
echo again | exits 1 from b -w 0 2>err.b
echo 'gather: fatal: item 0 is not to be had' | cmp - err.b
exits 1 from b -w 3 echo three 2>err.b
echo 'gather: fatal: item 3 is not to be had' | cmp - err.b
from c -w 2 sleep 1000 2>err.c &
till runs c 'sleep 1000'
exits 1 from b -w 2 echo 2>err.b
ends c
ended 123 $gather
grep -q '^gather: item 2: incomplete' err
.

try '-w: an item that nobody delivers is waited for, and named at last' <<'.'
serve -j 0 -n 3 -t 1 -l log >out 2>err &
gather=$!
echo zero | from a -w 0
echo two | from a -w 2
sleep 2
kill -0 $gather
kill -s TERM $gather
ended 143 $gather
echo zero | cmp - out
grep -qx 'gather: waiting for clients on 192.0.2.1 port 5000' err
test "$(states log | xargs)" = '1 complete 1 incomplete 1 unstarted'
tail -n 1 err >notes
.

try '-w with -o, -u and -l; a delivery that fails; -r' <<'.'
serve -j 0 -n 3 -o 'got.{}' -l log 2>err &
gather=$!
for i in 2 0 1; do
    echo "item $i" | from a -w $i
done
wait $gather
for i in 0 1 2; do
    echo "item $i" | cmp - got.$i
done
serve -j 0 -n 3 -u 2>err >out &
gather=$!
for i in 2 0 1; do
    echo "item $i" | from a -w $i
done
wait $gather
printf 'item %d\n' 2 0 1 | cmp - out
serve -j 0 -n 2 -r 2 -l log 2>err >out &
gather=$!
from a -w 1 sh -c 'echo half; sleep 1000' 2>err.a &
till runs a 'sleep 1000'
ends a
echo one | from b -w 1
echo zero | from b -w 0
wait $gather
printf '%s\n' zero one | cmp - out
grep -q '^gather: item 1: incomplete.*, trying again' err
.

try '-w: what standard input delivers is delivered once, or not' <<'.'
serve -j 0 -n 1 -r 1 >out 2>err &
gather=$!
{
    echo a
    till test -e go
    echo b
} | exits 1 from a -t 1 -w 0 2>err.a &
till grep -q '^gather: item 0: timed out, trying again \[' err
: >go
echo all of it | from b -w 0
ended 0 $gather
echo all of it | cmp - out
.

# --- Lines that are cut

try 'a link cut in the middle, and restored: nothing is lost' <<'.'
head -c 40000000 /dev/urandom >data
serve -j 0 -n 2 >out 2>err &
gather=$!
{
    head -c 20000000 data
    till test -e go
    tail -c +20000001 data
} | from a -w 1 2>err.a &
from b -w 0 true
till reaches 1000000 out
link a down
: >go
sleep 2
test "$(wc -c <out)" -lt 40000000
link a up
wait $gather
wait
cmp data out
exits 1 grep . err.a
.

try 'a host that vanishes: missed in 40 s, or by -t; others do its work' <<'.'
# Five runs.  1: the host of a quiet command is gone.
serve -j 0 -n 2 -r 1 -l log >out 2>err &
quiet=$!
from c sh -c 'echo part; sleep 1000' 2>err.c &
client=$!
till runs c 'sleep 1000'
# 2: with -t.
serve -p 5002 -j 0 -n 2 -r 1 -t 3 >out2 2>err2 &
timed=$!
on c "$GATHER" -c 192.0.2.1:5002 sh -c 'echo part; sleep 2000' 2>err.c2 &
till runs c 'sleep 2000'
# 3: an item is handed out to somebody who has gone.
mkfifo list
serve -p 5003 -j 0 -r 1 <list >out3 2>err3 &
handed=$!
exec 7>list
on c "$GATHER" -c 192.0.2.1:5003 echo c 2>err.c3 7>&- &
echo 1 >&7
till grep -qx 'c 1' out3
# 4: one that has been held back for longer is not missed.
{
    serve -p 5004 -j 0 -n 1 2>err4
    echo $? >status4
} 7>&- | { sleep 50; cat >out4; } 7>&- &
held=$!
on b "$GATHER" -c 192.0.2.1:5004 \
    sh -c 'head -c 50000000 /dev/zero' 2>err.b4 7>&- &
# 5: the server's host is gone, for a client that waits.
start=$(date +%s)
link c down
echo 2 >&7
exec 7>&-
{
    wait_for() {
        till test ! -e "/proc/$1"
        echo "$2 after $(($(date +%s) - start)) s" >>notes
    }
    wait_for $client 'its client ended' &
    on a "$GATHER" -c 192.0.2.1:5002 echo 2 2>err.a2 &
    from a echo 1 2>err.a &
    on a "$GATHER" -c 192.0.2.1:5003 echo a 2>err.a3 &
    till grep -q 'item 0: timed out, trying again' err2
    echo "-t 3: missed after $(($(date +%s) - start)) s" >>notes
    till grep -q 'item 0: incomplete.*, trying again' err
    echo "keepalive: missed after $(($(date +%s) - start)) s" >>notes
    till grep -q 'item 1 (2): incomplete.*, trying again' err3
    echo "a reply under way: missed after $(($(date +%s) - start)) s" >>notes
}
ended 1 $client
wait $quiet
wait $timed
wait $handed
wait $held
printf '1 %d\n' 0 1 | cmp - out
printf '2 %d\n' 0 1 | cmp - out2
printf '%s\n' 'c 1' 'a 2' | cmp - out3
head -c 50000000 /dev/zero | cmp - out4
test "$(cat status4)" = 0
test "$(column Host log | sort -u)" = 192.0.2.2
echo 'gather: fatal: the connection is lost' | cmp - err.c
wait
.

# slow: makes the link of the host `far` slow and lossy, both ways.
cat >"$dir/bin/slow" <<'.'
#!/bin/sh
delayed='delay 20ms loss 2% limit 10000'
if on far tc qdisc add dev eth0 root netem $delayed 2>/dev/null; then
    echo 'the kernel has netem'
    exec on switch tc qdisc add dev to-far root netem $delayed
fi
echo 'the kernel has no netem: lossy.c'
ip -n "$net-switch" link set dev to-far nomaster
ip -n "$net-switch" link add name line type veth peer name end
for end in line end; do
    ip -n "$net-switch" link set dev $end up
done
ip -n "$net-switch" link set dev end master bridge
on switch "$dir/lossy" to-far line 20 2 2>"$dir/lossy.err" &
.
chmod +x "$dir/bin/slow"
$CC -std=c99 -O1 -o "$dir/lossy" "$here/tests/lossy.c" 2>"$dir/why" ||
    lack="lossy: $(head -n 1 "$dir/why")"
need tc iproute2
need ping iputils-ping

try '-t: a client that does not take the text of its item' <<'.'
on server sh -c 'echo 4096 4096 4096 >/proc/sys/net/ipv4/tcp_wmem'
on a sh -c 'echo 4096 4096 4096 >/proc/sys/net/ipv4/tcp_rmem'
mkfifo list
serve -j 0 -t 2 <list >out 2>err &
gather=$!
exec 7>list
from a echo 2>err.a 7>&- &
client=$!
echo 1 >&7
till grep -qx 1 out
kill -STOP $client
head -c 1000000 /dev/zero | tr '\0' x >&7
echo >&7
exec 7>&-
ended 124 $gather
grep -q '^gather: item 1 (x*\.\.\.): timed out ' err
kill -KILL $client
.

try 'delay and loss: 40 ms there and back, 2 % lost each way' <<'.'
slow >notes
on far ping -q -c 100 -i 0.01 192.0.2.1 >said || :
grep -E 'loss|rtt' said >>notes
pool >pool
parts 300 >items
whole pool <items >want
serve -j 0 -l log <items >out 2>err &
gather=$!
clients=''
for i in 1 2 3 4; do
    from far sed -n '{}' pool 2>err.$i &
    clients="$clients $!"
done
from a sh -c 'sleep 0.2; sed -n "$1" pool' sh 2>err.a &
ended 0 $gather
for client in $clients $!; do # the goodbye, too, may be late
    ended 0 "$client"
done
cmp want out
test "$(states log)" = '300 complete'
column Host log | sort | uniq -c | xargs >>notes
exits 1 grep . err.?
ends switch
.
lack=''
need ip iproute2
need "$CC" gcc

# --- What a client needs

# built NAME COMPILER OPTION...: makes the program in $dir, or sets lack.
built() {
    name=$1
    shift
    # shellcheck disable=SC2046 # words
    "$@" $(value STANDARD) -Os -static -o "$dir/$name" "$here"/*.c \
        "$here"/lib/*.c -lpthread 2>"$dir/$name.err" ||
        lack="$name: $(head -n 1 "$dir/$name.err")"
}

need musl-gcc musl-tools
[ -n "$lack" ] || built static musl-gcc -s
if [ -z "$lack" ]; then
    mkdir -p "$dir/empty/dev"
    mknod "$dir/empty/dev/null" c 1 3
    mknod "$dir/empty/dev/urandom" c 1 9 # what its nonce comes from
    printf '#include <stdio.h>\nint main(int n, char **word)%s\n' \
        '{ return n == 0 || printf("alone %s\n", word[1]) < 0; }' \
        >"$dir/alone.c"
    musl-gcc -static -s -o "$dir/empty/alone" "$dir/alone.c" || lack=alone
fi

try 'the static binary, alone: a host with no library, no shell, no /etc' <<'.'
cp "$dir/static" "$dir/empty/gather"
serve -j 0 -n 50 -l log >out 2>err &
gather=$!
on a chroot "$dir/empty" /gather -c 192.0.2.1:5000 /alone 2>err.a
ended 0 $gather
awk 'BEGIN { for (; i < 50; i++) print "alone " i + 0 }' | cmp - out
exits 1 grep . err.a
echo "$(wc -c <"$dir/static") bytes" >notes
.

# podman: the real one, with all that it keeps in a place of its own.  `image`
# holds a program, echo, and nothing else.
[ -n "$lack" ] || need podman podman
[ -n "$lack" ] || need runc runc
if [ -z "$lack" ]; then
    mkdir "$dir/image" "$dir/image/bin"
    cat >"$dir/image/echo.c" <<'.'
#include <stdio.h>
int main(int n, char **word) {
    return n == 0 || puts(word[1]) < 0;
}
.
    cat >"$dir/bin/podman" <<.
#!/bin/sh
verb=\$1
shift
[ "\$verb" != run ] ||
    set -- --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 "\$@"
exec $(command -v podman) --root "$dir/podman" --runroot "$dir/podman.run" \\
    --storage-driver vfs --runtime $(command -v runc) "\$verb" "\$@"
.
    chmod +x "$dir/bin/podman"
    hash -r
    cp "$dir/static" "$dir/bin/gather"
    musl-gcc -static -s -o "$dir/image/bin/echo" "$dir/image/echo.c" &&
        tar -C "$dir/image" -c bin | podman import - image 2>"$dir/why" \
            >"$dir/id" &&
        podman run --rm --network host image echo works >"$dir/id" \
            2>"$dir/why" || kernel="containers: $(tail -n 1 "$dir/why")"
fi
recipe Containers "$dir/recipe"

try 'a container: the recipe, as doc/hosts has it' <<'.'
lines 7 "$dir/recipe"
unset GATHER_TOKEN
sh -eu "$dir/recipe"
seq 0 99 | cmp - out
.

kernel='' lack=''
need ip iproute2
need s390x-linux-gnu-gcc gcc-s390x-linux-gnu
need qemu-s390x qemu-user
[ -n "$lack" ] || built s390x s390x-linux-gnu-gcc

try 'a client whose bytes are the other way round' <<'.'
pool >pool
parts 200 >items
whole pool <items >want
serve -j 0 -l log <items >out 2>err &
gather=$!
on a qemu-s390x "$dir/s390x" -c 192.0.2.1:5000 sed -n '{}' pool 2>err.a &
client=$!
ended 0 $gather
ended 0 $client
cmp want out
test "$(states log)" = '200 complete'
exits 1 grep . err.a
.

try 'a server whose bytes are the other way round' <<'.'
pool >pool
parts 200 >items
whole pool <items >want
on server qemu-s390x "$dir/s390x" -b 192.0.2.1 -p 5000 -j 0 -l log \
    <items >out 2>err &
gather=$!
from a sed -n '{}' pool 2>err.a &
from b sed -n '{}' pool 2>err.b
ended 0 $gather
wait
cmp want out
test "$(states log)" = '200 complete'
.

finish
