#!/bin/sh
#
# ssh.sh - clients started by ssh, through a real sshd with keys, files and a
# port of its own; nothing listens outside loopback, that of a network of its
# own if possible.  scripts.sh says how the tests are run and written; a few
# seconds.
#
# Needs sshd and ssh (Debian: openssh-server), and setpriv (util-linux).

if [ -z "$SSH_NETWORK" ] && unshare -n ip link set lo up 2>/dev/null; then
    SSH_NETWORK=private # the ports written down here are taken by nobody
    export SSH_NETWORK
    # shellcheck disable=SC2016 # for another shell
    exec unshare -n sh -c 'ip link set lo up; exec sh "$0" "$@"' "$0" "$@"
fi
# shellcheck source=tests/scripts.sh
. "$(dirname "$0")/scripts.sh"

need ssh openssh-client
need /usr/sbin/sshd openssh-server
need setpriv util-linux

# before: an sshd that lets this user in, and an ssh that knows it as `host`.
# Where sshd wants a directory for its privileges, it makes none itself.
before() {
    [ -z "$lack" ] || return
    mkdir -p /run/sshd "$dir/ssh"
    for name in server user; do
        ssh-keygen -q -t ed25519 -N '' -f "$dir/ssh/$name"
    done
    cp "$dir/ssh/user.pub" "$dir/ssh/authorized"
    port=$((20000 + $$ % 10000))
    until [ -s "$dir/ssh/pid" ]; do
        port=$((port + 1))
        cat >"$dir/ssh/sshd" <<.
ListenAddress 127.0.0.1:$port
HostKey $dir/ssh/server
PidFile $dir/ssh/pid
AuthorizedKeysFile $dir/ssh/authorized
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PrintMotd no
AcceptEnv GATHER_TEST
SetEnv PATH=$dir/bin:$PATH
.
        if ! /usr/sbin/sshd -f "$dir/ssh/sshd" -E "$dir/ssh/log"; then
            cat "$dir/ssh/log"
            [ $((port % 10000)) -ne 0 ] || return
            continue
        fi
        till test -s "$dir/ssh/pid"
    done
    cat >"$dir/ssh/config" <<.
Host host
HostName 127.0.0.1
Port $port
User $(id -un)
IdentityFile $dir/ssh/user
IdentitiesOnly yes
UserKnownHostsFile $dir/ssh/known
StrictHostKeyChecking accept-new
LogLevel ERROR
SendEnv GATHER_TEST
.
}

# after: no sshd.
after() {
    [ ! -s "$dir/ssh/pid" ] || kill "$(cat "$dir/ssh/pid")"
    rm -rf "$dir/ssh"
}

