/* Rules, reference values and signed files: what isn't just as it must be is refused. */
#include "verdicts.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/policyc/sign/sign.h"

static char fault[FAULT_SIZE];
static struct rules rules;

static bool parses(const char *json)
{
    return rules_parse(&rules, json, strlen(json), fault);
}

#define RULES_OF(rest) "{\"format\":\"bulkhead-rules-1\"" rest "}"
#define WORK_IS(what)  RULES_OF(",\"profile\":\"static\",\"domains\":{\"work\":" what "}")

static void rules_are_read(void **state)
{
    const struct domain_rules *work;

    (void)state;
    assert_true(parses(WORK_IS("{\"violations\":{\"port-read\":\"any\",\"dma\":5,\"ipi\":\"warn\"},"
                               "\"crashes\":2,\"starts\":3,\"stopped\":\"warn\"}")));
    assert_int_equal(rules.profile, PROFILE_STATIC);
    work = rules_find(&rules, "work");
    assert_non_null(work);
    assert_null(rules_find(&rules, "vault"));
    assert_null(rules_find(&rules, ""));
    assert_true(work->violations[3].most == UINT64_MAX && !work->violations[3].warns);
    assert_true(work->violations[13].most == 5 && !work->violations[13].warns);
    assert_true(work->violations[9].most == 0 && work->violations[9].warns);
    assert_int_equal(work->violations[0].most, 0);
    assert_int_equal(work->crashes.most, 2);
    assert_int_equal(work->starts.most, 3);
    assert_true(work->stopped.most == 0 && work->stopped.warns);
}

/* What is left out allows nothing but one start. */
static void rules_by_default(void **state)
{
    (void)state;
    assert_true(parses(WORK_IS("{}")));
    for (size_t kind = 0; kind < EVIDENCE_KINDS; kind++)
        assert_true(rules.domain[0].violations[kind].most == 0 &&
                    !rules.domain[0].violations[kind].warns);
    assert_int_equal(rules.domain[0].crashes.most, 0);
    assert_int_equal(rules.domain[0].starts.most, 1);
    assert_int_equal(rules.domain[0].stopped.most, 0);
    assert_true(rules.settings.most == 0 && rules.settings.warns);
    assert_true(rules.smis.most == UINT64_MAX && !rules.smis.warns);
    assert_true(parses(RULES_OF(",\"profile\":\"unmeasured\"")));
    assert_int_equal(rules.domains, 0);
}

/* Where any number is allowed by default, the first one warns. */
static void smis_that_warn(void **state)
{
    (void)state;
    assert_true(parses(RULES_OF(",\"profile\":\"static\",\"smis\":\"warn\"")));
    assert_true(rules.smis.most == 0 && rules.smis.warns);
}

static void bad_rules(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"format\":\"bulkhead-rules-2\",\"profile\":\"static\"}",
        "{\"format\":1,\"profile\":\"static\"}",
        RULES_OF(""),
        RULES_OF(",\"profile\":\"none\""),
        RULES_OF(",\"profile\":\"statik\""),
        RULES_OF(",\"profile\":1"),
        RULES_OF(",\"profile\":\"static\",\"domain\":{}"),
        RULES_OF(",\"profile\":\"static\",\"domains\":[]"),
        RULES_OF(",\"profile\":\"static\",\"profile\":\"unmeasured\""),
        RULES_OF(",\"profile\":\"static\",\"smis\":-1"),
        RULES_OF(",\"profile\":\"static\",\"settings\":null"),
        WORK_IS("[]"),
        WORK_IS("\"any\""),
        WORK_IS("{\"violation\":{}}"),
        WORK_IS("{\"violations\":\"any\"}"),
        WORK_IS("{\"violations\":{\"port-reads\":1}}"),
        WORK_IS("{\"violations\":{\"port-read\":-1}}"),
        WORK_IS("{\"violations\":{\"port-read\":1.5}}"),
        WORK_IS("{\"violations\":{\"port-read\":\"all\"}}"),
        WORK_IS("{\"crashes\":true}"),
        WORK_IS("{\"crashes\":99999999999999999999}"),
        WORK_IS("{},\"01234567890123456789012345678901\":{}"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        fault[0] = '\0';
        assert_false(parses(texts[i]));
        assert_string_not_equal(fault, "");
    }
}

