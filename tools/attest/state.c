#include "state.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "difference.h"
#include "sha256.h"

#define KEEP      86400 /* seconds for which "used before" is told from "not ours" */
#define HEX_SIZE  (2u * 32u + 1u)
#define TEXT_SIZE 24u

static bool refuse(char fault[FAULT_SIZE], const char *path, const char *what)
{
    snprintf(fault, FAULT_SIZE, "%.200s: %s: %s", path, what, strerror(errno));
    return false;
}

/* DIR/kind/32 bytes in hexadecimal. */
static bool name_file(const struct state *state, const char *kind, const uint8_t id[32],
                      char path[PATH_MAX])
{
    char text[HEX_SIZE];

    hex(text, sizeof(text), id, 32);
    return snprintf(path, PATH_MAX, "%s/%s/%s", state->path, kind, text) < PATH_MAX;
}

static bool make_directories(char *path)
{
    for (char *slash = path + 1;; slash++) {
        slash = strchrnul(slash, '/');
        bool is_last = *slash == '\0';

        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
        if (is_last)
            return true;
        *slash = '/';
    }
}

static bool choose_path(struct state *state, const char *path)
{
    const char *home = getenv("HOME"), *data = getenv("XDG_STATE_HOME");
    int length = -1;

    if (path != NULL)
        length = snprintf(state->path, sizeof(state->path), "%s", path);
    else if (data != NULL && data[0] == '/')
        length = snprintf(state->path, sizeof(state->path), "%s/bulkhead", data);
    else if (home != NULL && home[0] != '\0')
        length = snprintf(state->path, sizeof(state->path), "%s/.local/state/bulkhead", home);
    return length > 0 && (size_t)length < sizeof(state->path);
}

bool state_open(struct state *state, const char *path, int64_t now, char fault[FAULT_SIZE])
{
    static const char *const kinds[] = {"open", "used", "floor"};
    char directory[PATH_MAX];

    memset(state, 0, sizeof(*state));
    state->now = now;
    state->max_age = NONCE_MAX_AGE;
    if (!choose_path(state, path)) {
        snprintf(fault, FAULT_SIZE, "no directory for the verifier's state: give --state DIR");
        return false;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (snprintf(directory, sizeof(directory), "%s/%s", state->path, kinds[i]) >=
                (int)sizeof(directory) ||
            !make_directories(directory))
            return refuse(fault, state->path, "the directory can't be made");
    return true;
}

static bool write_number(int file, uint64_t number)
{
    char text[TEXT_SIZE];
    int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", number);

    return write(file, text, (size_t)length) == length && fsync(file) == 0;
}

/* A whole number, then a newline, and nothing else. */
static bool read_number(const char *path, uint64_t *number)
{
    char text[TEXT_SIZE + 1], *end;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (file < 0)
        return false;
    length = read(file, text, sizeof(text) - 1);
    close(file);
    errno = EBADMSG;
    if (length <= 1 || text[0] < '0' || text[0] > '9' || text[length - 1] != '\n')
        return false;
    text[length] = '\0';
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno != 0 || end != text + length - 1) {
        errno = EBADMSG;
        return false;
    }
    return true;
}

/* Forget what is so old that it is refused anyway. What can't be removed stays refused. */
static void forget_old(const struct state *state, const char *kind)
{
    char directory[PATH_MAX], path[PATH_MAX];
    const struct dirent *entry;
    uint64_t created;
    DIR *listing;

    if (snprintf(directory, sizeof(directory), "%s/%s", state->path, kind) >=
        (int)sizeof(directory))
        return;
    listing = opendir(directory);
    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) >= (int)sizeof(path))
            continue;
        if (read_number(path, &created) && (int64_t)created < state->now - KEEP)
            unlink(path);
    }
    if (listing != NULL)
        closedir(listing);
}

bool state_add_nonce(struct state *state, const uint8_t nonce[BH_NONCE_SIZE],
                     char fault[FAULT_SIZE])
{
    char path[PATH_MAX], used[PATH_MAX];
    int file;
    bool is_written;

    forget_old(state, "open");
    forget_old(state, "used");
    errno = ENAMETOOLONG;
    if (!name_file(state, "open", nonce, path) || !name_file(state, "used", nonce, used))
        return refuse(fault, state->path, "no place for a nonce");
    errno = EEXIST;
    if (access(used, F_OK) == 0)
        return refuse(fault, used, "this nonce was used before");
    file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return refuse(fault, path, "a nonce can't be kept");
    is_written = write_number(file, (uint64_t)state->now);
    is_written = close(file) == 0 && is_written;
    if (is_written)
        return true;
    unlink(path);
    return refuse(fault, path, "a nonce can't be kept");
}

enum nonce_verdict state_nonce(void *context, const uint8_t nonce[BH_NONCE_SIZE])
{
    struct state *state = context;
    char open_path[PATH_MAX], used_path[PATH_MAX];
    uint64_t created;

    if (!name_file(state, "open", nonce, open_path) || !name_file(state, "used", nonce, used_path))
        return NONCE_UNKNOWN;
    if (access(used_path, F_OK) == 0)
        return NONCE_USED;
    /* Of two at a time only one can move it. */
    if (rename(open_path, used_path) != 0) {
        if (errno != ENOENT)
            refuse(state->fault, open_path, "a nonce can't be marked as used");
        return access(used_path, F_OK) == 0 ? NONCE_USED : NONCE_UNKNOWN;
    }
    if (!read_number(used_path, &created)) {
        refuse(state->fault, used_path, "a nonce's age can't be read");
        return NONCE_UNKNOWN;
    }
    /* A clock that was set back makes no nonce fresh. */
    if ((int64_t)created > state->now || state->now - (int64_t)created > state->max_age)
        return NONCE_EXPIRED;
    return NONCE_FRESH;
}

static bool name_floor(const struct state *state, const struct reference *reference,
                       char path[PATH_MAX])
{
    uint8_t id[32];

    sha256_two(reference->author, sizeof(reference->author), reference->name,
               strlen(reference->name), id);
    return name_file(state, "floor", id, path);
}

bool state_floor(const struct state *state, const struct reference *reference, uint64_t *floor,
                 char fault[FAULT_SIZE])
{
    char path[PATH_MAX];

    *floor = 0;
    errno = ENAMETOOLONG;
    if (!name_floor(state, reference, path))
        return refuse(fault, state->path, "no place for a version");
    if (read_number(path, floor) || errno == ENOENT)
        return true;
    return refuse(fault, path, "the highest version seen can't be read");
}

/* In a new file, renamed into place: nobody sees half of it. */
static bool replace_number(const char *path, uint64_t number)
{
    char temporary[PATH_MAX + 8];
    int file;
    bool is_written;

    snprintf(temporary, sizeof(temporary), "%s.new", path);
    file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    is_written = write_number(file, number);
    is_written = close(file) == 0 && is_written;
    return is_written && rename(temporary, path) == 0;
}

bool state_raise_floor(const struct state *state, const struct reference *reference,
                       char fault[FAULT_SIZE])
{
    char path[PATH_MAX];
    uint64_t floor;
    int lock = open(state->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_raised;

    if (lock < 0 || flock(lock, LOCK_EX) != 0 || !name_floor(state, reference, path)) {
        if (lock >= 0)
            close(lock);
        return refuse(fault, state->path, "the directory can't be locked");
    }
    is_raised = state_floor(state, reference, &floor, fault);
    if (is_raised && reference->version > floor && !replace_number(path, reference->version))
        is_raised = refuse(fault, path, "the highest version seen can't be kept");
    close(lock);
    return is_raised;
}
