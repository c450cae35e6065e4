/* Preloaded into the store: writes down how much of each file is on disk, and can slow the disk.
 *
 * FSYNC_SHIM_LOG    file to write; one line "inode size" per completed fdatasync or fsync of a regular file. The size
 *                   is taken before the call, so that no byte written during it is counted as safe.
 * FSYNC_SHIM_DELAY  file to read; the milliseconds by which each call is slower before it takes effect.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void slow_down(void) {
    const char *name = getenv("FSYNC_SHIM_DELAY");
    char text[16] = {0};
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    long milliseconds = length > 0 ? strtol(text, NULL, 10) : 0;
    struct timespec wait = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&wait, NULL);
}

static int synced(int fd, const char *function) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    struct stat file;
    int regular = fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
    if (regular) slow_down();
    int answer = real(fd);
    const char *name = getenv("FSYNC_SHIM_LOG");
    if (answer == 0 && regular && name) {
        char line[64];
        int length = snprintf(line, sizeof line, "%lu %ld\n", (unsigned long)file.st_ino, (long)file.st_size);
        int log = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (log >= 0) {
            if (write(log, line, length) < 0) perror("fsync shim");
            close(log);
        }
    }
    return answer;
}

int fdatasync(int fd) { return synced(fd, "fdatasync"); }

int fsync(int fd) { return synced(fd, "fsync"); }
