/* Sees every change of the files below one folder, and lets it fail or kill the process there.
 *
 * Loaded with LD_PRELOAD into a process on 64-bit Linux. Calls of the C library that change files
 * arrive here first and are passed on as system calls. Described for users in watcher.py.
 *
 *     FAULTS_ROOT     the folder; nothing is done without it
 *     FAULTS_JOURNAL  file, outside the folder, that gets every change in order, with its bytes
 *     FAULTS_RULES    kind:pattern:n:action joined by ";"
 *     FAULTS_NO_SYNC  when set, fsync is noted and not done
 *
 * One entry of the journal, in the byte order of the machine:
 *
 *     0   4   magic "WFJ1"
 *     4   1   what: C created, T resized, W written, S file synced, D folder synced, R renamed,
 *             U unlinked, M folder made, X folder removed, L linked, P mapped for shared writing
 *     5   3   0
 *     8   8   inode
 *     16  8   position of written bytes, or the new size
 *     24  12  lengths of path, other path (R, L: the new name) and bytes, which follow
 *     36  4   0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if !defined(__linux__) || !defined(__LP64__)
#error "for 64-bit Linux only"
#endif

#define MAX_FILES 65536
#define MAX_RULES 32

enum action { FAIL, LIE, KILL_BEFORE, KILL_AFTER, TEAR };

struct rule {
    char kind[16], pattern[256];
    long first, seen;
    int is_open_ended; /* "3+": the third call and all that follow */
    enum action action;
    int error;
};

struct file {
    dev_t device;
    ino_t inode;
    char path[PATH_MAX]; /* below the root, as it was opened */
};

struct verdict {
    int error, is_lie, is_torn, is_last;
};

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int journal = -1;
static int is_sync_left_out;
static struct rule rules[MAX_RULES];
static int n_rules;
static struct file *files[MAX_FILES];

/* ── rules ─────────────────────────────────────────────────────────────────────────────────── */

