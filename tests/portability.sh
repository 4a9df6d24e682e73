#!/bin/sh
#
# portability.sh - gather built by other compilers, with other libraries, for
# other processors and systems; run where that is possible.
#
#     tests/portability.sh               all tests; some minutes
#     tests/portability.sh 'musl'        those whose names match: a pattern of
#                                        the shell, found anywhere in the name
#     CI=1 tests/portability.sh          what is missing is a failure
#     ZIG=/path/to/zig                   the compiler for the BSDs and macOS,
#                                        0.16 or later, if it is not in PATH
#     DEADLINE=900                       seconds that a test may take (400)
#     LANES=1                            tests that run at a time (2)
#
# On Debian the tools are in these packages: bmake clang tcc pcc musl-tools
# dietlibc-dev lld gcc-i686-linux-gnu libc6-dev-i386-cross gcc-s390x-linux-gnu
# libc6-dev-s390x-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
# gcc-sparc64-linux-gnu libc6-dev-sparc64-cross qemu-user dash mksh ksh yash
# busybox posh.
#
# Output is TAP.  The last line is `N passed, N failed`, then `, N skipped` if
# some were; the exit status is 0 if none failed.  A test looks like this:
#
#     try 'what it proves' <<'.'
#     @ what it needs: a command that succeeds if that is there
#     $ gather -n 2 echo {}
#     0
#     1
#     .
#
# There may be several `@` lines.  The `$` lines run in one shell, in an empty
# directory; the other lines are all that they may write, on standard output
# or standard error, and they must end with status 0.  Lines in the file
# `notes` are shown.

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/tap.sh"
unset GATHER MAKEFLAGS CC CFLAGS LDFLAGS LDLIBS DESTDIR PREFIX
umask 022

pattern=${1-}
: "${DEADLINE:=400}" "${ZIG:=zig}" "${CI:=}" "${LANES:=2}"
nl='
'

# --- Lanes

# Tests wait for longer than they compute.  So this script runs itself LANES
# times; LANE is a directory of each then.  All of these come by every test;
# it is run by who is the first to make a directory with its number.

lanes=''

# sum: adds up what the lanes have counted.
sum() {
    for lane in "$dir"/lanes/*; do
        read -r p f s number <"$lane/sum" || p=0 f=1 s=0
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
}

if [ -z "${LANE-}" ]; then
    # shellcheck disable=SC2317 # tap.sh calls it
    tidy() {
        # shellcheck disable=SC2086 # numbers
        [ -z "$lanes" ] || kill $lanes 2>/dev/null
    }
    mkdir "$dir/lanes" "$dir/tests"
    while [ "$LANES" -gt 0 ]; do
        mkdir "$dir/lanes/$LANES"
        LANE=$dir/lanes/$LANES sh "$here/tests/portability.sh" "$pattern" &
        lanes="$lanes $!"
        LANES=$((LANES - 1))
    done
    wait
    lanes=''
    sum
    finish
    exit
fi

shared=${LANE%/lanes/*} # by all lanes
ZIG_GLOBAL_CACHE_DIR=$shared/zig
ZIG_LOCAL_CACHE_DIR=$shared/zig
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR

# wanted NAME: is this test to be run, and by this lane?
wanted() {
    # shellcheck disable=SC2254 # it is a pattern
    case $1 in
    *$pattern*) number=$((number + 1)) ;;
    *) return 1 ;;
    esac
    mkdir "$shared/tests/$number" 2>/dev/null
}

token=00112233445566778899aabbccddeeff # for clients from elsewhere
# What the compilers have to say nothing about.
strict=$(value WARNINGS)
# All of the sources, and all of the objects.
sources='*.c lib/*.c'
objects=$(value OBJECTS)
# Leaves out what is not used, and what only debuggers like.
# shellcheck disable=SC2034 # used by tests
little='-Os -ffunction-sections -fdata-sections'
little="$little -fno-asynchronous-unwind-tables"

# Calls what the source calls, by the names that it has there.
# shellcheck disable=SC2034
plain='-O0 -fno-pie -fno-stack-protector -U_FILE_OFFSET_BITS -U_TIME_BITS'

tidy() {
    end
}

# --- What tests use

# has TOOL: is it there?
has() {
    command -v "$1"
}

# copy DIRECTORY: what it takes to build, test and install.
copy() {
    mkdir -p "$1/doc" "$1/lib" &&
        cp "$here"/*.[ch] "$here/Makefile" "$here/test.sh" "$1" &&
        cp "$here"/lib/*.[ch] "$1/lib" && cp "$here/doc/gather.1" "$1/doc"
}

# build ARGUMENTS: makes gather here, in a copy.  Shows what the compiler or
# linker says.
build() {
    copy . && "${MAKE:-make}" -s "$@" 2>&1
}

# quiet COMMAND: shows what it says only if it fails; for linkers that have
# opinions on gethostbyname().
quiet() {
    "$@" >said 2>&1 || cat said
}

# total: of the demonstration's table, the last line without time and rate.
total() {
    sed -n '$s/, [0-9.]* s, [0-9.]* MB\/s$//p'
}

# demonstrate COMMAND: runs it as the demonstration.  100,001 bytes are no
# whole number of words, and more than one read() brings.
demonstrate() {
    "$@" -n 3 -s 100001 | total
}

# suite GATHER PATTERN [SHELL ...]: the tests of test.sh whose names match, each
# of which may take $patience seconds.  Shows those that fail; at the end says
# whether there were any, all passed.
patience=20
suite() {
    case $1 in
    /*) binary=$1 ;;
    *) binary=$(pwd)/$1 ;;
    esac
    matching=$2
    shift 2
    [ $# -gt 0 ] || set -- sh
    GATHER=$binary DEADLINE=$patience "$@" "$here/test.sh" "$matching" \
        >tap 2>&1
    awk '/^not ok/ { on = 1 } /^ok/ { on = 0 } on' tap
    sed -n '$s/^[1-9][0-9]* passed, 0 failed.*/suite passed/p' tap
}

