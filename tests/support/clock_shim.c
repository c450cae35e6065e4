/* Preloaded into a process: its wall clock is shifted; monotonic clocks, and so all timeouts, are not.
 *
 * CLOCK_SHIM_FILE   file of 8 bytes, mapped: the shift in nanoseconds, in the byte order of the machine. Whoever writes
 *                   it moves the clock at once. Without it, or if it is shorter, the shift is 0.
 *
 * The real time comes from the system call, since looking for the library's function may itself ask for the time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void map_shift(void) {
    const char *name = getenv("CLOCK_SHIM_FILE");
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    struct stat file;
    if (fd < 0) return;
    if (fstat(fd, &file) == 0 && file.st_size >= 8) {
        void *mapped = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) shift = mapped;
    }
    close(fd);
}

static int wall(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE; }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = (int)syscall(SYS_clock_gettime, clock, now);
    if (answer == 0 && shift && *shift && wall(clock)) {
        int64_t moved = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + *shift;
        now->tv_sec = moved / 1000000000;
        now->tv_nsec = moved % 1000000000;
    }
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    int answer = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return answer;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
