/* What vault signs and the client writes is what minisign accepts, and only that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "domains/vault/service.h"
#include "domains/work/minisig.h"

#define CONTENT "The tide turns at six.\n"

static uint64_t canary[BH_VAULT_CANARY_WORDS];
static struct vault vault;
static struct bh_vault_reply reply;
static uint8_t hash[64];
static char directory[] = "/tmp/test_minisig.XXXXXX";

static bool system_source(uint64_t *value)
{
    randombytes_buf(value, sizeof(*value));
    return true;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void sign(const char *comment)
{
    struct bh_vault_request request = {.op = BH_VAULT_SIGN,
                                       .comment_length = (uint32_t)strlen(comment)};

    crypto_generichash(hash, sizeof(hash), (const uint8_t *)CONTENT, strlen(CONTENT), NULL, 0);
    memcpy(request.hash, hash, sizeof(hash));
    memcpy(request.comment, comment, request.comment_length);
    vault_answer(&vault, &request, &reply);
    assert_int_equal(reply.status, BH_VAULT_OK);
}

static int prepare(void **state)
{
    struct vault_watch watch = {.canary = canary, .code = hash, .code_size = sizeof(hash)};

    (void)state;
    if (sodium_init() < 0 || !mkdtemp(directory) || chdir(directory) != 0)
        return -1;
    return vault_create(&vault, system_source, &watch) ? 0 : -1;
}

static int clean_up(void **state)
{
    (void)state;
    remove("file");
    remove("file.minisig");
    remove("vault.pub");
    return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

static void write_all(const char *content)
{
    char text[MINISIG_TEXT_MAX];

    write_file("file", content);
    minisig_signature_text(&reply, text);
    write_file("file.minisig", text);
    minisig_key_text(&reply, text);
    write_file("vault.pub", text);
}

/* Runs minisign -V; what it prints lands in `output`. Returns whether it accepts. */
static bool minisign_accepts(char *output, size_t size)
{
    FILE *pipe = popen("minisign -V -p vault.pub -m file -x file.minisig 2>&1", "r");
    size_t length;
    int status;

    assert_non_null(pipe);
    length = fread(output, 1, size - 1, pipe);
    output[length] = '\0';
    status = pclose(pipe);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 127)
        fail_msg("minisign did not run: %s", output);
    return WEXITSTATUS(status) == 0;
}

static void minisign_accepts_what_vault_signed(void **state)
{
    char output[1000];

    (void)state;
    sign("file:tide.txt");
    assert_true(minisig_verify(&reply, hash));
    write_all(CONTENT);
    if (!minisign_accepts(output, sizeof(output)))
        fail_msg("minisign refused: %s", output);
    assert_non_null(strstr(output, "Signature and comment signature verified"));
    assert_non_null(strstr(output, "bulkhead vault signature 1: file:tide.txt"));
}

static void longest_comment_fits(void **state)
{
    char comment[BH_VAULT_COMMENT_MAX + 1] = "", output[1000];

    (void)state;
    memset(comment, '~', BH_VAULT_COMMENT_MAX);
    sign(comment);
    write_all(CONTENT);
    assert_true(minisign_accepts(output, sizeof(output)));
    assert_non_null(strstr(output, comment));
}

static void minisign_refuses_another_file(void **state)
{
    char output[1000];

    (void)state;
    sign("x");
    write_all("The tide turns at seven.\n");
    assert_false(minisign_accepts(output, sizeof(output)));
    assert_non_null(strstr(output, "Signature verification failed"));
}

static void damaged_answers_are_not_written(void **state)
{
    uint32_t length;

    (void)state;
    sign("x");
    length = reply.comment_length;
    reply.signature[3] ^= 1;
    assert_false(minisig_verify(&reply, hash));
    reply.signature[3] ^= 1;
    reply.global_signature[3] ^= 1;
    assert_false(minisig_verify(&reply, hash));
    reply.global_signature[3] ^= 1;
    reply.comment[length - 1] = 'y';
    assert_false(minisig_verify(&reply, hash));
    reply.comment[length - 1] = '\n';
    assert_false(minisig_verify(&reply, hash));
    reply.comment[length - 1] = 'x';
    reply.comment_length = 0;
    assert_false(minisig_verify(&reply, hash));
    reply.comment_length = UINT32_MAX;
    assert_false(minisig_verify(&reply, hash));
    reply.comment_length = length;
    assert_true(minisig_verify(&reply, hash));
    hash[0] ^= 1;
    assert_false(minisig_verify(&reply, hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minisign_accepts_what_vault_signed),
        cmocka_unit_test(longest_comment_fits),
        cmocka_unit_test(minisign_refuses_another_file),
        cmocka_unit_test(damaged_answers_are_not_written),
    };

    return cmocka_run_group_tests(tests, prepare, clean_up);
}
