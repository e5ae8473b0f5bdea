/* What a verifier remembers: nonces count once, versions never go back. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/attest/state.h"

#define NOW 1800000000

static char directory[] = "/tmp/bulkhead-state-XXXXXX";
static char fault[FAULT_SIZE];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory + strlen(directory) - 6, "XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
    char *command = NULL;
    int status;

    (void)state;
    if (asprintf(&command, "rm -rf %s", directory) < 0)
        return 1;
    status = system(command);
    free(command);
    return status;
}

static struct state opened(void)
{
    struct state own;

    assert_true(state_open(&own, directory, NOW, fault));
    return own;
}

static void nonce_of(uint8_t nonce[BH_NONCE_SIZE], uint8_t byte)
{
    memset(nonce, byte, BH_NONCE_SIZE);
}

static void a_nonce_counts_once(void **state)
{
    struct state own = opened(), later = opened();
    uint8_t nonce[BH_NONCE_SIZE];

    (void)state;
    nonce_of(nonce, 1);
    assert_int_equal(state_nonce(&own, nonce), NONCE_UNKNOWN);
    assert_true(state_add_nonce(&own, nonce, fault));
    assert_int_equal(state_nonce(&later, nonce), NONCE_FRESH);
    assert_int_equal(state_nonce(&own, nonce), NONCE_USED);
    assert_int_equal(state_nonce(&later, nonce), NONCE_USED);
    assert_false(state_add_nonce(&own, nonce, fault));
    assert_string_equal(own.fault, "");
}

static void a_nonce_is_given_out_once(void **state)
{
    struct state own = opened();
    uint8_t nonce[BH_NONCE_SIZE];

    (void)state;
    nonce_of(nonce, 1);
    assert_true(state_add_nonce(&own, nonce, fault));
    assert_false(state_add_nonce(&own, nonce, fault));
}

static void a_nonce_ages(void **state)
{
    struct state own = opened();
    uint8_t nonce[BH_NONCE_SIZE];

    (void)state;
    for (unsigned late = 0; late <= 1; late++) {
        own.now = NOW;
        nonce_of(nonce, (uint8_t)late);
        assert_true(state_add_nonce(&own, nonce, fault));
        own.now = NOW + NONCE_MAX_AGE + late;
        assert_int_equal(state_nonce(&own, nonce), late ? NONCE_EXPIRED : NONCE_FRESH);
        assert_int_equal(state_nonce(&own, nonce), NONCE_USED);
    }
}

static void a_clock_set_back_makes_nothing_fresh(void **state)
{
    struct state own = opened();
    uint8_t nonce[BH_NONCE_SIZE];

    (void)state;
    nonce_of(nonce, 1);
    assert_true(state_add_nonce(&own, nonce, fault));
    own.now = NOW - 1;
    assert_int_equal(state_nonce(&own, nonce), NONCE_EXPIRED);
}

/* Eight processes with the same evidence: one of them has a fresh nonce. */
static void of_many_at_a_time_one_is_first(void **state)
{
    struct state own = opened();
    uint8_t nonce[BH_NONCE_SIZE];
    int fresh = 0, status;

    (void)state;
    nonce_of(nonce, 1);
    assert_true(state_add_nonce(&own, nonce, fault));
    for (unsigned i = 0; i < 8; i++)
        if (fork() == 0)
            _exit(state_nonce(&own, nonce) == NONCE_FRESH);
    for (unsigned i = 0; i < 8; i++) {
        assert_true(wait(&status) > 0);
        fresh += WIFEXITED(status) && WEXITSTATUS(status) == 1;
    }
    assert_int_equal(fresh, 1);
}

static void old_nonces_are_forgotten(void **state)
{
    struct state own = opened();
    uint8_t nonce[BH_NONCE_SIZE];

    (void)state;
    nonce_of(nonce, 1);
    assert_true(state_add_nonce(&own, nonce, fault));
    own.now = NOW + 86401;
    nonce_of(nonce, 2);
    assert_true(state_add_nonce(&own, nonce, fault));
    own.now = NOW;
    nonce_of(nonce, 1);
    assert_int_equal(state_nonce(&own, nonce), NONCE_UNKNOWN);
}