# emulated PROCESSOR TARGET: builds gather for it, and as ./gather a script
# that runs it by qemu, with the libraries of that processor.
emulated() {
    make -s CC="$2-gcc" CFLAGS="-O2 $strict" 2>&1
    mv gather "gather.$1"
    printf '#!/bin/sh\nexec qemu-%s -L /usr/%s "%s" "$@"\n' "$1" "$2" \
        "$(pwd)/gather.$1" >gather
    chmod +x gather
}

# till COMMAND: tries it until it succeeds, for a minute or so.
till() {
    tries=0
    until "$@" || [ $((tries += 1)) -gt 60 ]; do
        sleep 1
    done
}

# port: waits until the server that writes `log` has told its port; says it.
port() {
    till grep -q ' listening on .* port ' log 2>/dev/null
    sed -n 's/.* listening on .* port //p' log
}

# symbols: what the objects here import that none of them defines.
symbols() {
    nm ./*.o lib/*.o | awk '
        NF == 2 && $1 == "U" { want[$2] = 1 }
        NF == 3 { have[$3] = 1 }
        END { for (s in want) if (!(s in have)) print s }' | sort
}

# --- The machinery

test='' dog=''

# end: ends the test that runs, with all its descendants, and its dog.
end() {
    ps -A -o pid= -o ppid= | awk -v test="$test" -v dog="$dog" '
        { up[$1] = $2 }
        END {
            for (p in up) {
                for (q = p; q in up && q != test && q != dog;)
                    q = up[q]
                if (q == test || q == dog)
                    print p
            }
        }' | while read -r pid; do
        kill "$pid"
    done 2>/dev/null
}

# tell COMMAND: what it says, at once, as another lane may write, too.
tell() {
    "$@" >"$dir/report"
    cat "$dir/report"
}

# verdict STATUS: of the test that has run, all right or why not.
verdict() {
    [ "$1" = 0 ] || echo "# status $1"
    printf '%s' "$out" >want
    cmp -s want output && return
    echo "# < expected, > got:"
    diff want output | sed -n -e 's/^/# /' -e '/^# [<>\\]/p' | sed 40q
}

# conclude NAME STATUS SECONDS: the result of the test that has run; its notes.
conclude() {
    result "$1" "$(verdict "$2")"
    [ ! -f here/notes ] || sed 's/^/# /' here/notes
    [ "$3" -lt 10 ] || echo "# took $3 s"
}

# try NAME: runs the test on standard input, which is described above.
try() {
    script='' out='' lack=''
    wanted "$1" || return 0
    while IFS= read -r line; do
        case $line in
        '@ '*)
            text=${line#@ }
            (eval "${text#*: }") >/dev/null 2>&1 </dev/null ||
                lack=${lack:+$lack, }${text%%: *}
            ;;
        '$ '*) script=$script${line#??}$nl ;;
        *) out=$out$line$nl ;;
        esac
    done
    if [ -n "$lack" ] && [ -n "$CI" ]; then
        tell result "$1" "no $lack"
        return
    elif [ -n "$lack" ]; then
        tell skip "$1" "$lack"
        return
    fi
    start=$(date +%s)
    mkdir "$dir/work" "$dir/work/here"
    cd "$dir/work" || exit
    (
        cd here || exit
        eval "$script"
    ) >output 2>&1 </dev/null &
    test=$!
    # The dog gives its output away, lest somebody waits for its sleep.
    dog=none
    (sleep "$DEADLINE" && end) >/dev/null 2>&1 &
    dog=$!
    wait "$test"
    status=$?
    tell conclude "$1" "$status" $(($(date +%s) - start))
    end
    test='' dog=''
    cd "$dir" || exit
    rm -rf "$dir/work"
}

# --- Compilers

# compiler CC OPTIONS: no warning, and the demonstration is right.
compiler() {
    cc=$1
    shift
    try "compilers: $cc $*" <<.
@ $cc: has $cc
\$ build CC='$cc' CFLAGS="$* $strict"
\$ demonstrate ./gather
3 of 3 cursors complete and right, 300003 of 300003 bytes
.
}

for cc in gcc clang; do
    for level in -O0 -O1 -O2 -O3 -Os; do
        compiler "$cc" -std=c99 "$level"
    done
    compiler "$cc" -std=c17 -O2
    compiler "$cc" -std=gnu17 -O2
done
compiler gcc -O2 -flto=2

try 'compilers: clang -O2 -flto' <<'.'
@ clang: has clang
@ ld.lld: has ld.lld
$ build CC=clang CFLAGS="-O2 -flto $strict" LDFLAGS=-fuse-ld=lld
$ demonstrate ./gather
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

# As those of some BSDs; what sockaddr_in is has to come from netinet/in.h.
try 'compilers: headers that declare no more than they have to' <<'.'
$ copy .
$ mkdir -p little/arpa little/netinet
$ echo 'struct in_addr; char *inet_ntoa(struct in_addr);
$     unsigned inet_addr(const char *);
$     const char *inet_ntop(int, const void *, char *, unsigned);
$     ' >little/arpa/inet.h
$ echo '#define TCP_NODELAY 1' >little/netinet/tcp.h
$ echo '#ifndef NETDB_H
$     #define NETDB_H
$     #include <sys/socket.h>
$     struct addrinfo { int ai_family, ai_socktype; struct sockaddr *ai_addr;
$         struct addrinfo *ai_next; };
$     int getaddrinfo(const char *, const char *, const struct addrinfo *,
$         struct addrinfo **);
$     void freeaddrinfo(struct addrinfo *);
$     struct hostent { int h_addrtype; char **h_addr_list; };
$     struct servent { int s_port; };
$     struct hostent *gethostbyname(const char *);
$     struct servent *getservbyname(const char *, const char *);
$     #endif' >little/netdb.h
$ make -s CFLAGS="$strict -I$PWD/little" $objects 2>&1
.

try 'compilers: tcc' <<'.'
@ tcc: has tcc
$ build CC=tcc CFLAGS='-Wall -Werror'
$ suite gather 'output: '
suite passed
.

try 'compilers: the whole suite as clang -O3 has built it' <<'.'
@ clang: has clang
$ build CC=clang CFLAGS=-O3
$ suite gather ''
suite passed
.

# --- Make

for make in make bmake; do
    try "make: $make, the suite's target, and clean" <<.
@ $make: has $make
\$ MAKE=$make
\$ build
\$ demonstrate ./gather
\$ $make -s clean
\$ find . -name gather -o -name '*.o'
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

    try "make: $make -j2" <<.
@ $make: has $make
\$ MAKE=$make
\$ build -j2
\$ demonstrate ./gather
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

    try "make: $make in an out-of-date tree makes what has to be, no more" <<.
@ $make: has $make
\$ MAKE=$make
\$ build
\$ touch -t 200001010000 *.[ch] lib/*.[ch] Makefile
\$ settled() {
\$     touch -t 200101010000 $objects
\$     touch -t 200201010000 gather
\$ }
\$ compiled() { $make -n | sed -n 's/.* \([a-z/]*\.c\)\$/\1/p' | sort; }
\$ settled
\$ echo nothing:; compiled
\$ for f in client.c lib/items.c; do
\$     settled
\$     touch -t 200301010000 \$f
\$     echo \$f:; compiled
\$     touch -t 200001010000 \$f
\$ done
\$ ls $sources | sort >all
\$ for f in *.h lib/*.h Makefile; do
\$     settled
\$     touch -t 200301010000 \$f
\$     compiled | cmp - all
\$     touch -t 200001010000 \$f
\$ done
nothing:
client.c:
client.c
lib/items.c:
lib/items.c
.
done

# Whatever objects an older version has left.
try 'make: in the tree of an older version all is made' <<'.'
$ copy .
$ for f in $objects gather lib/old.o old.o; do
$     echo rubbish >"$f"
$     touch -t 200001010000 "$f"
$ done
$ make -s
$ demonstrate ./gather
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

# What is left over by what has failed is not taken for what should be there.
try 'make: what was not made is made the next time' <<'.'
$ copy .
$ cp -p server.c whole
$ echo nonsense >>server.c
$ make -s >said 2>&1 || echo fails
$ mv whole server.c
$ make -s
$ demonstrate ./gather
fails
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

try 'make: blanks, quotes and dollars in the name of the directory' <<'.'
$ mkdir "a b'c\$d"
$ cd "a b'c\$d" || exit
$ build
$ suite gather 'items: '
suite passed
.

try 'make: install with umask 077, in a DESTDIR and PREFIX with blanks' <<'.'
$ build
$ umask 077
$ make -s install DESTDIR="$(pwd)/a b" PREFIX='/c d'
$ (cd 'a b/c d' && find . -exec ls -ld {} + |
$     awk '{ print $1, $NF }' | sort -k 2)
$ demonstrate 'a b/c d/bin/gather'
$ make -s uninstall DESTDIR="$(pwd)/a b" PREFIX='/c d'
$ find 'a b' ! -type d
drwxr-xr-x .
drwxr-xr-x ./bin
-rwxr-xr-x ./bin/gather
drwxr-xr-x ./share
drwxr-xr-x ./share/man
drwxr-xr-x ./share/man/man1
-rw-r--r-- ./share/man/man1/gather.1
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

try 'make: install in the place of a gather that runs' <<'.'
$ build
$ make -s install DESTDIR="$(pwd)" PREFIX=/usr
$ usr/bin/gather -n 1 sh -c 'until [ -e go ]; do sleep 1; done; echo old' &
$ make -s install DESTDIR="$(pwd)" PREFIX=/usr
$ usr/bin/gather -n 1 echo new
$ : >go
$ wait
$ ls usr/bin
new
old
gather
.

# frozen COMMAND: runs it here, where nothing can be written.
frozen() {
    # shellcheck disable=SC2016 # for that shell
    unshare -m sh -c 'mount --bind "$0" "$0" &&
        mount -o remount,ro,bind "$0" && cd "$0" && "$@"' "$PWD" "$@"
}

try 'make: a source directory that cannot be written: used, or an error' <<'.'
@ unshare, for which one has to be root: unshare -m true
$ build
$ frozen make -s
$ frozen make -s install DESTDIR="${PWD%/*}/there"
$ frozen sh ./test.sh 'items: ' | sed -n '$s/^[1-9][0-9]* passed/N passed/p'
$ demonstrate ../there/usr/local/bin/gather
$ make -s clean
$ frozen make >../said 2>&1 || echo fails
$ sed -n 's/.*: Read-only file system/Read-only file system/p' ../said | sed 1q
N passed, 0 failed
3 of 3 cursors complete and right, 300003 of 300003 bytes
fails
Read-only file system
.

# --- Libraries

# Nothing bounds the size but reason: what it grows by has one.
try 'libraries: musl, static, -Os and stripped; its size' <<'.'
@ musl-gcc: has musl-gcc
$ build CC=musl-gcc CFLAGS=-Os LDFLAGS='-static -s'
$ demonstrate ./gather
$ echo "$(wc -c <gather) bytes" >notes
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

try 'libraries: musl, the whole suite' <<'.'
@ musl-gcc: has musl-gcc
$ build CC=musl-gcc CFLAGS="-O2 $strict" LDFLAGS=-static
$ suite gather ''
suite passed
.

try 'libraries: musl, in a root with nothing but dev/urandom' <<'.'
@ musl-gcc: has musl-gcc
@ chroot, for which one has to be root: chroot / true
$ build CC=musl-gcc LDFLAGS=-static
$ mkdir root root/dev
$ mv gather root
$ dd if=/dev/urandom of=root/dev/urandom bs=32 count=1 2>/dev/null
$ chroot root /gather -n 3 -s 100001 | total
$ chroot root /gather /gather -s 10 -n ::: 1 2 | grep -c 'complete and right'
$ chroot root /gather -n 1 2>&1 <&-
$ find root ! -type d | sort
3 of 3 cursors complete and right, 300003 of 300003 bytes
2
gather: fatal: unable to start: No such file or directory
root/dev/urandom
root/gather
.

# Its getopt() has something to say, two of its error messages are others, and
# a signal for a process does not reach its threads: not all of the suite.
try 'libraries: dietlibc' <<'.'
@ diet: has diet
$ copy .
$ quiet make CC='diet gcc' \
$     CFLAGS='-Os -Wall'
$ suite gather 'files: '
$ suite gather 'time: '
suite passed
suite passed
.

# intel BITS OPTIONS: 32-bit code, which x86_64 runs, with an off_t of so many
# bits; the whole suite.
intel() {
    bits=$1
    shift
    try "libraries: i686, glibc, off_t of $bits bits, $*: the suite" <<.
@ i686-linux-gnu-gcc: has i686-linux-gnu-gcc
\$ loader=\$(i686-linux-gnu-gcc -print-file-name=ld-linux.so.2)
\$ build CC=i686-linux-gnu-gcc CFLAGS="-O2 $* $strict" \\
\$     LDFLAGS="-Wl,-rpath,\${loader%/*} -Wl,--dynamic-linker,\$loader"
\$ nm -u gather | sed -n 's/.* \(open[0-9]*\)@.*/\1/p'
\$ suite gather ''
$(test "$bits" = 32 && echo open || echo open64)
suite passed
.
}
intel 32 -U_FILE_OFFSET_BITS -U_TIME_BITS
intel 64 -U_FILE_OFFSET_BITS -D_FILE_OFFSET_BITS=64 -U_TIME_BITS \
    -D_TIME_BITS=64