static const struct { const char *name; int error; } ERRORS[] = {
    {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EFBIG", EFBIG}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT},
};

static void add_rule(char *text) {
    struct rule *one = &rules[n_rules];
    char number[32], action[32], more = 0;
    memset(one, 0, sizeof *one);
    if (sscanf(text, "%15[^:]:%255[^:]:%31[^:]:%31s", one->kind, one->pattern, number, action) != 4
        || sscanf(number, "%ld%c", &one->first, &more) < 1)
        goto wrong;
    one->is_open_ended = more == '+';
    if (!strcmp(action, "before")) one->action = KILL_BEFORE;
    else if (!strcmp(action, "after")) one->action = KILL_AFTER;
    else if (!strcmp(action, "torn")) one->action = TEAR;
    else if (!strcmp(action, "lie")) one->action = LIE;
    else {
        for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
            if (!strcmp(action, ERRORS[i].name)) one->error = ERRORS[i].error;
        if (!one->error) goto wrong;
        one->action = FAIL;
    }
    n_rules++;
    return;
wrong:
    fprintf(stderr, "FAULTS_RULES: cannot read %s\n", text);
    abort();
}

/* Start over with other settings, for a process that forks its children. */
void faults_configure(const char *folder, const char *note, const char *told, int no_sync) {
    root_length = n_rules = 0;
    if (journal >= 0) syscall(SYS_close, journal);
    journal = -1;
    is_sync_left_out = no_sync;
    memset(files, 0, sizeof files);
    if (!folder || !*folder) return;
    if (note && *note)
        journal = syscall(SYS_openat, AT_FDCWD, note, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char *copy = strdup(told ? told : ""), *rest = NULL;
    for (char *one = strtok_r(copy, ";", &rest); one && n_rules < MAX_RULES;
         one = strtok_r(NULL, ";", &rest))
        add_rule(one);
    free(copy);
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
}

__attribute__((constructor)) static void start(void) {
    faults_configure(getenv("FAULTS_ROOT"), getenv("FAULTS_JOURNAL"), getenv("FAULTS_RULES"),
                     getenv("FAULTS_NO_SYNC") != NULL);
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static struct verdict judge(const char *kind, const char *path) {
    struct verdict found = {0, 0, 0, 0};
    for (int i = 0; i < n_rules; i++) {
        struct rule *one = &rules[i];
        if (strcmp(one->kind, "any") && strcmp(one->kind, kind)) continue;
        if (fnmatch(one->pattern, path, 0)) continue;
        one->seen++;
        if (one->seen != one->first && !(one->is_open_ended && one->seen > one->first)) continue;
        if (one->action == KILL_BEFORE) die();
        if (one->action == FAIL) found.error = one->error;
        if (one->action == LIE) found.is_lie = 1;
        if (one->action == TEAR) found.is_torn = 1;
        if (one->action == KILL_AFTER || one->action == TEAR) found.is_last = 1;
    }
    return found;
}

/* ── journal ───────────────────────────────────────────────────────────────────────────────── */

static void note(char what, ino_t inode, int64_t at, const char *path, const char *other,
                 const void *bytes, size_t length) {
    struct { char magic[4]; char what; char zero[3]; uint64_t inode; int64_t at;
             uint32_t path, other, bytes, none; } head = {"", what, {0}, inode, at, 0, 0, 0, 0};
    if (journal < 0) return;
    memcpy(head.magic, "WFJ1", 4);
    head.path = strlen(path);
    head.other = strlen(other);
    head.bytes = length;
    struct iovec parts[] = {{&head, 40}, {(void *)path, head.path}, {(void *)other, head.other},
                            {(void *)bytes, length}};
    if (syscall(SYS_writev, journal, parts, 4) != (long)(40 + head.path + head.other + length)) {
        fprintf(stderr, "FAULTS_JOURNAL: cannot be written\n");
        abort();
    }
}

/* ── which file ────────────────────────────────────────────────────────────────────────────── */

/* The path below the root, or NULL. The root itself is ".". */
static const char *below(int folder, const char *path, char *buffer) {
    char start[PATH_MAX] = "", link[64];
    if (!root_length || !path) return NULL;
    if (*path == '/') snprintf(buffer, 2 * PATH_MAX, "%s", path);
    else {
        snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, start, sizeof start - 1);
        if (length < 0) return NULL;
        start[length] = 0;
        snprintf(buffer, 2 * PATH_MAX, "%s/%s", start, path);
    }
    size_t end = strlen(buffer);
    while (end > 1 && buffer[end - 1] == '/') buffer[--end] = 0;
    if (strncmp(buffer, root, root_length)) return NULL;
    if (!buffer[root_length]) return ".";
    return buffer[root_length] == '/' ? buffer + root_length + 1 : NULL;
}

static void forget(int fd) {
    if (fd >= 0 && fd < MAX_FILES && files[fd]) {
        free(files[fd]);
        files[fd] = NULL;
    }
}

static void remember(int fd, const char *path) {
    struct stat now;
    if (fd < 0 || fd >= MAX_FILES || fstat(fd, &now)) return;
    forget(fd);
    files[fd] = malloc(sizeof **files);
    files[fd]->device = now.st_dev;
    files[fd]->inode = now.st_ino;
    snprintf(files[fd]->path, PATH_MAX, "%s", path);
}

/* The path of a watched descriptor and its present state, or NULL. */
static const char *find(int fd, struct stat *now) {
    if (fd < 0 || fd >= MAX_FILES || !files[fd] || fstat(fd, now)) return NULL;
    if (now->st_ino != files[fd]->inode || now->st_dev != files[fd]->device) return NULL;
    return files[fd]->path;
}

static long end(long answer, struct verdict verdict) {
    int kept = errno;
    if (verdict.is_last) die();
    pthread_mutex_unlock(&turn);
    errno = kept;
    return answer;
}

static long refuse(int error) {
    pthread_mutex_unlock(&turn);
    errno = error;
    return -1;
}

/* ── opening ───────────────────────────────────────────────────────────────────────────────── */

static int open_file(int folder, const char *path, int flags, mode_t mode) {
    char buffer[2 * PATH_MAX];
    const char *name = below(folder, path, buffer);
    pthread_mutex_lock(&turn);
    if (!name) {
        int other = syscall(SYS_openat, folder, path, flags, mode);
        forget(other);
        return end(other, (struct verdict){0, 0, 0, 0});
    }
    int is_there = !syscall(SYS_faccessat, folder, path, F_OK);
    int is_new = (flags & O_CREAT) && !is_there, is_cut = is_there && (flags & O_TRUNC);
    struct verdict verdict = {0, 0, 0, 0};
    if (is_new || is_cut) verdict = judge(is_new ? "create" : "truncate", name);
    if (verdict.error) return refuse(verdict.error);
    int fd = syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0) {
        remember(fd, name);
        if (is_new) note('C', files[fd]->inode, 0, name, "", "", 0);
        if (is_cut) note('T', files[fd]->inode, 0, name, "", "", 0);
    }
    return end(fd, verdict);
}

static mode_t mode_of(int flags, va_list more) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
}

#define OPENS(name) int name(const char *path, int flags, ...) { va_list more; va_start(more, flags); \
    mode_t mode = mode_of(flags, more); va_end(more); return open_file(AT_FDCWD, path, flags, mode); }
#define OPENS_AT(name) int name(int folder, const char *path, int flags, ...) { va_list more; \
    va_start(more, flags); mode_t mode = mode_of(flags, more); va_end(more); \
    return open_file(folder, path, flags, mode); }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)
