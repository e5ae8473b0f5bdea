/* Enrolment records and lists of what is revoked: what isn't just right is refused, with its place.
 */
#include "testing.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricate.h"
#include "tools/attest/difference.h"
#include "tools/attest/quote.h"
#include "tools/attest/record.h"
#include "tools/attest/sha256.h"
#include "tools/policyc/sign/sign.h"

#define DIGEST "abababababababababababababababababababababababababababababababab"
#define ZEROS  "0000000000000000000000000000000000000000000000000000000000000000"

static const uint8_t ek_public[] = "an endorsement key";

static void set_hex(json_t *root, const char *key, const void *bytes, size_t size)
{
    char text[2048];

    hex(text, sizeof(text), bytes, size);
    json_object_set_new(root, key, json_string(text));
}

static json_t *sample_of(const uint8_t *ak, size_t ak_size)
{
    uint8_t ueid[BH_UEID_SIZE] = {1}, name[NAME_SIZE];
    json_t *root = json_pack("{s:s, s:i, s:i, s:s, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:s, s:s}, s:s}",
                             "format", "bulkhead-enrolment-1", "issued", 1700000000, "expires",
                             1800000000, "firmware_version", "0102030405060708", "pcr", "0", DIGEST,
                             "2", DIGEST, "4", DIGEST, "7", DIGEST, "3", ZEROS, "smm", "mode",
                             "replaced", "sha256", DIGEST, "profile", "static");

    assert_non_null(root);
    sha256(ek_public, sizeof(ek_public), ueid + 1);
    tpm_name(name, ak, ak_size);
    set_hex(root, "ueid", ueid, sizeof(ueid));
    set_hex(root, "ek_public", ek_public, sizeof(ek_public));
    set_hex(root, "ak_public", ak, ak_size);
    set_hex(root, "ak_name", name, sizeof(name));
    return root;
}

static json_t *sample(void)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    json_t *root;

    machine_begin(machine);
    root = sample_of(machine->ak, machine->ak_size);
    machine_end(machine);
    free(machine);
    return root;
}

static bool parses(struct record *record, const json_t *root)
{
    char *text = json_dumps(root, 0);
    bool is_good = record_parse(record, text, strlen(text));

    free(text);
    assert_int_equal(is_good, record->fault[0] == '\0');
    return is_good;
}

static void all_of_a_record_is_read(void **state)
{
    static const uint8_t zero[BH_DIGEST];
    json_t *root = sample();
    struct record record;

    (void)state;
    assert_true(parses(&record, root));
    assert_int_equal(record.issued, 1700000000);
    assert_int_equal(record.expires, 1800000000);
    assert_true(record.firmware_version == 0x0102030405060708);
    assert_true(record.is_pinned);
    assert_int_equal(record.pcrs, 1u << 0 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 7);
    for (unsigned n = 0; n < 8; n++)
        assert_int_equal(record.pcr[n][31], n == 1 || n == 3 || n == 5 || n == 6 ? 0 : 0xab);
    assert_int_equal(record.smm_mode, BH_SMM_REPLACED);
    assert_memory_not_equal(record.smm_sha256, zero, BH_DIGEST);
    assert_int_equal(record.profile, PROFILE_STATIC);
    assert_non_null(record.ak);
    assert_int_equal(record.ueid[0], 1);
    record_free(&record);
    json_decref(root);
}

static void a_record_may_be_unpinned(void **state)
{
    json_t *root = sample();
    struct record record;

    (void)state;
    json_object_del(root, "pcr");
    assert_false(parses(&record, root)); /* part of it isn't enough */
    json_object_del(root, "smm");
    assert_false(parses(&record, root));
    json_object_del(root, "profile");
    assert_true(parses(&record, root));
    assert_false(record.is_pinned);
    record_free(&record);
    json_decref(root);
}