try 'libraries: i686, items of more than 4 GiB, and in files of 2' <<'.'
@ i686-linux-gnu-gcc: has i686-linux-gnu-gcc
@ 3 GB of disk: df -Pk . | awk 'END { exit $4 < 3000000 }'
$ loader=$(i686-linux-gnu-gcc -print-file-name=ld-linux.so.2)
$ build CC=i686-linux-gnu-gcc \
$     LDFLAGS="-Wl,-rpath,${loader%/*} -Wl,--dynamic-linker,$loader"
$ ./gather head -c 4400000000 ::: /dev/zero | wc -c
$ ./gather -n 1 -o 'out.{}' head -c 2200000000 /dev/zero
$ wc -c <out.0
4400000000
2200000000
.

# --- Processors

# processor QEMU TARGET PATTERN: the demonstration, and tests of the suite.
processor() {
    try "processors: suite on $2" <<.
@ qemu-$1: has qemu-$1
@ $2-gcc: has $2-gcc
\$ copy .
\$ emulated $1 $2
\$ demonstrate ./gather
\$ patience=60 # qemu is slow
\$ suite gather '$3'
3 of 3 cursors complete and right, 300003 of 300003 bytes
suite passed
.
}
processor s390x s390x-linux-gnu 'output: '
processor arm arm-linux-gnueabihf 'ledger: '
processor sparc64 sparc64-linux-gnu 'time: '

