/* Images that anything has happened to: read without harm, and never taken for good. */
#include "bits.h"
#include "dump.h"
#include "testing.h"
#include "verify/verify.h"
#include <stdlib.h>
#include <string.h>

#define FLIPS 1200u
#define CUTS  150u

static const char policy[] =
    "policy \"sample\" { version 1  machine \"machines/qemu-q35.machine\"\n"
    "    domain work { primary untrusted cores 0 interrupts direct memory rest\n"
    "        boot flat \"w\" at 0x100000  devices nic, com2 }\n"
    "    domain vault { microvm trusted cores 1 interrupts virtual memory 64 KiB\n"
    "        boot flat \"v\" at 0x8000 }\n"
    "    channel sign { size 4 KiB  work read write  vault read }\n"
    "    never untrusted reach trusted.memory }\n";

static struct front front;
static struct image good;
static FILE *nowhere;

static int begin(void **state)
{
    (void)state;
    nowhere = fopen("/dev/null", "w");
    bits_emit(policy, &front, &good);
    return nowhere == NULL;
}

static int end(void **state)
{
    (void)state;
    free(good.bytes);
    front_free(&front);
    fclose(nowhere);
    return 0;
}

/* What was reported of the images before is forgotten. */
static bool is_accepted(const void *bytes, size_t size)
{
    front.diagnostics = NULL;
    front.errors = 0;
    return verify_image(&front, bytes, size, true);
}

static void dump(const void *bytes, size_t size)
{
    struct reader reader;

    if (reader_open(&reader, bytes, size) != NULL)
        return;
    dump_text(&reader, nowhere);
    dump_json(&reader, nowhere);
}

static void the_image_itself_is_accepted(void **state)
{
    (void)state;
    assert_true(is_accepted(good.bytes, good.size));
    dump(good.bytes, good.size);
}

/* A copy of each length in a buffer of just that length, so that reading behind it shows. */
static void prefixes_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CUTS; i++) {
        size_t size = i % 3 == 0 ? i / 3 * BH_PAGE % good.size : i * 7919 % good.size;
        uint8_t *copy = malloc(size == 0 ? 1 : size);

        memcpy(copy, good.bytes, size);
        if (is_accepted(copy, size))
            fail_msg("the first %zu bytes are accepted", size);
        /* Also where the header has been adapted to the loss. */
        if (size >= BH_PAGE) {
            ((struct bh_header *)copy)->size = size;
            if (is_accepted(copy, size))
                fail_msg("the first %zu bytes are accepted with that size", size);
            dump(copy, size);
        }
        free(copy);
    }
}

/* Bytes that the policy doesn't determine: sizes and hashes of files, and ASIDs, of which any
 * that are different will do. */
static bool is_free(size_t offset)
{
    const struct bh_header *header = bits_header(&good);

    for (uint32_t i = 0; i < header->files.count; i++) {
        size_t row = header->files.offset + i * sizeof(struct bh_file);

        if (offset >= row + offsetof(struct bh_file, size) &&
            offset < row + offsetof(struct bh_file, role))
            return true;
    }
    return false;
}

static void flip(uint8_t *copy, size_t bit)
{
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    dump(copy, good.size);
    if (!is_free(bit / 8) && is_accepted(copy, good.size))
        fail_msg("a changed bit %zu of byte 0x%zx is accepted", bit % 8, bit / 8);
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* Every bit of an image matters: none can be changed without the verifier's seeing it. */
static void changed_bits_are_found(void **state)
{
    uint8_t *copy = malloc(good.size);
    uint64_t random = 42;

    (void)state;
    memcpy(copy, good.bytes, good.size);
    for (unsigned i = 0; i < FLIPS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        /* Half of them among header and rows. */
        flip(copy, (size_t)(random >> 24) % (8 * (i % 2 == 0 ? 3 * BH_PAGE : good.size)));
    }
    free(copy);
}

/* Each entry of work's own tables, widened by what an attacker would like. */
static void wider_rights_are_found(void **state)
{
    static const unsigned bits[] = {1, 12, 20, 21, 30, 61, 62, 63}; /* W, address, IR, IW, NX */
    uint8_t *copy = malloc(good.size);
    uint64_t page = bits_domain(&good, 0)->table - bits_header(&good)->base;

    (void)state;
    memcpy(copy, good.bytes, good.size);
    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        for (unsigned step = 0; step < 24; step++) {
            size_t entry = page + (step < 4 ? 0 : BH_PAGE * (step % 4)) + 8 * (step * 37 % 512);
            uint64_t *word = (uint64_t *)(copy + entry), kept = *word;

            if (kept == 0 || entry + 8 > good.size)
                continue;
            *word ^= 1ull << bits[i];
            if (is_accepted(copy, good.size))
                fail_msg("entry at 0x%zx with bit %u changed is accepted", entry, bits[i]);
            *word = kept;
        }
    free(copy);
}

/* A right that the policy gives and the image lacks is a difference, too. */
static void missing_pages_are_found(void **state)
{
    uint8_t *copy = malloc(good.size);
    uint64_t page = bits_domain(&good, 0)->table - bits_header(&good)->base;
    unsigned tried = 0;

    (void)state;
    memcpy(copy, good.bytes, good.size);
    for (size_t entry = page; entry + 8 <= good.size && tried < 40; entry += 8 * 41) {
        uint64_t *word = (uint64_t *)(copy + entry), kept = *word;

        if (kept == 0)
            continue;
        *word = 0;
        if (is_accepted(copy, good.size))
            fail_msg("an image without the entry at 0x%zx is accepted", entry);
        *word = kept;
        tried++;
    }
    assert_int_equal(tried, 40);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_image_itself_is_accepted), cmocka_unit_test(prefixes_are_refused),
        cmocka_unit_test(changed_bits_are_found),       cmocka_unit_test(wider_rights_are_found),
        cmocka_unit_test(missing_pages_are_found),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
