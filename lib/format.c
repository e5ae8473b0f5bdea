#include "lib/format.h"

#include <stdbool.h>
#include <stdint.h>

struct output {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, also beyond size */
};

struct directive {
    bool left;
    bool zeros;
    int width;
    int precision; /* -1: none */
    int longs;     /* number of l, z counts as one */
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void put_padding(struct output *out, char c, int count)
{
    while (count-- > 0)
        put(out, c);
}

static void put_text(struct output *out, const struct directive *d, const char *text)
{
    int length = 0;

    if (!text)
        text = "(null)";
    while ((d->precision < 0 || length < d->precision) && text[length])
        length++;
    if (!d->left)
        put_padding(out, ' ', d->width - length);
    for (int i = 0; i < length; i++)
        put(out, text[i]);
    if (d->left)
        put_padding(out, ' ', d->width - length);
}

static void put_number(struct output *out, const struct directive *d, uint64_t value, unsigned base,
                       bool negative)
{
    char digits[20]; /* 2^64 - 1 has 20 decimal digits */
    int count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);

    int padding = d->width - count - negative;
    bool zeros = d->zeros && !d->left;

    if (!d->left && !zeros)
        put_padding(out, ' ', padding);
    if (negative)
        put(out, '-');
    if (zeros)
        put_padding(out, '0', padding);
    while (count > 0)
        put(out, digits[--count]);
    if (d->left)
        put_padding(out, ' ', padding);
}

static int read_number(const char **fmt)
{
    int number = 0;

    while (**fmt >= '0' && **fmt <= '9' && number < 10000)
        number = number * 10 + *(*fmt)++ - '0';
    return number;
}

/* va_list may be an array type, so a pointer to it can only be passed inside a structure. */
struct arguments {
    va_list list;
};

/* Reads flags, width, precision and length; leaves *fmt at the conversion's letter. */
static struct directive read_directive(const char **fmt, struct arguments *arguments)
{
    struct directive d = {.precision = -1};

    for (;; (*fmt)++) {
        if (**fmt == '-')
            d.left = true;
        else if (**fmt == '0')
            d.zeros = true;
        else
            break;
    }
    if (**fmt == '*') {
        d.width = va_arg(arguments->list, int);
        (*fmt)++;
    } else {
        d.width = read_number(fmt);
    }
    if (**fmt == '.') {
        (*fmt)++;
        if (**fmt == '*') {
            d.precision = va_arg(arguments->list, int);
            (*fmt)++;
        } else {
            d.precision = read_number(fmt);
        }
    }
    for (; **fmt == 'l' || **fmt == 'z'; (*fmt)++)
        d.longs++;
    return d;
}

static uint64_t read_unsigned(const struct directive *d, struct arguments *arguments)
{
    return d->longs ? va_arg(arguments->list, unsigned long) : va_arg(arguments->list, unsigned);
}

static int64_t read_signed(const struct directive *d, struct arguments *arguments)
{
    return d->longs ? va_arg(arguments->list, long) : va_arg(arguments->list, int);
}

static void put_directive(struct output *out, const char **fmt, struct arguments *arguments)
{
    const char *start = *fmt;
    struct directive d = read_directive(fmt, arguments);
    int64_t number;

    switch (**fmt) {
    case 'c':
        put(out, (char)va_arg(arguments->list, int));
        break;
    case 's':
        put_text(out, &d, va_arg(arguments->list, const char *));
        break;
    case 'd':
        number = read_signed(&d, arguments);
        put_number(out, &d, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, number < 0);
        break;
    case 'u':
        put_number(out, &d, read_unsigned(&d, arguments), 10, false);
        break;
    case 'x':
        put_number(out, &d, read_unsigned(&d, arguments), 16, false);
        break;
    case '%':
        put(out, '%');
        break;
    default: /* nothing that we know: show it, and don't step over the end */
        put(out, '%');
        *fmt = start;
        return;
    }
    (*fmt)++;
}

size_t format_arguments(char *buffer, size_t size, const char *fmt, va_list list)
{
    struct output out = {.buffer = buffer, .size = size};
    struct arguments arguments;

    va_copy(arguments.list, list);
    while (*fmt) {
        if (*fmt == '%') {
            fmt++;
            put_directive(&out, &fmt, &arguments);
        } else {
            put(&out, *fmt++);
        }
    }
    va_end(arguments.list);
    if (size)
        buffer[out.length < size ? out.length : size - 1] = '\0';
    return out.length;
}

size_t format(char *buffer, size_t size, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    size_t length = format_arguments(buffer, size, fmt, arguments);
    va_end(arguments);
    return length;
}