# mixed QEMU TARGET: an empty item, a byte, and more than one read() brings,
# from clients of that processor to a server of this one, and back.
mixed() {
    try "processors: $2 and this one deliver to each other" <<.
@ qemu-$1: has qemu-$1
@ $2-gcc: has $2-gcc
\$ build
\$ mv gather native
\$ make -s clean
\$ emulated $1 $2
\$ GATHER_TOKEN=$token
\$ export GATHER_TOKEN
\$ : >data.0
\$ printf x >data.1
\$ dd if=/dev/urandom of=data.2 bs=1000 count=3001 2>/dev/null
\$ deliver() {
\$     : >log
\$     "\$1" -v -b 127.0.0.1 -p 0 -j 0 -n 3 -o 'out.{}' 2>>log &
\$     port=\$(port)
\$     for i in 0 1 2; do
\$         "\$2" -c "127.0.0.1:\$port" -w "\$i" <"data.\$i" &
\$     done
\$     wait
\$     for i in 0 1 2; do
\$         cmp "data.\$i" "out.\$i" && rm "out.\$i"
\$     done
\$     sed -n '\$p' log
\$ }
\$ deliver ./native ./gather
\$ deliver ./gather ./native
gather: all 3 complete
gather: all 3 complete
.
}
mixed s390x s390x-linux-gnu
mixed arm arm-linux-gnueabihf
mixed sparc64 sparc64-linux-gnu

