#!/bin/sh
#
# slurm.sh - clients started by Slurm: a slurmctld, a slurmd and a munged, with
# files of their own, in a network namespace of their own; and by mpirun.  An
# address beside loopback is there because Slurm resolves no name without.
# scripts.sh says how the tests are run and written; half a minute.
#
# Needs slurmctld, slurmd, srun, munged and mpirun (Debian: slurmctld, slurmd,
# slurm-client, munge, openmpi-bin), ip (iproute2), setpriv (util-linux).

# shellcheck source=tests/scripts.sh
. "$(dirname "$0")/scripts.sh"

net=gather$$-slurm
export net SLURM_CONF="$dir/slurm/conf"
for command in slurmctld slurmd srun; do
    need $command "slurmctld slurmd slurm-client"
done
need munged munge
need mpirun openmpi-bin
need ip iproute2
need setpriv util-linux

# start: the daemons.  One machine that claims to have 8 processors.
start() {
    host=$(uname -n | cut -d . -f 1)
    ip netns add "$net"
    ip -n "$net" link set dev lo up
    ip -n "$net" link add name eth0 type veth peer name eth1
    ip -n "$net" addr add 192.0.2.1/24 dev eth0
    ip -n "$net" link set dev eth0 up
    mkdir -m 755 "$dir/slurm" "$dir/slurm/ctld" "$dir/slurm/d"
    (umask 077 && head -c 128 /dev/urandom >"$dir/slurm/key")
    cat >"$SLURM_CONF" <<.
ClusterName=gather
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/slurm/munge
SlurmUser=root
SlurmctldPidFile=$dir/slurm/ctld.pid
SlurmdPidFile=$dir/slurm/d.pid
SlurmctldLogFile=$dir/slurm/ctld.log
SlurmdLogFile=$dir/slurm/d.log
StateSaveLocation=$dir/slurm/ctld
SlurmdSpoolDir=$dir/slurm/d
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES OverSubscribe=YES State=UP
.
    echo 'CgroupPlugin=cgroup/v1' >"$dir/slurm/cgroup.conf"
    on munged --force --key-file="$dir/slurm/key" \
        --socket="$dir/slurm/munge" --pid-file="$dir/slurm/munge.pid" \
        --log-file="$dir/slurm/munge.log" --seed-file="$dir/slurm/seed"
    on slurmctld -f "$SLURM_CONF" -D >"$dir/slurm/out" 2>&1 &
    on slurmd -f "$SLURM_CONF" -N "$host" -D >"$dir/slurm/dout" 2>&1 &
    n=0
    until timeout 9 ip netns exec "$net" sinfo -h -o %T 2>"$dir/slurm/why" |
        grep -qx idle; do
        [ $((n += 1)) -lt 100 ] || break
        sleep 0.2
    done
    [ $n -lt 100 ] && return
    lack="Slurm that gets ready: $(tail -n 1 "$dir/slurm/why")"
    tail -n 8 "$dir/slurm"/*log "$dir/slurm"/*out | sed 's/^/# /'
}

# stop: all that runs there is killed.
stop() {
    [ -e "/run/netns/$net" ] || return
    ip netns pids "$net" | xargs -r kill -s KILL
    ip netns del "$net"
} 2>/dev/null
tidy() {
    stop
}

# on COMMAND: runs it in that namespace.
cat >"$dir/bin/on" <<'.'
#!/bin/sh
exec ip netns exec "$net" "$@"
.
printf '#!/bin/sh\nexec %s "$@"\n' "$GATHER" >"$dir/bin/gather"

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
chmod +x "$dir"/bin/*

recipe Slurm "$dir/recipe"
[ -n "$lack" ] || start

try 'the recipe, as doc/hosts has it' <<'.'
lines 10 "$dir/recipe"
unset GATHER_TOKEN
on sh -eu "$dir/recipe"
seq 0 199 | cmp - out
.

try 'the recipe, and another user has its port: no client is started' <<'.'
on squatter 0.0.0.0 1525 2>err.squatter &
till test -s his/port
echo 'gather: waiting for clients on 192.0.2.1 port 1525' >messages
exits 1 env -u GATHER_TOKEN on sh -eu "$dir/recipe" 2>err
kill $!
wait $! || :
grep -q 'unable to listen on 192.0.2.1 port 1525' messages
test ! -s his/port.got
.

try 'a client before the server: another user gets no token, nothing runs' <<'.'
on squatter 0.0.0.0 1525 2>err.squatter &
till test -s his/port
echo "$GATHER_TOKEN" >token
exits 1 on srun -n 1 gather -c 192.0.2.1:1525 touch "$PWD/ran" 2>err
wait $!
grep 'port 1525 does not know our token: it is not our server$' err >lines
lines 1 lines
learnt_nothing
test ! -e ran
.

try 'srun -n 8: 200 items, whole and in order, by eight clients' <<'.'
on gather -p 1525 -j 0 -n 200 -l log >out 2>err &
gather=$!
on srun -n 8 gather -c 127.0.0.1:1525 \
    sh -c 'echo {} $SLURM_PROCID; sleep 0.05' >said 2>err.srun
ended 0 $gather
cut -d ' ' -f 1 out >numbers
seq 0 199 | cmp - numbers
test "$(cut -d ' ' -f 2 out | sort -u | xargs)" = '0 1 2 3 4 5 6 7'
test "$(states log)" = '200 complete'
exits 1 grep . said err.srun
.

try 'srun: killed in the middle, started again: -r finishes the work' <<'.'
on gather -p 1525 -j 0 -n 200 -r 3 -l log >out 2>err &
gather=$!
on srun -J first -n 8 gather -c 127.0.0.1:1525 \
    sh -c 'head -c 30000 /dev/zero; sleep 0.1; echo {}' 2>err.first &
first=$!
till lines 40 log
on scancel -s KILL -n first
wait $first || :
kill -0 $gather
on srun -n 8 gather -c 127.0.0.1:1525 \
    sh -c 'head -c 30000 /dev/zero; echo {}' 2>err.second
ended 0 $gather
tr -d '\0' <out >numbers
seq 0 199 | cmp - numbers
test "$(wc -c <out)" = $((200 * 30000 + $(wc -c <numbers)))
test "$(states log)" = '200 complete'
grep -q ', trying again' err
echo "$(grep -c 'trying again' err) items were run again" >notes
.

try 'srun: killed itself, with KILL: clients end, -r does the rest' <<'.'
on gather -p 1525 -j 0 -n 60 -r 9 -l log >out 2>err &
gather=$!
setsid ip netns exec "$net" srun -J first -n 8 gather -c 127.0.0.1:1525 \
    sh -c 'sleep 0.1; echo {}' 2>err.first &
till lines 20 log
pkill -KILL -g $!
on srun -n 8 gather -c 127.0.0.1:1525 echo 2>err.second
ended 0 $gather
seq 0 59 | cmp - out
test "$(states log)" = '60 complete'
.

try 'gather ends: the clients of srun end, with status 1' <<'.'
on gather -p 1525 -j 0 -n 200 2>err &
gather=$!
on srun -n 4 gather -c 127.0.0.1:1525 sh -c ': >begun.{}; sleep 1000' \
    2>err.srun &
srun=$!
for i in 0 1 2 3; do
    till test -e begun.$i
done
kill -s TERM $gather
ended 143 $gather
ended 1 $srun
test "$(grep -c 'gather: fatal: the connection is lost' err.srun)" = 4
.

try 'mpirun as a launcher' <<'.'
on gather -p 1525 -j 0 -n 100 >out 2>err &
gather=$!
on mpirun --allow-run-as-root --oversubscribe -n 4 \
    gather -c 127.0.0.1:1525 echo >said 2>err.mpirun
ended 0 $gather
seq 0 99 | cmp - out
.

finish