static void write_text(const char *name, const char *text)
{
    char *path = NULL;
    FILE *file;

    assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void a_damaged_nonce_is_none(void **state)
{
    static const char name[] =
        "open/0101010101010101010101010101010101010101010101010101010101010101";
    static const char *const texts[] = {"",     "\n", "x\n", "12", "-1\n", "99999999999999999999\n",
                                        "1 2\n"};
    struct state own = opened();
    uint8_t nonce[BH_NONCE_SIZE];

    (void)state;
    nonce_of(nonce, 1);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *used = NULL;

        write_text(name, texts[i]);
        own.fault[0] = '\0';
        assert_int_equal(state_nonce(&own, nonce), NONCE_UNKNOWN);
        assert_string_not_equal(own.fault, "");
        assert_true(asprintf(&used, "%s/used%s", directory, name + 4) > 0);
        assert_int_equal(unlink(used), 0);
        free(used);
    }
}

static struct reference reference_of(const char *name, uint8_t author, uint64_t version)
{
    struct reference reference = {.version = version};

    strcpy(reference.name, name);
    memset(reference.author, author, sizeof(reference.author));
    return reference;
}

static uint64_t floor_of(const char *name, uint8_t author)
{
    static struct reference reference;
    struct state own = opened();
    uint64_t floor;

    reference = reference_of(name, author, 0);
    assert_true(state_floor(&own, &reference, &floor, fault));
    return floor;
}

static void raise_to(const char *name, uint8_t author, uint64_t version)
{
    static struct reference reference;
    struct state own = opened();

    reference = reference_of(name, author, version);
    assert_true(state_raise_floor(&own, &reference, fault));
}

static void versions_never_go_back(void **state)
{
    (void)state;
    assert_int_equal(floor_of("laptop", 1), 0);
    raise_to("laptop", 1, 7);
    assert_int_equal(floor_of("laptop", 1), 7);
    raise_to("laptop", 1, 6);
    assert_int_equal(floor_of("laptop", 1), 7);
    raise_to("laptop", 1, 8);
    assert_int_equal(floor_of("laptop", 1), 8);
    assert_int_equal(floor_of("laptop", 2), 0);
    assert_int_equal(floor_of("desktop", 1), 0);
}

/* A version that can't be read is no reason to take any. */
static void a_damaged_version_is_an_error(void **state)
{
    static struct reference reference;
    struct state own = opened();
    char *command = NULL;
    uint64_t floor;

    (void)state;
    reference = reference_of("laptop", 1, 7);
    assert_true(state_raise_floor(&own, &reference, fault));
    assert_true(asprintf(&command, "for f in %s/floor/*; do echo seven >$f; done", directory) > 0);
    assert_int_equal(system(command), 0);
    free(command);
    assert_false(state_floor(&own, &reference, &floor, fault));
    assert_false(state_raise_floor(&own, &reference, fault));
}

static void the_directory_is_made_for_its_owner_alone(void **state)
{
    char *path = NULL;
    struct state own;
    struct stat about;

    (void)state;
    assert_true(asprintf(&path, "%s/a/b", directory) > 0);
    assert_true(state_open(&own, path, NOW, fault));
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        TEST(a_nonce_counts_once),
        TEST(a_nonce_is_given_out_once),
        TEST(a_nonce_ages),
        TEST(a_clock_set_back_makes_nothing_fresh),
        TEST(of_many_at_a_time_one_is_first),
        TEST(old_nonces_are_forgotten),
        TEST(a_damaged_nonce_is_none),
        TEST(versions_never_go_back),
        TEST(a_damaged_version_is_an_error),
        TEST(the_directory_is_made_for_its_owner_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