try 'processors: qemu would tell if sparc64 were asked to misalign' <<'.'
@ qemu-sparc64: has qemu-sparc64
@ sparc64-linux-gnu-gcc: has sparc64-linux-gnu-gcc
$ echo 'static char b[8]; int main(int n, char **v) { (void)v;
$     return *(volatile int *)(void *)(b + n); }' >odd.c
$ sparc64-linux-gnu-gcc -static -o odd odd.c
$ qemu-sparc64 ./odd 2>/dev/null
$ kill -l $?
BUS
.

# --- Systems

# others COMPILER: the other programs that are to be portable, in the tree that
# was built here; compiled and linked, but for SQLite's, which has no library.
others() {
    # shellcheck disable=SC2046,SC2086 # words
    set -- $1 $(value STANDARD) -O2 $strict
    mkdir include
    cp "$sqlite" include
    sed -n '/^    \/\* rows/,/ends here/s/^    //p' "$here/doc/parts" >rows.c
    "$@" -I. -c rows.c
    "$@" -o rows rows.o [cs]*.o lib/*.o -lpthread
    "$@" -o cursors "$here/bench/cursors.c" [cs]*.o lib/*.o -lpthread
    "$@" -o bare "$here/bench/bare.c" -lpthread
    "$@" -o limits "$here/bench/limits.c" -lpthread
    "$@" -o stranger "$here/tests/stranger.c"
    "$@" -Iinclude -c -o sqlite.o "$here/examples/sqlite-cursors.c"
    # the linker would tell if something were not there
    echo 'int splice(void); int main(void) { return splice(); }' >no.c
    "$@" -o no no.c 2>&1 | sed -n 's/.*undefined symbol: _*//p' | sed 1q
}
sqlite=/usr/include/sqlite3.h

