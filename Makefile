.POSIX:

CC = cc
CFLAGS = -O2
LDFLAGS =
LDLIBS =
FLAGS = -std=c99 -D_POSIX_C_SOURCE=200112L
OBJECTS = main.o server.o client.o signals.o

all: gather

gather: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) $(LDLIBS) -lpthread

$(OBJECTS): protocol.h

.SUFFIXES:
.SUFFIXES: .c .o
.c.o:
	$(CC) $(FLAGS) $(CFLAGS) -c $<
