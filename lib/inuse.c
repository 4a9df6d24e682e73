/*
 * inuse.c - the files that this program has open: the list, the output, the
 * ledger.  Nothing that it creates may take the place of one of them, or be
 * mixed with it, by whatever name; so device and inode are compared.  It
 * stands on nothing.
 *
 * Files are noted before there are threads.
 */
#include "inuse.h"
#include <stddef.h>
#include <sys/stat.h>

#define INUSE_MAX 4 /* the list, the output, standard error, the ledger */

static struct {
    const char *what;
    dev_t device;
    ino_t inode;
} files[INUSE_MAX];
static int count;

/* Notes that fd is in use, as `what` says, if it is a regular file; or also if
 * it is a pipe.  A terminal or another device may have many users. */
void inuse_note(int fd, const char *what, bool also_pipe) {
    struct stat status;
    if (count == INUSE_MAX || fstat(fd, &status) < 0)
        return;
    if (!S_ISREG(status.st_mode) && !(also_pipe && S_ISFIFO(status.st_mode)))
        return;
    files[count].what = what;
    files[count].device = status.st_dev;
    files[count].inode = status.st_ino;
    count++;
}

/* What the file of that name is in use as, such as "it is the list"; NULL if
 * it is not, or not there. */
const char *inuse_as(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0)
        return NULL;
    for (int i = 0; i < count; i++)
        if (files[i].device == status.st_dev &&
            files[i].inode == status.st_ino)
            return files[i].what;
    return NULL;
}