/* Each text in the good values, replaced by another of them. */
static void bad_reference_values(void **state)
{
    static const char *const changes[][2] = {
        {"bulkhead-reference-1", "bulkhead-reference-2"},
        {"\"policy\":{", "\"politics\":{"},
        {"\"version\":5", "\"version\":6"},
        {"\"version\":5", "\"version\":-5"},
        {"\"version\":5", "\"version\":\"5\""},
        {"\"author\":\"a1", "\"author\":\"a2"},
        {"\"author\":\"a1", "\"author\":\"A1"},
        {"\"author\":\"a1", "\"author\":\"a1a1"},
        {"\"tables\":\"7a", "\"tables\":\"7b"},
        {"\"matrix\":\"", "\"matrix\":\"x"},
        {"\"profile\":\"static\"", "\"profile\":\"dynamic\""},
        {"\"profile\":\"static\"", "\"profile\":\"\""},
        {"\"pcr8\":\"88", "\"pcr8\":\""},
        {"\"pcr9\":\"", "\"pcr9\":\"00"},
        {"{\"name\":\"core\"", "{\"nome\":\"core\""},
        {"{\"name\":\"core\"", "{\"name\":\"cork\""},
        {"{\"pcr\":17,", "{\"pcr\":19,"},
        {"{\"pcr\":17,", "{\"pcr\":18,"},
        {"{\"pcr\":17}", "{\"pcr\":17,\"event\":\"00\"}"},
        {"{\"pcr\":17}", "{\"pcr\":17,\"event\":\"\"}"},
        {",{\"pcr\":17}", ""},
        {"\"events\":[", "\"events\":[{\"pcr\":17},"},
        {"\"events\":[", "\"events\":[],\"event\":["},
        {"42484c4b", "42484c4c"},
    };
    struct machine *machine = begin();
    char *text = malloc(sizeof(machine->reference_json) + 64);

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *at = strstr(machine->reference_json, changes[i][0]);

        assert_non_null(at);
        sprintf(text, "%.*s%s%s", (int)(at - machine->reference_json), machine->reference_json,
                changes[i][1], at + strlen(changes[i][0]));
        assert_false(reference_parse(&machine->reference, text, strlen(text)));
        assert_string_not_equal(machine->reference.fault, "");
    }
    free(text);
    drop(machine);
}

static void every_prefix_of_reference_values(void **state)
{
    struct machine *machine = begin();
    size_t whole = strlen(machine->reference_json);

    (void)state;
    for (size_t size = 0; size < whole; size++)
        assert_false(reference_parse(&machine->reference, machine->reference_json, size));
    assert_true(reference_parse(&machine->reference, machine->reference_json, whole));
    drop(machine);
}

/* The values of a machine with so many domains, all alike. */
static bool parses_domains(struct machine *machine, size_t count)
{
    json_t *root = json_loads(machine->reference_json, 0, NULL), *events = json_array();
    const json_t *old = json_object_get(root, "events");
    size_t last = json_array_size(old) - 1, domains = (last - 4) / 2;
    char *text;
    bool is_read;

    for (size_t i = 0; i < 4; i++)
        json_array_append(events, json_array_get(old, i));
    for (size_t i = 0; i < 2 * count; i++)
        json_array_append(events, json_array_get(old, i < count ? 4 : 4 + domains));
    json_array_append(events, json_array_get(old, last));
    json_object_set_new(root, "events", events);
    text = json_dumps(root, 0);
    is_read = reference_parse(&machine->reference, text, strlen(text));
    free(text);
    json_decref(root);
    return is_read;
}

static void as_many_domains_as_evidence_has(void **state)
{
    struct machine *machine = begin();

    (void)state;
    assert_true(parses_domains(machine, BH_EVIDENCE_MAX_DOMAINS));
    assert_int_equal(reference_domains(&machine->reference), BH_EVIDENCE_MAX_DOMAINS);
    assert_false(parses_domains(machine, BH_EVIDENCE_MAX_DOMAINS + 1));
    assert_non_null(strstr(machine->reference.fault, "\"events\""));
    drop(machine);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void signed_files(void **state)
{
    static char path[] = "/tmp/bulkhead-signed-XXXXXX";
    char name[64], text[SIGN_TEXT_MAX];
    struct secret_key secret, other;
    struct public_key key;
    size_t size;
    uint8_t *bytes;

    (void)state;
    assert_int_equal(sign_begin(), SIGN_OK);
    close(mkstemp(path));
    write_text(path, "contents");
    snprintf(name, sizeof(name), "%s.minisig", path);
    sign_new_key(&secret);
    sign_new_key(&other);
    memcpy(key.id, secret.id, sizeof(key.id));
    memcpy(key.key, secret.key + 32, sizeof(key.key));

    assert_null(signed_load(path, &key, 100, &size, fault)); /* no signature */
    sign_data(&other, "contents", 8, "comment", text, sizeof(text));
    write_text(name, text);
    assert_null(signed_load(path, &key, 100, &size, fault)); /* another's */
    sign_data(&secret, "contents", 8, "comment", text, sizeof(text));
    write_text(name, text);
    bytes = signed_load(path, &key, 100, &size, fault);
    assert_non_null(bytes);
    assert_string_equal((const char *)bytes, "contents");
    free(bytes);
    assert_null(signed_load(path, &key, 7, &size, fault)); /* too long */
    write_text(path, "content.");
    assert_null(signed_load(path, &key, 100, &size, fault)); /* altered */
    write_text(path, "contents");
    *strstr(text, "comment\n") = 'C';
    write_text(name, text);
    assert_null(signed_load(path, &key, 100, &size, fault)); /* altered comment */
    unlink(name);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read),
        cmocka_unit_test(rules_by_default),
        cmocka_unit_test(smis_that_warn),
        cmocka_unit_test(bad_rules),
        cmocka_unit_test(bad_reference_values),
        cmocka_unit_test(every_prefix_of_reference_values),
        cmocka_unit_test(as_many_domains_as_evidence_has),
        cmocka_unit_test(signed_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