/* `key` with another value; in which object, "" for the record itself. */
static const struct {
    const char *object, *key, *value;
} wrong[] = {
    {"", "format", "\"bulkhead-enrolment-2\""},
    {"", "format", "1"},
    {"", "ueid", "\"01" ZEROS "\""},
    {"", "ueid", "\"\""},
    {"", "ek_public", "\"00\""},
    {"", "ek_public", "\"0\""},
    {"", "ak_public", "\"00\""},
    {"", "ak_public", "\"zz\""},
    {"", "ak_name", "\"000b" ZEROS "\""},
    {"", "ak_name", "null"},
    {"", "issued", "\"1\""},
    {"", "issued", "-1"},
    {"", "issued", "1800000000"},
    {"", "expires", "1e9"},
    {"", "expires", "1700000000"},
    {"", "firmware_version", "\"01020304\""},
    {"", "firmware_version", "1"},
    {"", "pcr", "[]"},
    {"pcr", "0", "\"" DIGEST "00\""},
    {"pcr", "7", "null"},
    {"pcr", "8", "\"" DIGEST "\""},
    {"pcr", "00", "\"" DIGEST "\""},
    {"", "smm", "\"none\""},
    {"smm", "mode", "\"unknown\""},
    {"smm", "mode", "\"none\""}, /* with a digest */
    {"smm", "sha256", "\"" ZEROS "\""},
    {"smm", "sha256", "\"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\""},
    {"", "profile", "\"dynamic\""},
    {"", "profile", "\"\""},
    {"", "profile", "null"},
};

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        json_t *root = sample(), *object = json_object_get(root, wrong[i].object);
        struct record record;

        json_object_set_new(object != NULL ? object : root, wrong[i].key,
                            json_loads(wrong[i].value, JSON_DECODE_ANY, NULL));
        if (parses(&record, root))
            fail_msg("%s %s %s was taken", wrong[i].object, wrong[i].key, wrong[i].value);
        json_decref(root);
    }
}

static void what_is_missing_is_refused(void **state)
{
    static const char *const needed[] = {"format",  "ueid",   "ek_public", "ak_public",
                                         "ak_name", "issued", "expires",   "firmware_version"};
    static const char *const pcrs[] = {"0", "2", "4", "7"};
    struct record record;

    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        json_t *root = sample();

        json_object_del(root, needed[i]);
        assert_false(parses(&record, root));
        json_decref(root);
    }
    for (size_t i = 0; i < sizeof(pcrs) / sizeof(pcrs[0]); i++) {
        json_t *root = sample();

        json_object_del(json_object_get(root, "pcr"), pcrs[i]);
        assert_false(parses(&record, root));
        json_decref(root);
    }
}

static void every_prefix_is_refused(void **state)
{
    json_t *root = sample();
    char *text = json_dumps(root, 0);
    struct record record;

    (void)state;
    for (size_t size = 0; size < strlen(text); size++) {
        char *cut = malloc(size + 1); /* of its own, for the address sanitizer */

        memcpy(cut, text, size);
        assert_false(record_parse(&record, cut, size));
        free(cut);
    }
    free(text);
    json_decref(root);
}

/* The check of the AK names what is wrong with it: a record of such a key is read. */
static void a_key_of_other_rights_has_no_evp_pkey(void **state)
{
    static const uint8_t other[] = {0x00, 0x23, 0x00, 0x0b, 0xff};
    json_t *root = sample_of(other, sizeof(other));
    struct record record;

    (void)state;
    assert_true(parses(&record, root));
    assert_null(record.ak);
    record_free(&record);
    json_decref(root);
}

/* Files, in a directory of the test's own. */
struct signer {
    struct secret_key secret;
    struct public_key public;
};

