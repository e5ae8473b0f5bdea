/*
 * Runs a fuzz target without a fuzzer: over each file of a corpus, each of its prefixes, and a
 * number of copies altered by chance. The same in every run. An input at which the target dies is
 * kept in the file PROGRAM.crash.
 *
 *   PROGRAM ALTERED FILE...
 *   PROGRAM 0 PROGRAM.crash      tries that one again
 */
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define LONGEST      131072u
#define PREFIXES_MAX 8192u

static uint8_t input[LONGEST];
static size_t input_size;
static char crash_path[512];

static void keep_input(void)
{
    int file = open(crash_path, O_CREAT | O_WRONLY | O_TRUNC, 0666);

    if (file < 0 || write(file, input, input_size) != (ssize_t)input_size)
        return;
    dprintf(2, "the input is in %s (%zu bytes)\n", crash_path, input_size);
}

static void aborted(int number)
{
    keep_input();
    signal(number, SIG_DFL);
    raise(number);
}

/* xorshift64* (Vigna, 2016) */
static uint64_t chance(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1du;
}

static size_t below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(chance() % limit);
}

/* Numbers at which parsers break. */
static uint64_t odd_number(void)
{
    static const uint64_t numbers[] = {0,          1,          0x17,      0x18,   0x7f,
                                       0x80,       0xff,       0x100,     0x7fff, 0xffff,
                                       0x7fffffff, 0xffffffff, UINT64_MAX};

    return numbers[below(sizeof(numbers) / sizeof(numbers[0]))];
}

static void put_number(size_t at)
{
    uint64_t value = odd_number();
    size_t size = (size_t)1 << below(4);
    unsigned is_big_endian = chance() & 1;

    for (size_t i = 0; i < size && at + i < input_size; i++)
        input[at + i] = (uint8_t)(value >> 8 * (is_big_endian ? size - 1 - i : i));
}

static void remove_some(size_t at)
{
    size_t size = below(input_size - at) % 64;

    memmove(input + at, input + at + size, input_size - at - size);
    input_size -= size;
}

static void repeat_some(size_t at)
{
    size_t size = below(input_size - at) % 256;

    if (input_size + size > LONGEST)
        return;
    memmove(input + at + size, input + at, input_size - at);
    input_size += size;
}

static void exchange_some(size_t at)
{
    size_t other = below(input_size), size = below(32);

    for (size_t i = 0; i < size && at + i < input_size && other + i < input_size; i++) {
        uint8_t byte = input[at + i];

        input[at + i] = input[other + i];
        input[other + i] = byte;
    }
}

static void alter_once(void)
{
    size_t at = below(input_size);

    if (input_size == 0)
        return;
    switch (chance() % 7) {
    case 0:
        input[at] ^= (uint8_t)(1u << below(8));
        break;
    case 1:
        input[at] = (uint8_t)chance();
        break;
    case 2:
        put_number(at);
        break;
    case 3:
        remove_some(at);
        break;
    case 4:
        repeat_some(at);
        break;
    case 5:
        exchange_some(at);
        break;
    default:
        input_size = at;
        break;
    }
}

static void run(void)
{
    /* of just its size, so that reading beyond it is seen */
    uint8_t *copy = malloc(input_size);

    if (input_size != 0)
        memcpy(copy, input, input_size);
    LLVMFuzzerTestOneInput(copy, input_size);
    free(copy);
}

static size_t load(const char *path, uint8_t original[LONGEST])
{
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file) {
        perror(path);
        exit(2);
    }
    size = fread(original, 1, LONGEST, file);
    fclose(file);
    return size;
}

static void run_file(const char *path, unsigned long altered)
{
    static uint8_t original[LONGEST];
    size_t size = load(path, original);

    memcpy(input, original, size);
    input_size = size;
    run();
    if (altered == 0)
        return;
    for (size_t prefix = 0; prefix < size; prefix += 1 + size / PREFIXES_MAX) {
        memcpy(input, original, size);
        input_size = prefix;
        run();
    }
    for (unsigned long i = 0; i < altered; i++) {
        memcpy(input, original, size);
        input_size = size;
        for (size_t times = 1 + below(4); times != 0; times--)
            alter_once();
        run();
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s ALTERED FILE...\n", argv[0]);
        return 2;
    }
    snprintf(crash_path, sizeof(crash_path), "%s.crash", argv[0]);
    __sanitizer_set_death_callback(keep_input);
    signal(SIGABRT, aborted);
    for (int i = 2; i < argc; i++)
        run_file(argv[i], strtoul(argv[1], NULL, 10));
    printf("%d files, %s altered copies of each\n", argc - 2, argv[1]);
    return 0;
}
