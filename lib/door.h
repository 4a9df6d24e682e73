/*
 * door.h - those who have connected and have not proved yet who they are.  It
 * is all the main thread's; called with the lock held.
 */
#ifndef DOOR_H
#define DOOR_H

#include "conn.h"

int door_open(void);
void door_close(void);
void door_clear(double before);
int door_entries(void);
int door_count(void);
void door_turn_away(int listener);
int door_admit(int fd, struct in_addr from);
void door_wait(int signals, int listener, double until);
struct conn *door_next(void);
void door_pause(int error);
void door_shortage(int error);

#endif
