.POSIX:

CC = cc
CFLAGS = -O2
LDFLAGS =
LDLIBS =
DESTDIR =
PREFIX = /usr/local
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man

STANDARD = -std=c99 -D_POSIX_C_SOURCE=200112L -D_XOPEN_SOURCE=600 \
	-D_FILE_OFFSET_BITS=64
WARNINGS = -pedantic -Wall -Wextra -Wshadow -Wconversion -Wcast-qual \
	-Wwrite-strings -Wstrict-prototypes -Wmissing-prototypes
# What a program of yours may use, and what only gather needs.
PARTS = server.o client.o signals.o lib/check.o lib/command.o lib/conn.o \
	lib/door.o lib/exchange.o lib/files.o lib/inuse.o lib/itemlist.o \
	lib/items.o lib/ledger.o lib/memory.o lib/monitor.o lib/output.o \
	lib/plan.o lib/report.o lib/resolve.o lib/say.o lib/secret.o \
	lib/tag.o lib/text.o lib/turn.o
OBJECTS = main.o lib/demo.o lib/list.o lib/options.o $(PARTS)
HEADERS = protocol.h lib/check.h lib/command.h lib/conn.h lib/demo.h \
	lib/door.h lib/exchange.h lib/files.h lib/gather.h lib/inuse.h \
	lib/itemlist.h lib/items.h lib/ledger.h lib/list.h lib/memory.h \
	lib/monitor.h lib/options.h lib/output.h lib/plan.h lib/report.h \
	lib/resolve.h lib/say.h lib/secret.h lib/system.h lib/tag.h \
	lib/text.h lib/turn.h
SOURCES = *.c lib/*.c
SCRIPTS = test.sh tests/*.sh examples/*.sh bench/*.sh
EXAMPLES = examples/*.c

all: gather

gather: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) $(LDLIBS) -lpthread

$(OBJECTS): $(HEADERS) Makefile

.SUFFIXES:
.SUFFIXES: .c .o
.c.o:
	$(CC) $(STANDARD) $(CFLAGS) -c -o $@ $<

test: all
	sh ./test.sh

# The suite again, on a build that watches memory and arithmetic, on one that
# watches threads, and on one that looks at every count and list each time the
# lock is given up.
asan:
	$(CC) $(STANDARD) -g -O1 -fsanitize=address,undefined \
		-fno-sanitize-recover=all -o gather-asan $(SOURCES) -lpthread
	GATHER=./gather-asan DEADLINE=120 sh ./test.sh

tsan:
	$(CC) $(STANDARD) -g -O1 -fsanitize=thread -o gather-tsan $(SOURCES) \
		-lpthread
	GATHER=./gather-tsan DEADLINE=120 TSAN_OPTIONS=exitcode=66 sh ./test.sh

check:
	$(CC) $(STANDARD) -g -O1 -DCHECK -o gather-check $(SOURCES) -lpthread
	GATHER=./gather-check DEADLINE=120 sh ./test.sh

# Compares with what else there is, and says what that needs.
bench: all
	sh bench/run.sh

# Needs gcc, clang, clang-format, shellcheck, mandoc, libsqlite3-dev
# and libpq-dev.
lint:
	gcc $(STANDARD) $(WARNINGS) -Werror -I"$$(pg_config --includedir)" \
		-fsyntax-only $(SOURCES) $(EXAMPLES)
	clang $(STANDARD) $(WARNINGS) -Wcomma -Werror \
		-I"$$(pg_config --includedir)" -fsyntax-only $(SOURCES) $(EXAMPLES)
	clang-format --dry-run -Werror $(SOURCES) $(HEADERS) $(EXAMPLES)
	shellcheck -s sh $(SCRIPTS)
	mandoc -Tlint -Wall doc/gather.1

install: all
	umask 022 && mkdir -p "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man1"
	cp gather "$(DESTDIR)$(BINDIR)/gather.new"
	chmod 755 "$(DESTDIR)$(BINDIR)/gather.new"
	mv -f "$(DESTDIR)$(BINDIR)/gather.new" "$(DESTDIR)$(BINDIR)/gather"
	cp doc/gather.1 "$(DESTDIR)$(MANDIR)/man1/gather.1"
	chmod 644 "$(DESTDIR)$(MANDIR)/man1/gather.1"

uninstall:
	rm -f "$(DESTDIR)$(BINDIR)/gather" "$(DESTDIR)$(MANDIR)/man1/gather.1"

clean:
	rm -f gather gather-asan gather-tsan gather-check $(OBJECTS)
