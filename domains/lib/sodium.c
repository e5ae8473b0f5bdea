/*
 * What libsodium.a wants from a C library, and its own utilities in a form that needs no
 * operating system: linked first, they keep utils.o (mmap, pthread) out.
 */
#include <sodium/randombytes.h>
#include <sodium/utils.h>

#include "domains/lib/flat.h"
#include "domains/lib/random.h"
#include "lib/memory.h"

void __stack_chk_fail(void);
void abort(void);
void __assert_fail(const char *what, const char *file, unsigned line, const char *function);
void sodium_misuse(void);

void __stack_chk_fail(void)
{
    flat_print("stopped: a function wrote beyond its stack frame");
    flat_stop();
}

void abort(void)
{
    flat_print("stopped: libsodium called abort()");
    flat_stop();
}

void __assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
    flat_print("stopped: assertion %s failed in %s, %s:%u", what, function, file, line);
    flat_stop();
}

void sodium_misuse(void)
{
    flat_print("stopped: libsodium was called wrongly");
    flat_stop();
}

void sodium_memzero(void *const memory, const size_t length)
{
    memset(memory, 0, length);
    __asm__ volatile("" : : "r"(memory) : "memory");
}

/* Constant time: the loop looks at every byte whatever it finds. */
int sodium_memcmp(const void *const a, const void *const b, size_t length)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t difference = 0;

    for (size_t i = 0; i < length; i++)
        difference = (uint8_t)(difference | (x[i] ^ y[i]));
    return difference ? -1 : 0;
}

int sodium_is_zero(const unsigned char *bytes, const size_t length)
{
    const volatile uint8_t *x = bytes;
    uint8_t any = 0;

    for (size_t i = 0; i < length; i++)
        any |= x[i];
    return any == 0;
}

/* libsodium has no way to hear of a failure here, and must not go on without randomness. */
void randombytes_buf(void *const buffer, const size_t size)
{
    uint8_t *bytes = buffer;

    for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
        uint64_t words[2]; /* two, so that a source that repeats itself is noticed */
        size_t part = size - done < sizeof(words[0]) ? size - done : sizeof(words[0]);

        if (!random_words(random_rdrand, words, 2)) {
            flat_print("stopped: the CPU's RDRAND gives no random numbers");
            flat_stop();
        }
        memcpy(bytes + done, words, part);
    }
}
