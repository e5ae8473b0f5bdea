/* Reading a policy image from a file. */
#ifndef POLICYC_IMAGE_FILE_H
#define POLICYC_IMAGE_FILE_H

#include "command.h"

/* The file's bytes, malloc'ed; at most one page more than an image can have. */
enum exit_code read_image(const char *path, void **bytes, size_t *size);

#endif