# foreign SYSTEM PROCESSOR TARGET MAGIC: compiles and links for it, with the
# headers and the functions of its C library; MAGIC is how programs begin
# there.
foreign() {
    try "systems: $1 on $2, compiled and linked" <<.
@ zig: has "$ZIG"
@ sqlite3.h: [ -r $sqlite ]
\$ compiler="$ZIG cc -target $3"
\$ build -j2 CC="\$compiler" CFLAGS="-O2 $strict"
\$ others "\$compiler"
\$ for f in gather rows cursors bare limits stranger; do
\$     od -A n -N 4 -t x1 \$f
\$ done | sort | uniq -c | tr -d ' '
splice
6$4
.
}
for processor in x86_64 aarch64; do
    for system in FreeBSD NetBSD OpenBSD; do
        foreign "$system" "$processor" \
            "$processor-$(echo "$system" | tr '[:upper:]' '[:lower:]')" \
            7f454c46
    done
    foreign macOS "$processor" "$processor-macos" cffaedfe
done

# --- Differences in meaning

# as DIFFERENCE COMMAND: runs it where calls mean something else: port.c says
# what.  What is counted there is counted in the file `count`.
as() {
    : >count
    [ -f port.so ] || cc -D_GNU_SOURCE -Wall -Werror -shared -fPIC -o port.so \
        "$here/tests/port.c" -ldl || return
    PORT=$1
    shift
    PORT=$PORT PORT_LOG=count LD_PRELOAD=./port.so "$@"
}

# counted MOST: no more than that has been counted.
counted() {
    n=$(wc -c <count)
    echo "$n calls" >>notes
    [ "$n" -le "$1" ] || echo "$n calls, more than $1"
}

