/*
 * Gives a process another wall clock: seconds are added to it. The monotonic clock stays, as it does when somebody sets
 * a machine's clock. CLOCK_SHIFT_S says how many, once and for all; CLOCK_SHIFT_FILE names a file that holds them as a
 * 64-bit integer, and whoever writes another one there steps the clock of a process that runs.
 *
 * It calls the kernel itself, because looking up the C library's functions allocates memory, and Redis's allocator asks
 * for the time while it is being set up.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t shift(void) {
  static long seconds = 0;
  static volatile long *current = 0;
  if (!current) {
    const char *text = getenv("CLOCK_SHIFT_S");
    const char *path = getenv("CLOCK_SHIFT_FILE");
    seconds = text ? atol(text) : 0;
    current = &seconds;
    if (path) {
      int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
      if (file >= 0) {
        long mapped = syscall(SYS_mmap, 0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        if (mapped > 0) current = (volatile long *)mapped;
        syscall(SYS_close, file);
      }
    }
  }
  return (time_t)*current;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = (int)syscall(SYS_clock_gettime, clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += shift();
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *at) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
