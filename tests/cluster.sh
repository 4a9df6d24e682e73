# shellcheck shell=sh
#
# cluster.sh - a PostgreSQL cluster of one's own; to be sourced.
#
#     cluster_find            is there a PostgreSQL?  1 if not: $lack says why
#     cluster_make DIR        initdb in DIR/data, a socket in DIR, start
#     cluster_start           starts it, and waits until it answers
#     cluster_stop MODE       smart, fast or immediate; also if it is down
#
# It never touches any other cluster: it listens on no network address, only
# on a socket in DIR, where PGHOST points from then on.  DIR has to be new, and
# its name short, since that of a socket has at most some 100 bytes.  All of
# its processes are children of the one in DIR/data/postmaster.pid.
#
# Since postgres refuses to run as root, root runs it as `postgres` or else as
# `nobody`, who then owns DIR.

# cluster_as COMMAND: runs it as the user that the cluster belongs to.
cluster_as() {
    if [ -z "$cluster_user" ]; then
        "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid "$cluster_user" --regid "$cluster_group" \
            --clear-groups "$@"
    else
        runuser -u "$cluster_user" -- "$@"
    fi
}

cluster_find() {
    lack='' cluster_bin='' cluster_user=''
    for path in "$(pg_config --bindir 2>/dev/null)" \
        "$(dirname "$(command -v postgres || echo /)")" \
        /usr/lib/postgresql/*/bin /usr/local/pgsql/bin; do
        if [ -x "$path/initdb" ] && [ -x "$path/pg_ctl" ]; then
            cluster_bin=$path # of several versions the last one
        fi
    done
    if [ -z "$cluster_bin" ]; then
        lack='PostgreSQL server'
    elif ! PATH=$cluster_bin:$PATH command -v psql >/dev/null; then
        lack=psql
    elif [ "$(id -u)" -eq 0 ]; then
        for name in nobody postgres; do
            if id "$name" >/dev/null 2>&1; then
                cluster_user=$name
                cluster_group=$(id -g "$name")
            fi
        done
        [ -n "$cluster_user" ] || lack='user to run postgres as'
        command -v setpriv >/dev/null || command -v runuser >/dev/null ||
            lack='setpriv or runuser'
    fi
    [ -z "$lack" ]
}

# The psql of the same version comes first in PATH; what Debian has in /usr/bin
# is a script that looks for clusters, which takes longer than to connect.
#
# What is set makes it quick and the same everywhere.  Without the last line a
# sequential scan of a large table may begin in its middle, where another one
# just is; then there would be no order to compare with.
cluster_make() {
    cluster_dir=$1
    unset PGDATABASE PGHOSTADDR PGPASSFILE PGPASSWORD PGSERVICE PGOPTIONS \
        PGTZ PGDATESTYLE PGCLIENTENCODING PGSSLMODE PGAPPNAME PGCONNECT_TIMEOUT
    PGHOST=$cluster_dir PGPORT=5432 PGUSER=owner PGDATABASE=postgres
    PATH=$cluster_bin:$PATH
    export PGHOST PGPORT PGUSER PGDATABASE PATH
    mkdir "$cluster_dir" || return
    if [ -n "$cluster_user" ]; then
        chown "$cluster_user" "$cluster_dir" || return
    fi
    (
        cd "$cluster_dir" || exit
        cluster_as "$cluster_bin/initdb" -D "$cluster_dir/data" -U owner \
            -A trust -E UTF8 --locale=C --no-sync
    ) >"$cluster_dir.log" 2>&1 || {
        cat "$cluster_dir.log" >&2
        return 1
    }
    cluster_as tee -a "$cluster_dir/data/postgresql.conf" >/dev/null <<EOF
listen_addresses = ''
unix_socket_directories = '$cluster_dir'
fsync = off
max_connections = 100
shared_buffers = 256MB
max_wal_size = 4GB
autovacuum = off
synchronize_seqscans = off
EOF
    cluster_start
}

cluster_start() {
    (
        cd "$cluster_dir" || exit
        cluster_as "$cluster_bin/pg_ctl" -D "$cluster_dir/data" -w -t 60 \
            -l "$cluster_dir/log" start
    ) </dev/null >"$cluster_dir.log" 2>&1 || {
        cat "$cluster_dir.log" >&2
        return 1
    }
}

cluster_stop() {
    [ -f "$cluster_dir/data/postmaster.pid" ] || return 0
    (
        cd "$cluster_dir" || exit
        cluster_as "$cluster_bin/pg_ctl" -D "$cluster_dir/data" -w -t 30 \
            -m "$1" stop
    ) </dev/null >"$cluster_dir.log" 2>&1
}