# meaning NAME: a test of that.
meaning() {
    try "meaning: $1" <<.
@ preloading: test -r /etc/ld.so.cache
\$ build
$(cat)
.
}

meaning 'what is accepted does not block, like its listener' <<'.'
$ as accept ./gather -n 3 -s 1000001 | total
3 of 3 cursors complete and right, 3000003 of 3000003 bytes
.

meaning 'nobody may connect to 0.0.0.0' <<'.'
$ GATHER_TOKEN=$token as connect ./gather -q -b 0.0.0.0 -p 0 -j 2 -n 3 echo {}
0
1
2
.

meaning 'fewer descriptors are granted than were asked for' <<'.'
$ (ulimit -S -n 50 && as limits ./gather -j 100 -n 100 echo) 2>&1 |
$     sed 's/[0-9][0-9]*/N/' | uniq -c | sed 's/^ *//'
1 gather: warning: file descriptors allow only N jobs
100 
.

# Who is in waits for goodbye, all others for somebody to go.
meaning 'there are more children than descriptors, unknown to us' <<'.'
$ (ulimit -n 40 && as unlimited ./gather -j 60 -n 200 echo 2>said | uniq -c)
$ sort -u said
    200 
gather: warning: unable to serve a client: Too many open files
.

meaning 'a nap lasts 20 ms: there are no more than nine of a child' <<'.'
$ as naps ./gather -n 1 sh -c 'i=0; while [ $((i += 1)) -le 40 ]; do
$     printf "%05000d" 0; sleep 0.1; done' | wc -c
$ counted 9
200000
.

# Somebody stands still for a second, in which poll() says that he does not; a
# program that believes that asks some 100000 times.
meaning 'output that poll() does not know, and that does not block' <<'.'
$ make -s clean
$ make -s CFLAGS='-O2 -DPLAIN'
$ as poll ./gather head -c 3000000 ::: /dev/zero | { sleep 1; wc -c; }
$ counted 10000
3000000
.

meaning 'a list that poll() does not know, and that does not block' <<'.'
$ { echo a; sleep 1; echo b; } | as poll ./gather -j 1 echo {}
$ counted 10000
a
b
.

meaning 'messages to what poll() does not know, and does not block' <<'.'
$ long=./none/$(printf '%0100d' 0)
$ {
$     head -c 60000 /dev/zero # nearly fills the pipe
$     as poll ./gather -j 2 -k -n 99 "$long"
$ } 2>&1 | { sleep 1; wc -l; }
$ counted 10000
100
.

meaning 'a listener beside one of the same user for all addresses' <<'.'
$ as reuse ./gather -v -p 0 -n 1 \
$     sh -c 'until [ -e go ]; do sleep 1; done' 2>log &
$ port=$(port)
$ GATHER_TOKEN=$token
$ export GATHER_TOKEN
$ as reuse ./gather -b 0.0.0.0 -p "$port" -j 1 -n 3 echo {} 2>said &
$ till grep -q waiting said
$ : >go
$ till grep -q complete log
$ ./gather -c "127.0.0.1:$port" echo of {}
$ wait
$ sed 's/port [0-9]*/port N/' said
$ sed -n '$p' log
of 0
of 1
of 2
gather: fatal: 127.0.0.1 port N does not know our token: it is not our server
gather: waiting for clients on 0.0.0.0 port N
gather: all 1 complete
.

