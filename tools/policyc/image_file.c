#include "image_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM (BH_MAX_IMAGE + BH_PAGE)

enum exit_code read_image(const char *path, void **bytes, size_t *size)
{
    FILE *file = fopen(path, "rb");
    int error = errno;

    *bytes = malloc(ROOM);
    if (file != NULL && *bytes != NULL) {
        errno = 0;
        *size = fread(*bytes, 1, ROOM, file);
        error = ferror(file) != 0 ? errno : 0;
    }
    if (file != NULL)
        fclose(file);
    if (file != NULL && *bytes != NULL && error == 0)
        return EXIT_OK;
    free(*bytes);
    return fail(EXIT_IO, "%s can't be read: %s", path, strerror(error));
}
