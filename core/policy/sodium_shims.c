/*
 * What libsodium expects of a C library and a system. Core links Debian's static archive, of
 * which only verification and hashes are used: whatever would draw in memory management,
 * randomness or threads is replaced here, so the linker leaves it out.
 *
 * libsodium uses SSE2, the red zone and the stack canary at %fs:28h: core calls it with its
 * own FS base, on stacks that no interrupt shares, and never with a guest's FPU state live.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#include "core/platform/platform.h"
#include "lib/memory.h"

int *__errno_location(void);
noreturn void __stack_chk_fail(void);
noreturn void __assert_fail(const char *what, const char *file, unsigned line,
                            const char *function);
noreturn void abort(void);
char *strchr(const char *text, int c);
noreturn void sodium_misuse(void);
void sodium_memzero(void *bytes, size_t size);
int sodium_memcmp(const void *a, const void *b, size_t size);
int sodium_is_zero(const unsigned char *bytes, size_t size);
void randombytes_buf(void *bytes, size_t size);
void blake2b_compress_ssse3(void);
void blake2b_compress_sse41(void);
void blake2b_compress_avx2(void);

#define REPORT "This is a fault of core: report it with this console's text"

/* Written by the decoder of base64 before the first domain runs, read by nobody. */
int *__errno_location(void)
{
    static int number;

    return &number;
}

noreturn void __stack_chk_fail(void)
{
    fatal("libsodium: a stack buffer overflowed. " REPORT);
}

noreturn void __assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
    fatal("libsodium: %s is not so: %s:%u, %s. " REPORT, what, file, line, function);
}

noreturn void abort(void)
{
    fatal("libsodium: aborted. " REPORT);
}

noreturn void sodium_misuse(void)
{
    fatal("libsodium: called with arguments out of range. " REPORT);
}

char *strchr(const char *text, int c)
{
    while (*text != (char)c && *text != 0)
        text++;
    return *text == (char)c ? (char *)(uintptr_t)text : NULL;
}

/* Core has no randomness of its own, and none of what it calls asks for any. */
void randombytes_buf(void *bytes, size_t size)
{
    fatal("libsodium: asks for %lu random bytes at %lx. " REPORT, size, (uint64_t)bytes);
}

void sodium_memzero(void *bytes, size_t size)
{
    memset(bytes, 0, size);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* a store to dead memory must stay */
}

/* These two take the same time whatever the bytes are. */
int sodium_memcmp(const void *a, const void *b, size_t size)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char difference = 0;

    for (size_t i = 0; i < size; i++)
        difference |= (unsigned char)(x[i] ^ y[i]);
    return difference != 0 ? -1 : 0;
}

int sodium_is_zero(const unsigned char *bytes, size_t size)
{
    const volatile unsigned char *x = bytes;
    unsigned char seen = 0;

    for (size_t i = 0; i < size; i++)
        seen |= x[i];
    return seen == 0;
}

/* Forms of BLAKE2b for wider registers, 18 KiB. Only sodium_init chooses among them; without it,
 * the plain one runs. */
void blake2b_compress_ssse3(void)
{
    sodium_misuse();
}

void blake2b_compress_sse41(void)
{
    sodium_misuse();
}

void blake2b_compress_avx2(void)
{
    sodium_misuse();
}