# What an option of POSIX demands is named, and so are the C library's own
# names for errno, getopt() and strerror_r(), and what Linux alone has.
imports() {
    quiet make CFLAGS="$plain $1" LDFLAGS=-no-pie
    symbols | awk '
        NR == FNR && /^#/ { next }
        NR == FNR && /^\[/ { option = $1; next }
        NR == FNR { for (i = 1; i <= NF; i++) from[$i] = option; next }
        !($1 in from) { print "[none]", $1; next }
        from[$1] != "[base]" && from[$1] != "[THR]" { print from[$1], $1 }
    ' "$here/tests/posix.symbols" - | sort
}

try 'systems: what is imported that POSIX.1-2001 has as an option, or not' <<'.'
$ copy .
$ imports
[OB,XSI] vfork
[OB] gethostbyname
[TMR] clock_gettime
[TMR] nanosleep
[TSS] pthread_attr_setstacksize
[XSI] getrlimit
[XSI] poll
[XSI] setrlimit
[XSI] writev
[none] __assert_fail
[none] __errno_location
[none] __posix_getopt
[none] __xpg_strerror_r
[none] prctl
[none] splice
.

try 'systems: the same with -DPLAIN: no splice(), vfork(), gethostbyname()' <<'.'
$ copy .
$ imports -DPLAIN
[TMR] clock_gettime
[TMR] nanosleep
[TSS] pthread_attr_setstacksize
[XSI] getrlimit
[XSI] poll
[XSI] setrlimit
[XSI] writev
[none] __assert_fail
[none] __errno_location
[none] __posix_getopt
[none] __xpg_strerror_r
.

try 'systems: -DPLAIN, which has none of what differs: the whole suite' <<'.'
$ build CFLAGS="-O2 -DPLAIN $strict"
$ suite gather ''
suite passed
.

# code FILE ...: without comments.
code() {
    for f; do
        gcc -w -fpreprocessed -dD -E -P "$f" | sed "s,^,$f: ,"
    done
}

try 'systems: lib/system.h alone knows how they differ' <<'.'
@ gcc: has gcc
$ copy .
$ rm lib/system.h
$ code *.[ch] lib/*.[ch] | grep -w -e splice -e vfork -e PLAIN \
$     -e 'TCP_[A-Z_]*' -e 'F_[GS]ETPIPE_SZ' -e '__[a-z_0-9]*__' || :
$ grep -n '^ *# *\(if\|elif\)' *.[ch] lib/*.[ch] |
$     grep -v -e '#ifndef [A-Z]*_H$' -e '#ifdef CHECK$' || :
.

# --- Shells

for shell in dash bash 'bash --posix' mksh ksh93 yash 'busybox sh' posh; do
    try "shells: test.sh under $shell" <<.
@ ${shell%% *}: has ${shell%% *}
\$ build
\$ suite gather 'files: ' $shell
suite passed
.
done

# --- Small machines

try 'small: data and bss, -Os without what is not used; text' <<'.'
$ build CFLAGS="$little" LDFLAGS='-Wl,--gc-sections'
$ demonstrate ./gather
$ size $objects | awk 'NR > 1 { text += $1; data += $2; bss += $3 }
$     END { if (data > 4096) print data, "bytes of data"
$         if (bss > 1310720) print bss, "bytes of bss"
$         print text, "bytes of text" >"notes" }'
3 of 3 cursors complete and right, 300003 of 300003 bytes
.

# room KIB COMMAND: runs it in so much address space.
room() {
    (
        # shellcheck disable=SC3045 # skipped where there is no -v
        ulimit -v "$1" || exit
        shift
        "$@"
    )
}

try 'small: 16 MiB of address space beside 4 MiB of cursors' <<'.'
@ ulimit -v: (ulimit -v 1000000)
$ build
$ room 20480 ./gather -n 4 -s 1M | total
4 of 4 cursors complete and right, 4194304 of 4194304 bytes
.

try 'small: 16 MiB of address space beside the 1 MiB of -m, 20 jobs' <<'.'
@ ulimit -v: (ulimit -v 1000000)
$ build
$ room 17408 ./gather -m 1M -n 20 sh -c 'yes "$1" | head -c 300000' - {} |
$     uniq -c | awk '{ n += $1 * (length($2) + 1) } END { print n }'
6000000
.

# The connections are all there when the last command runs.  Its parent's
# parent is gather itself.
try 'small: a connection costs at most 256 KiB of memory' <<'.'
@ /proc: [ -r /proc/self/status ]
$ build
$ cat >rss <<'end'
$ n=$(ps -A -o ppid= | grep -c "^ *$2\$")
$ [ "$n" -lt "$1" ] || sed -n 's/^VmData:[^0-9]*\([0-9]*\).*/\1/p' \
$     "/proc/$2/status"
$ sleep 2
$ end
$ data() {
$     sh -c 'G=$$; export G
$         exec ./gather -j "$1" -n "$1" sh ./rss "$1" "$G"' - "$1" |
$         sort -n | tail -n 1
$ }
$ echo "$(($(data 120) - $(data 20)))" | awk '
$     $1 <= 0 || $1 > 100 * 256 { print $1, "KiB for 100 connections" }'
.

echo "$passed $failed $skipped $number" >"$LANE/sum"
