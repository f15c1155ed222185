/* A disk that fails on request, between a program and the C library (LD_PRELOAD).
 *
 * FAULTY_DISK_BELOW    files below this folder are on the disk; no others are touched
 * FAULTY_DISK_SWITCH   a file of two characters, read at every call:
 *                      writes  '-' work, 'F' ENOSPC, 'R' EROFS, 'E' EIO
 *                      syncs   '-' work, 'E' EIO, 'K' the process is killed instead
 * FAULTY_DISK_UNSYNCED a folder that keeps, for each file, the bytes that its writes since its last
 *                      sync replaced: a loss of power may undo these writes. Not set: nothing is kept.
 *
 * An entry is five 64-bit numbers (a mark, the offset, the length, the size of the file before, the
 * number of old bytes) and the old bytes. It is complete before the write begins, so a cut entry at
 * the end belongs to a write that never began. A successful sync of a file drops its entries. A
 * change of size by ftruncate counts as synced: a real disk may lose more, never less.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK 0x64726f7765722e31ULL
/* More files than a store has. */
#define MAX_FILES 32

static char below[PATH_MAX];
static size_t below_length;
static const char *unsynced;
static volatile const char *knob;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);

/* Held for an entry and its write, so that both have one order. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static struct {
  char path[PATH_MAX];
  int entries;
} files[MAX_FILES];
static int file_count;

static void fail(const char *why) {
  fprintf(stderr, "faulty_disk: %s: %s\n", why, strerror(errno));
  abort();
}

__attribute__((constructor)) static void begin(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  const char *folder = getenv("FAULTY_DISK_BELOW"), *file = getenv("FAULTY_DISK_SWITCH");
  if (!folder || !file) return;
  unsynced = getenv("FAULTY_DISK_UNSYNCED");
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(file);
  knob = mmap(NULL, 2, PROT_READ, MAP_SHARED, fd, 0);
  if (knob == MAP_FAILED) fail("mmap");
  close(fd);
  if (!realpath(folder, below)) fail(folder);
  below_length = strlen(below);
}

/* Returns whether the file is on the disk, and its path. */
static int on_the_disk(int fd, char path[PATH_MAX]) {
  if (!knob) return 0;
  int before = errno;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  errno = before;
  if (length < 0) return 0;
  path[length] = 0;
  return strncmp(path, below, below_length) == 0 && (path[below_length] == '/' || !path[below_length]);
}

static int refused(char how) {
  switch (how) {
    case 'F': errno = ENOSPC; return 1;
    case 'R': errno = EROFS; return 1;
    case 'E': errno = EIO; return 1;
    default: return 0;
  }
}

/* The descriptor of this file's entries, -1 for none. The caller holds `turn`. */
static int entries_of(const char *path) {
  if (!unsynced) return -1;
  for (int i = 0; i < file_count; i++)
    if (strcmp(files[i].path, path) == 0) return files[i].entries;
  if (file_count == MAX_FILES) fail("too many files");
  char name[PATH_MAX * 2];
  const char *slash = strrchr(path, '/');
  snprintf(name, sizeof name, "%s/%s", unsynced, slash ? slash + 1 : path);
  int fd = open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) fail(name);
  strcpy(files[file_count].path, path);
  files[file_count].entries = fd;
  return files[file_count++].entries;
}

static void save_old_bytes(int fd, const char *path, off_t offset, size_t length) {
  int entries = entries_of(path);
  struct stat stat;
  if (entries < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return;
  uint64_t *entry = malloc(5 * sizeof(uint64_t) + length);
  if (!entry) fail("malloc");
  /* The descriptor may be write-only. */
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int reader = open(link, O_RDONLY | O_CLOEXEC);
  ssize_t old = reader < 0 ? 0 : pread(reader, entry + 5, length, offset);
  if (reader >= 0) close(reader);
  if (old < 0) old = 0;
  entry[0] = MARK;
  entry[1] = offset;
  entry[2] = length;
  entry[3] = stat.st_size;
  entry[4] = old;
  size_t size = 5 * sizeof(uint64_t) + old;
  if (real_write(entries, entry, size) != (ssize_t)size) fail("entry");
  free(entry);
}

static void forget(const char *path) {
  int entries = entries_of(path);
  if (entries >= 0 && real_ftruncate(entries, 0) != 0) fail("forget");
}

static ssize_t on_disk_write(int fd, const char *path, const void *bytes, size_t length, off_t offset) {
  if (refused(knob[0])) return -1;
  pthread_mutex_lock(&turn);
  if (offset < 0) {
    int flags = fcntl(fd, F_GETFL);
    off_t at = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    save_old_bytes(fd, path, at, length);
  } else {
    save_old_bytes(fd, path, offset, length);
  }
  ssize_t written = offset < 0 ? real_write(fd, bytes, length) : real_pwrite(fd, bytes, length, offset);
  pthread_mutex_unlock(&turn);
  return written;
}

ssize_t write(int fd, const void *bytes, size_t length) {
  char path[PATH_MAX];
  if (!on_the_disk(fd, path)) return real_write(fd, bytes, length);
  return on_disk_write(fd, path, bytes, length, -1);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  char path[PATH_MAX];
  if (!on_the_disk(fd, path)) return real_pwrite(fd, bytes, length, offset);
  return on_disk_write(fd, path, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite64(fd, bytes, length, offset);
}

static int sync_with(int (*real)(int), int fd) {
  char path[PATH_MAX];
  if (!on_the_disk(fd, path)) return real(fd);
  if (refused(knob[1])) return -1;
  if (knob[1] == 'K') {
    raise(SIGKILL);
    for (;;) pause();
  }
  pthread_mutex_lock(&turn);
  int result = real(fd);
  if (result == 0) forget(path);
  pthread_mutex_unlock(&turn);
  return result;
}

int fsync(int fd) { return sync_with(real_fsync, fd); }

int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }

static int truncate_to(int fd, off_t size) {
  char path[PATH_MAX];
  if (!on_the_disk(fd, path)) return real_ftruncate(fd, size);
  if (refused(knob[0])) return -1;
  pthread_mutex_lock(&turn);
  int result = real_ftruncate(fd, size);
  if (result == 0 && (result = real_fsync(fd)) == 0) forget(path);
  pthread_mutex_unlock(&turn);
  return result;
}

int ftruncate(int fd, off_t size) { return truncate_to(fd, size); }

int ftruncate64(int fd, off64_t size) { return truncate_to(fd, size); }