# ssh: the real one, with that configuration.  gather: the one to be tested,
# as it is found by a name on the other host, too.
real=$(command -v ssh)
cat >"$dir/bin/ssh" <<.
#!/bin/sh
exec $real -F $dir/ssh/config "\$@"
.
printf '#!/bin/sh\nexec %s "$@"\n' "$GATHER" >"$dir/bin/gather"
chmod +x "$dir"/bin/*

# listens PORT: does somebody, on loopback alone?
cat >"$dir/bin/listens" <<'.'
#!/bin/sh
port=$(printf ':%04X' "$1")
awk -v port="$port" '$4 == "0A" && substr($2, length($2) - 4) == port {
    if ($2 == "0100007F" port) n++; else bad++ }
    END { exit !(n > 0 && bad == 0) }' /proc/net/tcp
.
chmod +x "$dir/bin/listens"

# squatter ADDRESS PORT: another user, who listens there and poses as the
# server; what a client sends him is in his/port.got when that has hung up.
$CC -std=c99 -D_POSIX_C_SOURCE=200112L -O1 -o "$dir/bin/stranger" \
    "$here/tests/stranger.c" || lack='C compiler (Debian: gcc)'
cat >"$dir/bin/squatter" <<'.'
#!/bin/sh
mkdir -m 777 his
exec env -u GATHER_TOKEN setpriv --reuid=12345 --regid=12345 --clear-groups \
    stranger squat his/port random "$1" "$2"
.

# learnt_nothing: he got a hello, and not the token, which is in `token`.
cat >"$dir/bin/learnt_nothing" <<'.'
#!/bin/sh -eu
test "$(wc -c <his/port.got)" = 20
test "$(head -c 4 his/port.got)" = GAT2
lines 1 token
! od -An -v -tx1 his/port.got | tr -d ' \n' | grep -qFf token
! grep -qFf token his/port.got
.

# posed STATUS FILE: the recipe in that file ends so, while another user has
# its port on the other host; leaves the token in `token`.
cat >"$dir/bin/posed" <<'.'
#!/bin/sh -eu
squatter 127.0.0.1 1526 2>err.squatter &
till test -s his/port
exits "$1" env -u GATHER_TOKEN sh -eu "$dir/ended" "$2" 2>err.recipe
test "$1" = 1 || kill $!
wait $! || :
.
cat >"$dir/ended" <<'END'
trap 'echo "$GATHER_TOKEN" >token; kill $! || :' 0
. "$1"
END
chmod +x "$dir"/bin/*

not_ours='gather: fatal: 127.0.0.1 port 1526 does not know our token: it is not'
not_ours="$not_ours our server"
export not_ours
recipe ssh "$dir/recipe"

try 'the recipe, as doc/hosts has it' <<'.'
lines 8 "$dir/recipe"
unset GATHER_TOKEN
sh -eu "$dir/recipe"
seq 0 99 | cmp - out
.

try 'the recipe, and another user has its port there: no client is started' <<'.'
posed 255 "$dir/recipe"
test ! -s his/port.got
test ! -s out
.

try 'without that option ssh goes on: he gets no token, nothing runs' <<'.'
sed "s|-o ExitOnForwardFailure=yes||; s| echo'| touch $PWD/ran'|" \
    "$dir/recipe" >without
posed 1 "$PWD/without"
grep -qx "$not_ours" err.recipe
learnt_nothing
test ! -e ran
.

try 'without the first 127.0.0.1 ssh has ::1 alone: he gets no token' <<'.'
sed "s|-R 127.0.0.1:|-R |; s| echo'| touch $PWD/ran'|" \
    "$dir/recipe" >without
if grep -qs '^0*1 ' /proc/net/if_inet6; then
    posed 1 "$PWD/without"
    learnt_nothing
    exits 1 grep -q 'forwarding failed' err.recipe
else
    posed 255 "$PWD/without"
    echo 'there is no ::1' >notes
fi
test ! -e ran
.

try 'ssh -R: 200 items; only loopback listens; no token in an argument' <<'.'
gather -p 1525 -j 0 -n 200 -l log >out 2>err &
gather=$!
till listens 1525
for i in 1 2 3; do
    echo "$GATHER_TOKEN" | ssh -R 3000$i:127.0.0.1:1525 host 'read -r \
        GATHER_TOKEN; export GATHER_TOKEN; exec gather -c 127.0.0.1:3000'$i' \
        sh -c "echo {} \$SSH_CLIENT; sleep 0.05"' 2>err.$i &
done
till listens 30003
till test -s out
cat /proc/[0-9]*/cmdline >arguments || :
ended 0 $gather
wait
cut -d ' ' -f 1 out >numbers
seq 0 199 | cmp - numbers
test "$(cut -d ' ' -f 2 out | sort -u)" = 127.0.0.1
test "$(states log)" = '200 complete'
exits 1 grep -aF "$GATHER_TOKEN" arguments err err.1 err.2 err.3 out
.

try 'an ssh that is killed: others do its work' <<'.'
cat >there <<'END'
#!/bin/sh
read -r GATHER_TOKEN
export GATHER_TOKEN
exec gather -c "127.0.0.1:$1" sh -c 'head -c 50000 /dev/zero; sleep 0.05; echo'
END
chmod +x there
gather -p 1525 -j 0 -n 100 -r 2 -l log >out 2>err &
gather=$!
till listens 1525
echo "$GATHER_TOKEN" >token
ssh -R 30001:127.0.0.1:1525 host "$PWD/there" 30001 <token 2>err.1 &
first=$!
till lines 20 log
kill -s KILL $first
ssh -R 30002:127.0.0.1:1525 host "$PWD/there" 30002 <token
ended 0 $gather
test "$(states log)" = '100 complete'
test "$(wc -c <out)" = 5000100
.

try 'a gather that is killed: clients behind ssh end with status 1' <<'.'
gather -p 1525 -j 0 -n 2 2>err &
gather=$!
till listens 1525
cat >there <<END
#!/bin/sh
cd $PWD
read -r GATHER_TOKEN
export GATHER_TOKEN
gather -c 127.0.0.1:30001 sh -c ': >begun; sleep 1000' 2>&1
echo \$?
END
chmod +x there
echo "$GATHER_TOKEN" | ssh -R 30001:127.0.0.1:1525 host "$PWD/there" >out &
client=$!
till test -e begun
kill -s KILL $gather
ended 0 $client
printf '%s\n' 'gather: fatal: the connection is lost' 1 | cmp - out
.

finish