int __open_2(const char *path, int flags) { return open_file(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_file(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) {
    return open_file(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
    pthread_mutex_lock(&turn);
    forget(fd);
    return end(syscall(SYS_close, fd), (struct verdict){0, 0, 0, 0});
}

/* ── writing ───────────────────────────────────────────────────────────────────────────────── */

/* at < 0: where the descriptor stands. */
static ssize_t write_bytes(int fd, const struct iovec *parts, int n_parts, off_t at) {
    struct stat now;
    pthread_mutex_lock(&turn);
    const char *path = find(fd, &now);
    if (!path) {
        pthread_mutex_unlock(&turn);
        return at < 0 ? syscall(SYS_writev, fd, parts, n_parts)
                      : syscall(SYS_pwritev, fd, parts, n_parts, at, 0);
    }
    size_t length = 0, done = 0;
    for (int i = 0; i < n_parts; i++) length += parts[i].iov_len;
    char *bytes = malloc(length + 1);
    for (int i = 0; i < n_parts; done += parts[i++].iov_len)
        memcpy(bytes + done, parts[i].iov_base, parts[i].iov_len);
    int is_appending = fcntl(fd, F_GETFL) & O_APPEND;
    off_t begin = is_appending ? now.st_size : at < 0 ? lseek(fd, 0, SEEK_CUR) : at;
    struct verdict verdict = judge("write", path);
    ssize_t written = length;
    if (verdict.error) written = -1, errno = verdict.error;
    else if (!verdict.is_lie) {
        if (verdict.is_torn) length /= 2;
        written = at < 0 ? syscall(SYS_write, fd, bytes, length)
                         : syscall(SYS_pwrite64, fd, bytes, length, at);
        if (written > 0) note('W', now.st_ino, begin, path, "", bytes, written);
    }
    int kept = errno;
    free(bytes);
    errno = kept;
    return end(written, verdict);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return write_bytes(fd, &(struct iovec){(void *)bytes, length}, 1, -1);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return write_bytes(fd, &(struct iovec){(void *)bytes, length}, 1, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) { return pwrite(fd, bytes, n, at); }
ssize_t writev(int fd, const struct iovec *parts, int n) { return write_bytes(fd, parts, n, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) {
    return write_bytes(fd, parts, n, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t at) {
    return write_bytes(fd, parts, n, at);
}

/* A copy made by the kernel: what was written is read back. */
static ssize_t note_copy(int fd, const struct stat *now, const char *path, off_t at, ssize_t length) {
    char link[64], *bytes = malloc(length + 1);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    if (syscall(SYS_pread64, again, bytes, length, at) != length) abort();
    syscall(SYS_close, again);
    note('W', now->st_ino, at, path, "", bytes, length);
    free(bytes);
    return length;
}

static ssize_t copy_bytes(int to, const off_t *to_at, int from, off_t *from_at, size_t length,
                          off_t *move, unsigned flags, int is_sendfile) {
    struct stat now;
    pthread_mutex_lock(&turn);
    const char *path = find(to, &now);
    struct verdict verdict = {0, 0, 0, 0};
    if (path) verdict = judge("write", path);
    if (verdict.error) return refuse(verdict.error);
    off_t at = to_at ? *to_at : lseek(to, 0, SEEK_CUR);
    if (verdict.is_torn) length /= 2;
    ssize_t done = is_sendfile ? syscall(SYS_sendfile, to, from, from_at, length)
                               : syscall(SYS_copy_file_range, from, from_at, to, move, length, flags);
    if (path && done > 0) note_copy(to, &now, path, at, done);
    return end(done, verdict);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags) {
    off_t at = to_at ? *to_at : 0;
    return copy_bytes(to, to_at ? &at : NULL, from, from_at, n, to_at, flags, 0);
}
ssize_t sendfile(int to, int from, off_t *at, size_t n) {
    return copy_bytes(to, NULL, from, at, n, NULL, 0, 1);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t n) { return sendfile(to, from, at, n); }

static int resize(int fd, off_t size, int is_reserving, int mode, off_t at, off_t length) {
    struct stat now;
    pthread_mutex_lock(&turn);
    const char *path = find(fd, &now);
    struct verdict verdict = {0, 0, 0, 0};
    if (path) verdict = judge("truncate", path);
    if (verdict.error) return refuse(verdict.error);
    int answer = is_reserving ? syscall(SYS_fallocate, fd, mode, at, length)
                              : syscall(SYS_ftruncate, fd, size);
    struct stat after;
    if (path && !answer && !fstat(fd, &after)) note('T', now.st_ino, after.st_size, path, "", "", 0);
    return end(answer, verdict);
}

int ftruncate(int fd, off_t size) { return resize(fd, size, 0, 0, 0, 0); }
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }
int fallocate(int fd, int mode, off_t at, off_t n) { return resize(fd, 0, 1, mode, at, n); }
int fallocate64(int fd, int mode, off64_t at, off64_t n) { return fallocate(fd, mode, at, n); }
int posix_fallocate(int fd, off_t at, off_t n) { return fallocate(fd, 0, at, n) ? errno : 0; }
int posix_fallocate64(int fd, off64_t at, off64_t n) { return posix_fallocate(fd, at, n); }
int truncate(const char *path, off_t size) {
    int fd = open_file(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) return -1;
    int answer = ftruncate(fd, size), kept = errno;
    close(fd);
    errno = kept;
    return answer;
}
int truncate64(const char *path, off64_t size) { return truncate(path, size); }

void *mmap(void *where, size_t length, int access, int flags, int fd, off_t at) {
    struct stat now;
    if (root_length && fd >= 0 && (flags & MAP_SHARED) && (access & PROT_WRITE)) {
        pthread_mutex_lock(&turn);
        const char *path = find(fd, &now);
        if (path) note('P', now.st_ino, at, path, "", "", 0);
        pthread_mutex_unlock(&turn);
    }
    return (void *)syscall(SYS_mmap, where, length, access, flags, fd, at);
}
void *mmap64(void *where, size_t length, int access, int flags, int fd, off64_t at) {
    return mmap(where, length, access, flags, fd, at);
}

/* ── syncing ───────────────────────────────────────────────────────────────────────────────── */

static int sync_file(int fd, long number) {
    struct stat now;
    pthread_mutex_lock(&turn);
    const char *path = find(fd, &now);
    if (!path) {
        pthread_mutex_unlock(&turn);
        return syscall(number, fd);
    }
    int is_folder = S_ISDIR(now.st_mode);
    struct verdict verdict = judge(is_folder ? "fsyncdir" : "fsync", path);
    if (verdict.error) return refuse(verdict.error);
    int answer = verdict.is_lie || is_sync_left_out ? 0 : syscall(number, fd);
    if (!answer && !verdict.is_lie) note(is_folder ? 'D' : 'S', now.st_ino, 0, path, "", "", 0);
    return end(answer, verdict);
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

/* ── names ─────────────────────────────────────────────────────────────────────────────────── */

static int move_name(int from_folder, const char *from, int to_folder, const char *to, unsigned flags,
                     int is_link) {
    char buffer[2 * PATH_MAX], other_buffer[2 * PATH_MAX];
    const char *name = below(from_folder, from, buffer), *other = below(to_folder, to, other_buffer);
    struct verdict verdict = {0, 0, 0, 0};
    pthread_mutex_lock(&turn);
    if (other) verdict = judge(is_link ? "link" : "rename", other);
    if (verdict.error) return refuse(verdict.error);
    int answer = is_link ? syscall(SYS_linkat, from_folder, from, to_folder, to, flags)
                         : syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (!answer && other) note(is_link ? 'L' : 'R', 0, 0, name ? name : "", other, "", 0);
    return end(answer, verdict);
}

int rename(const char *from, const char *to) { return move_name(AT_FDCWD, from, AT_FDCWD, to, 0, 0); }
int renameat(int a, const char *from, int b, const char *to) { return move_name(a, from, b, to, 0, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    return move_name(a, from, b, to, flags, 0);
}
int link(const char *from, const char *to) { return move_name(AT_FDCWD, from, AT_FDCWD, to, 0, 1); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    return move_name(a, from, b, to, flags, 1);
}

static int change_name(int folder, const char *path, const char *kind, char what, int flags, mode_t mode) {
    char buffer[2 * PATH_MAX];
    const char *name = below(folder, path, buffer);
    struct verdict verdict = {0, 0, 0, 0};
    struct stat now = {0};
    pthread_mutex_lock(&turn);
    if (name) verdict = judge(kind, name);
    if (verdict.error) return refuse(verdict.error);
    int answer = what == 'M' ? syscall(SYS_mkdirat, folder, path, mode)
                             : syscall(SYS_unlinkat, folder, path, flags);
    if (what == 'M' && !answer) fstatat(folder, path, &now, 0);
    if (name && !answer) note(what, now.st_ino, 0, name, "", "", 0);
    return end(answer, verdict);
}

int unlinkat(int folder, const char *path, int flags) {
    int is_folder = flags & AT_REMOVEDIR;
    return change_name(folder, path, is_folder ? "rmdir" : "unlink", is_folder ? 'X' : 'U', flags, 0);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    return !unlink(path) ? 0 : errno == EISDIR ? rmdir(path) : -1;
}
int mkdir(const char *path, mode_t mode) { return change_name(AT_FDCWD, path, "mkdir", 'M', 0, mode); }
int mkdirat(int folder, const char *path, mode_t mode) {
    return change_name(folder, path, "mkdir", 'M', 0, mode);
}
