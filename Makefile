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
SOURCES = main.c server.c client.c signals.c
OBJECTS = main.o server.o client.o signals.o
SCRIPTS = test.sh tests/*.sh examples/*.sh bench/*.sh
EXAMPLES = examples/*.c

all: gather

gather: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) $(LDLIBS) -lpthread

$(OBJECTS): protocol.h

.SUFFIXES:
.SUFFIXES: .c .o
.c.o:
	$(CC) $(STANDARD) $(CFLAGS) -c $<

test: all
	sh ./test.sh

# The suite again, on a build that watches memory and arithmetic, and on one
# that watches threads.
asan:
	$(CC) $(STANDARD) -g -O1 -fsanitize=address,undefined \
		-fno-sanitize-recover=all -o gather-asan $(SOURCES) -lpthread
	GATHER=./gather-asan DEADLINE=120 sh ./test.sh

tsan:
	$(CC) $(STANDARD) -g -O1 -fsanitize=thread -o gather-tsan $(SOURCES) \
		-lpthread
	GATHER=./gather-tsan DEADLINE=120 TSAN_OPTIONS=exitcode=66 sh ./test.sh

# Compares with what else there is, and says what that needs.
bench: all
	sh bench/run.sh

# Needs gcc, clang, clang-format, shellcheck, mandoc and libsqlite3-dev.
lint:
	gcc $(STANDARD) $(WARNINGS) -Werror -fsyntax-only $(SOURCES) $(EXAMPLES)
	clang $(STANDARD) $(WARNINGS) -Werror -fsyntax-only $(SOURCES) $(EXAMPLES)
	clang-format --dry-run -Werror $(SOURCES) protocol.h $(EXAMPLES)
	shellcheck -s sh $(SCRIPTS)
	mandoc -Tlint -Wall doc/gather.1

install: all
	mkdir -p "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man1"
	cp gather "$(DESTDIR)$(BINDIR)/gather"
	chmod 755 "$(DESTDIR)$(BINDIR)/gather"
	cp doc/gather.1 "$(DESTDIR)$(MANDIR)/man1/gather.1"
	chmod 644 "$(DESTDIR)$(MANDIR)/man1/gather.1"

uninstall:
	rm -f "$(DESTDIR)$(BINDIR)/gather" "$(DESTDIR)$(MANDIR)/man1/gather.1"

clean:
	rm -f gather gather-asan gather-tsan $(OBJECTS)