static void make_signer(struct signer *signer)
{
    assert_int_equal(sign_begin(), SIGN_OK);
    sign_new_key(&signer->secret);
    memcpy(signer->public.id, signer->secret.id, sizeof(signer->public.id));
    memcpy(signer->public.key, signer->secret.key + 32, sizeof(signer->public.key));
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void write_signed(const char *path, const json_t *root, const struct signer *signer)
{
    char *text = json_dumps(root, 0), signature[SIGN_TEXT_MAX], name[256];

    sign_data(&signer->secret, text, strlen(text), "test", signature, sizeof(signature));
    snprintf(name, sizeof(name), "%s.minisig", path);
    write_text(path, text);
    write_text(name, signature);
    free(text);
}

/* The runner gives a directory that it removes. */
static void enter_directory(void)
{
    char directory[] = "/tmp/record-XXXXXX";
    const char *own = getenv("TMPDIR");

    assert_int_equal(chdir(own != NULL ? own : mkdtemp(directory)), 0);
}

static void only_the_authority_enrols(void **state)
{
    struct signer authority, other;
    struct record record;
    json_t *root = sample();

    (void)state;
    enter_directory();
    make_signer(&authority);
    make_signer(&other);
    write_signed("record", root, &authority);
    record_load(&record, "record", &authority.public);
    assert_string_equal(record.fault, "");
    record_free(&record);
    record_load(&record, "record", &other.public);
    assert_non_null(strstr(record.fault, "record: its signature"));
    assert_null(record.ak);
    json_object_set_new(root, "expires", json_integer(1900000000));
    write_text("record", "{}"); /* altered after it was signed */
    record_load(&record, "record", &authority.public);
    assert_non_null(strstr(record.fault, "signature"));
    unlink("record.minisig");
    record_load(&record, "record", &authority.public);
    assert_non_null(strstr(record.fault, "record.minisig"));
    record_load(&record, "missing", &authority.public);
    assert_non_null(strstr(record.fault, "missing"));
    json_object_set_new(root, "issued", json_null());
    write_signed("record", root, &authority);
    record_load(&record, "record", &authority.public);
    assert_non_null(strstr(record.fault, "record: \"issued\""));
    json_decref(root);
}

static json_t *list(const char *key, const char *name)
{
    return json_pack("{s:s, s:[s], s:[]}", "format", "bulkhead-revoked-1", key, name,
                     strcmp(key, "ueids") == 0 ? "ak_names" : "ueids");
}

/* The record after a look into a list; what the caller wants to know of it is in the arguments. */
static void look(const json_t *revoked, const struct signer *signer, const struct signer *authority,
                 bool *is_revoked, char fault[FAULT_SIZE])
{
    json_t *root = sample();
    struct record record;

    /* The key is another in each sample: ask for the names of this one. */
    assert_true(parses(&record, root));
    if (revoked == NULL) {
        json_t *own = list("ak_names", json_string_value(json_object_get(root, "ak_name")));

        write_signed("revoked", own, signer);
        json_decref(own);
    } else {
        write_signed("revoked", revoked, signer);
    }
    record_revoke(&record, "revoked", &authority->public);
    *is_revoked = record.is_revoked;
    memcpy(fault, record.fault, FAULT_SIZE);
    record_free(&record);
    json_decref(root);
}

static void what_is_revoked_is_found(void **state)
{
    uint8_t ueid[BH_UEID_SIZE] = {1};
    char text[2 * BH_UEID_SIZE + 1], fault[FAULT_SIZE];
    struct signer authority, other;
    json_t *revoked;
    bool is_revoked;

    (void)state;
    enter_directory();
    make_signer(&authority);
    make_signer(&other);
    look(NULL, &authority, &authority, &is_revoked, fault);
    assert_true(is_revoked);
    assert_string_equal(fault, "");
    sha256(ek_public, sizeof(ek_public), ueid + 1);
    hex(text, sizeof(text), ueid, sizeof(ueid));
    revoked = list("ueids", text);
    look(revoked, &authority, &authority, &is_revoked, fault);
    assert_true(is_revoked);
    assert_string_equal(fault, "");
    json_decref(revoked);
    revoked = list("ak_names", "000b" DIGEST);
    look(revoked, &authority, &authority, &is_revoked, fault);
    assert_false(is_revoked);
    assert_string_equal(fault, "");
    look(revoked, &other, &authority, &is_revoked, fault);
    assert_non_null(strstr(fault, "signature")); /* somebody else's list revokes all */
    json_decref(revoked);
}

static void lists_that_are_wrong_are_faults(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"format\": \"bulkhead-revoked-1\"}",
        "{\"format\": \"bulkhead-revoked-2\", \"ak_names\": []}",
        "{\"format\": \"bulkhead-revoked-1\", \"ak_names\": {}}",
        "{\"format\": \"bulkhead-revoked-1\", \"ak_names\": [1]}",
        "{\"format\": \"bulkhead-revoked-1\", \"ak_names\": [\"000b\"]}",
        "{\"format\": \"bulkhead-revoked-1\", \"ak_names\": [\"000B" DIGEST "\"]}",
        "{\"format\": \"bulkhead-revoked-1\", \"ak_names\": [], \"ueids\": 1}",
        "{\"format\": \"bulkhead-revoked-1\", \"ak_names\": [], \"ueids\": [\"000b" DIGEST "\"]}",
    };
    struct signer authority;
    char fault[FAULT_SIZE];
    bool is_revoked;

    (void)state;
    enter_directory();
    make_signer(&authority);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *root = json_loads(bad[i], 0, NULL);

        look(root, &authority, &authority, &is_revoked, fault);
        if (strncmp(fault, "revoked: ", 9) != 0)
            fail_msg("%s was taken: %s", bad[i], fault);
        json_decref(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_record_is_read),
        cmocka_unit_test(a_record_may_be_unpinned),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(what_is_missing_is_refused),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(a_key_of_other_rights_has_no_evp_pkey),
        cmocka_unit_test(only_the_authority_enrols),
        cmocka_unit_test(what_is_revoked_is_found),
        cmocka_unit_test(lists_that_are_wrong_are_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
