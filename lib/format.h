/* Text formatting without a C library, for core and bare-metal domains. */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Writes the text that fmt describes to buffer, always terminated if size isn't 0, cut to size-1
 * characters. Directives: %c %s %d %u %x %%, with - and 0, width, precision for %s (both also *),
 * and lengths l, ll, z. Anything else is written as it stands.
 * Returns the length of the whole text, so size or more means that it was cut.
 */
size_t format(char *buffer, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_arguments(char *buffer, size_t size, const char *fmt, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
