/* The texts that are read, and where in them things are. */
#include "internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SOURCE (1u << 20)

size_t source_offset(const struct source *source, struct place at)
{
    size_t offset = 0;

    for (uint32_t line = 1; line < at.line && offset < source->size; offset++)
        if (source->text[offset] == '\n')
            line++;
    offset += at.column - 1;
    return offset < source->size ? offset : source->size;
}

/* Read the file, zero-terminated, into the front's next source. False: errno says why. */
static bool read_source(struct front *front, const char *path)
{
    struct source *source = &front->source[front->source_count];
    FILE *file = fopen(path, "rb");
    size_t got;
    int error;

    if (file == NULL)
        return false;
    source->path = front_format(front, "%s", path);
    source->text = front_alloc(front, MAX_SOURCE + 1);
    errno = 0;
    got = fread(source->text, 1, MAX_SOURCE + 1, file);
    error = ferror(file) != 0 ? errno : got > MAX_SOURCE ? EFBIG : 0;
    fclose(file);
    errno = error;
    source->size = got <= MAX_SOURCE ? got : MAX_SOURCE;
    source->text[source->size] = 0;
    if (error != 0)
        return false;
    front->source_count++;
    return true;
}

/* The path as the policy means it: relative to the policy's directory. */
static const char *machine_path(struct front *front, const char *policy_path)
{
    const char *written = front->policy.machine.value;
    const char *slash = strrchr(policy_path, '/');

    if (written[0] == '/' || slash == NULL)
        return written;
    return front_format(front, "%.*s/%s", (int)(slash - policy_path), policy_path, written);
}

static bool load_machine(struct front *front, const char *policy_path)
{
    const char *path;

    if (front->policy.machine.at.line == 0)
        return false;
    path = machine_path(front, policy_path);
    if (!read_source(front, path))
        return report(front, CHECK_machine_unreadable, front->policy.machine.at, path,
                      strerror(errno), NULL);
    parse_source(front, front->source_count - 1, WANTED_MACHINE);
    check_machine(front);
    return true;
}

static enum front_result check(struct front *front, const char *path)
{
    parse_source(front, 0, WANTED_POLICY);
    check_policy(front);
    if (load_machine(front, path)) {
        check_grants(front);
        check_channels(front);
        check_nevers(front);
    }
    return front->errors == 0 ? FRONT_OK : FRONT_ERRORS;
}

enum front_result front_load(struct front *front, const char *path)
{
    memset(front, 0, sizeof(*front));
    front->arena = arena_new();
    return read_source(front, path) ? check(front, path) : FRONT_UNREADABLE;
}

enum front_result front_load_text(struct front *front, const char *path, const char *text)
{
    memset(front, 0, sizeof(*front));
    front->arena = arena_new();
    front->source[0] = (struct source){front_format(front, "%s", path),
                                       front_format(front, "%s", text), strlen(text)};
    front->source_count = 1;
    return check(front, path);
}

void front_free(struct front *front)
{
    arena_free(front->arena);
    memset(front, 0, sizeof(*front));
}
