#include "fabricate.h"
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/attest/sha256.h"

static const char *const names[MACHINE_FILES] = {
    "core", "policy", "signature", "trust.pub", "work.kernel", "work.initrd", "vault.image"};

/* Big-endian output. */
struct wire {
    uint8_t *at;
};

static void put(struct wire *wire, uint64_t value, size_t size)
{
    while (size-- > 0)
        *wire->at++ = (uint8_t)(value >> 8 * size);
}

static void put_2b(struct wire *wire, const void *bytes, size_t size)
{
    put(wire, size, 2);
    memcpy(wire->at, bytes, size);
    wire->at += size;
}

static void make_ak(struct machine *machine)
{
    struct wire wire = {machine->ak};
    uint8_t point[65];
    size_t size;

    machine->key = EVP_EC_gen("P-256");
    EVP_PKEY_get_octet_string_param(machine->key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                    &size);
    put(&wire, 0x0023, 2);
    put(&wire, 0x000b, 2);
    put(&wire, 0x00050432, 4);
    put_2b(&wire, BH_AK_POLICY, 32);
    put(&wire, 0x0010, 2);
    put(&wire, 0x0018, 2);
    put(&wire, 0x000b, 2);
    put(&wire, 0x0003, 2);
    put(&wire, 0x0010, 2);
    put_2b(&wire, point + 1, 32);
    put_2b(&wire, point + 33, 32);
    machine->ak_size = (size_t)(wire.at - machine->ak);
}

static void make_record(struct machine *machine)
{
    struct record *record = &machine->record;

    record->ueid[0] = 1;
    memset(record->ueid + 1, 0x77, BH_UEID_SIZE - 1);
    memcpy(record->ak_public, machine->ak, machine->ak_size);
    record->ak_public_size = machine->ak_size;
    record->ak_name[1] = 0x0b;
    sha256(machine->ak, machine->ak_size, record->ak_name + 2);
    record->issued = MACHINE_NOW - 1000;
    record->expires = MACHINE_NOW + 1000;
    record->firmware_version = machine->firmware;
    record->is_pinned = true;
    record->pcrs = PINNED_PCRS;
    for (unsigned i = 0; i < 8; i++)
        memset(record->pcr[i], (int)(0x10 + i), BH_DIGEST);
    record->smm_mode = BH_SMM_NONE;
    record->profile = PROFILE_STATIC;
    record->ak = machine->key;
}

static void make_rules(struct machine *machine)
{
    static const char json[] =
        "{\"format\": \"bulkhead-rules-1\", \"profile\": \"static\", \"domains\":"
        " {\"work\": {\"violations\": {\"port-read\": \"any\", \"msr-read\": 3}}, \"vault\": {}}}";
    char fault[FAULT_SIZE];

    if (!rules_parse(&machine->rules, json, sizeof(json) - 1, fault))
        abort();
}

void machine_begin(struct machine *machine)
{
    memset(machine, 0, sizeof(*machine));
    for (size_t i = 0; i < MACHINE_FILES; i++)
        sha256(names[i], strlen(names[i]), machine->file[i]);
    memcpy(machine->policy.image, machine->file[POLICY], BH_DIGEST);
    memcpy(machine->policy.signature, machine->file[SIGNATURE], BH_DIGEST);
    memset(machine->policy.author, 0xa1, 32);
    memset(machine->policy.tables, 0x7a, BH_DIGEST);
    machine->policy.version = 5;
    machine->smm.mode = BH_SMM_NONE;
    machine->boot = (struct bh_event_boot){3, 1, "boot id 1234567"};
    machine->reset_count = 3;
    machine->restart_count = 1;
    machine->safe = 1;
    machine->select_size = 3;
    machine->firmware = 0x2019102300163636ull;
    memset(machine->asked.nonce, 0x4e, BH_NONCE_SIZE);
    machine->nonce = NONCE_FRESH;
    make_ak(machine);
    make_record(machine);
    make_rules(machine);
}

void machine_event(struct machine *machine, enum bh_event_type type, uint32_t pcr, uint32_t domain,
                   const void *body, size_t size)
{
    struct machine_event *event = &machine->event[machine->events];
    uint64_t time = pcr == BH_PCR_RUNTIME ? 1000000 : 0;

    *event = (struct machine_event){.pcr = pcr, .type = TCG_EV_EVENT_TAG};
    event->size = (uint32_t)evlog_event(event->field, type, (uint32_t)machine->events, domain, time,
                                        body, size);
    machine->events++;
}

static void domain_event(struct machine *machine, uint32_t domain, const char *name,
                         const enum machine_file *files, uint32_t count)
{
    struct evlog_domain body = {.head = {.files = count}};

    snprintf(body.head.name, sizeof(body.head.name), "%s", name);
    for (uint32_t i = 0; i < count; i++) {
        body.file[i].role = count == 1 ? BH_FILE_FLAT : BH_FILE_KERNEL + i;
        body.file[i].size = 1000;
        memcpy(body.file[i].sha256, machine->file[files[i]], BH_DIGEST);
    }
    machine_event(machine, BH_EVENT_DOMAIN, BH_PCR_DOMAINS, domain, &body,
                  sizeof(body.head) + count * sizeof(body.file[0]));
}

void machine_measure(struct machine *machine)
{
    static const enum machine_file of_work[] = {KERNEL, INITRD}, of_vault[] = {IMAGE};
    struct bh_event_core core;
    struct bh_event_start start = {.kind = BH_PRIMARY, .cores = 1};

    for (unsigned i = 0; i < 8; i++)
        memset(machine->pcr[i], (int)(0x10 + i), BH_DIGEST);
    memset(machine->pcr[8], 0x88, BH_DIGEST);
    memset(machine->pcr[9], 0, BH_DIGEST);
    for (size_t i = 0; i < MACHINE_FILES; i++)
        sha256_extend(machine->pcr[9], machine->file[i]);
    machine->events = 0;
    memset(core.sha256, 0xc0, BH_DIGEST);
    machine_event(machine, BH_EVENT_CORE, 17, BH_NOBODY, &core, sizeof(core));
    machine_event(machine, BH_EVENT_BOOT, 19, BH_NOBODY, &machine->boot, sizeof(machine->boot));
    machine_event(machine, BH_EVENT_POLICY, 17, BH_NOBODY, &machine->policy,
                  sizeof(machine->policy));
    machine_event(machine, BH_EVENT_SMM, 17, BH_NOBODY, &machine->smm, sizeof(machine->smm));
    machine_event(machine, BH_EVENT_CAP, 17, BH_NOBODY, NULL, 0);
    domain_event(machine, WORK, "work", of_work, 2);
    domain_event(machine, VAULT, "vault", of_vault, 1);
    machine_event(machine, BH_EVENT_START, 18, WORK, &start, sizeof(start));
    start.kind = BH_MICROVM;
    machine_event(machine, BH_EVENT_START, 18, VAULT, &start, sizeof(start));
    machine_event(machine, BH_EVENT_CAP, 18, BH_NOBODY, NULL, 0);
    machine_report(machine);
}

/* What the report says of what was measured: nothing has happened yet. */
void machine_report(struct machine *machine)
{
    struct evidence_report *report = &machine->report;

    memset(machine->domains, 0, sizeof(machine->domains));
    strcpy(machine->domains[WORK].name, "work");
    strcpy(machine->domains[VAULT].name, "vault");
    for (size_t i = 0; i < MACHINE_DOMAINS; i++) {
        machine->domains[i].state = BH_STATE_RUNNING;
        machine->domains[i].starts = 1;
        machine->domains[i].last = 7 + i;
    }
    memcpy(report->boot_id, machine->boot.boot_id, sizeof(report->boot_id));
    report->next = machine->events;
    report->domains = MACHINE_DOMAINS;
    report->domain = machine->domains;
}

void machine_extend(struct machine *machine)
{
    for (unsigned pcr = BH_PCR_CORE; pcr <= BH_PCR_RUNTIME; pcr++)
        memset(machine->pcr[pcr], 0xff, BH_DIGEST);
    for (size_t i = 0; i < machine->events; i++) {
        struct machine_event *event = &machine->event[i];

        if (!event->has_digest)
            sha256(event->field, event->size, event->digest);
        if (event->pcr < 24)
            sha256_extend(machine->pcr[event->pcr], event->digest);
    }
}

static void write_log(struct machine *machine)
{
    const struct evlog_banks banks = {2, {0x0004, 0x000b}};
    struct evlog_digests digests = {2, {{.algorithm = 0x0004}, {.algorithm = 0x000b}}};
    struct evlog log;

    evlog_begin(&log, machine->log, sizeof(machine->log), &banks);
    for (size_t i = 0; i < machine->events; i++) {
        const struct machine_event *event = &machine->event[i];
        size_t at = log.used;

        memcpy(digests.digest[1].bytes, event->digest, BH_DIGEST);
        if (!evlog_append(&log, event->pcr, event->field, event->size, &digests))
            abort();
        memcpy(machine->log + at + 4, &event->type, 4);
    }
    machine->log_size = log.used;
}

void machine_attest(struct machine *machine)
{
    struct wire wire = {machine->attest};
    uint8_t log[32], report[32], bound[32], digest[32], values[24 * BH_DIGEST];
    uint8_t signer[34] = {0, 0x0b};
    struct bh_binding binding;
    size_t count = 0;

    sha256(machine->log, machine->log_size, log);
    sha256(machine->reported, machine->reported_size, report);
    evidence_bind(&binding, &machine->asked, machine->domain, log, report);
    sha256(&binding, sizeof(binding), bound);
    for (unsigned pcr = 0; pcr < 24; pcr++)
        if (BH_QUOTED_PCRS >> pcr & 1)
            memcpy(values + BH_DIGEST * count++, machine->pcr[pcr], BH_DIGEST);
    sha256(values, count * BH_DIGEST, digest);
    put(&wire, 0xff544347, 4);
    put(&wire, 0x8018, 2);
    put_2b(&wire, signer, sizeof(signer));
    put_2b(&wire, bound, sizeof(bound));
    put(&wire, 123456, 8);
    put(&wire, machine->reset_count, 4);
    put(&wire, machine->restart_count, 4);
    put(&wire, machine->safe, 1);
    put(&wire, machine->firmware, 8);
    put(&wire, 1, 4);
    put(&wire, 0x000b, 2);
    put(&wire, machine->select_size, 1);
    for (unsigned byte = 0; byte < machine->select_size; byte++)
        put(&wire, BH_QUOTED_PCRS >> 8 * byte & 0xff, 1);
    put_2b(&wire, digest, sizeof(digest));
    machine->attest_size = (size_t)(wire.at - machine->attest);
}

void machine_sign(struct machine *machine)
{
    struct wire wire = {machine->signature};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t der[80], number[32];
    const uint8_t *in = der;
    size_t size = sizeof(der);
    ECDSA_SIG *signature;

    EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, machine->key);
    EVP_DigestSign(context, der, &size, machine->attest, machine->attest_size);
    signature = d2i_ECDSA_SIG(NULL, &in, (long)size);
    put(&wire, 0x0018, 2);
    put(&wire, 0x000b, 2);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), number, 32);
    put_2b(&wire, number, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), number, 32);
    put_2b(&wire, number, 32);
    machine->signature_size = (size_t)(wire.at - machine->signature);
    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(context);
}

static void make_claims(struct machine *machine)
{
    struct evidence *claims = &machine->claims;
    size_t count = 0;

    *claims = (struct evidence){.asked = machine->asked,
                                .ueid = machine->without_ueid ? NULL : machine->record.ueid,
                                .attest = {machine->attest, machine->attest_size},
                                .signature = {machine->signature, machine->signature_size},
                                .ak = {machine->ak, machine->ak_size},
                                .log = {machine->log, machine->log_size},
                                .report = {machine->reported, machine->reported_size},
                                .pcrs = BH_QUOTED_PCRS,
                                .domain = machine->domain};
    for (unsigned pcr = 0; pcr < 24; pcr++)
        if (BH_QUOTED_PCRS >> pcr & 1)
            memcpy(machine->values[count++], machine->pcr[pcr], BH_DIGEST);
    claims->pcr = (const uint8_t(*)[BH_DIGEST])machine->values;
}

void machine_quote(struct machine *machine)
{
    write_log(machine);
    machine->reported_size =
        evidence_encode_report(&machine->report, machine->reported, sizeof(machine->reported));
    machine_attest(machine);
    machine_sign(machine);
    make_claims(machine);
}

void machine_encode(struct machine *machine)
{
    machine->evidence_size =
        evidence_encode(&machine->claims, machine->evidence, sizeof(machine->evidence));
    if (machine->evidence_size == 0)
        abort();
}

/* JSON, piece by piece. */
struct text {
    char *at;
    char *end;
};

static void say(struct text *text, const char *format, const char *word)
{
    text->at += snprintf(text->at, (size_t)(text->end - text->at), format, word);
}

static void say_hex(struct text *text, const char *format, const void *bytes, size_t size)
{
    char digits[2 * BH_EVENT_MAX + 1];

    hex(digits, sizeof(digits), bytes, size);
    say(text, format, digits);
}

static void say_events(struct text *text, const struct machine *machine)
{
    const char *comma = "";

    for (size_t i = 0; i < machine->events; i++) {
        const struct machine_event *event = &machine->event[i];

        if (event->pcr == BH_PCR_RUNTIME)
            continue;
        say(text, "%s", comma);
        comma = ",";
        say(text, "{\"pcr\":%s", event->pcr == BH_PCR_CORE ? "17" : "18");
        if (i != 3) /* SMM */
            say_hex(text, ",\"event\":\"%s\"", event->field, event->size);
        say(text, "%s", "}");
    }
}

void machine_reference(struct machine *machine)
{
    struct text text = {machine->reference_json,
                        machine->reference_json + sizeof(machine->reference_json)};
    char version[24];

    snprintf(version, sizeof(version), "%llu", (unsigned long long)machine->policy.version);
    say(&text,
        "{\"format\":\"bulkhead-reference-1\",\"policy\":{\"name\":\"laptop\",\"version\":%s",
        version);
    say_hex(&text, ",\"machine\":\"pc\",\"author\":\"%s\"", machine->policy.author, 32);
    say_hex(&text, ",\"tables\":\"%s\"", machine->policy.tables, BH_DIGEST);
    say_hex(&text, ",\"matrix\":\"%s\"}", machine->file[0], BH_DIGEST);
    say(&text, ",\"profile\":\"%s\"", profile_name(machine->record.profile));
    say_hex(&text, ",\"commands\":{\"pcr8\":\"%s\"}", machine->pcr[8], BH_DIGEST);
    say_hex(&text, ",\"pcr9\":\"%s\",\"files\":[", machine->pcr[9], BH_DIGEST);
    for (size_t i = 0; i < MACHINE_FILES; i++) {
        say(&text, i != 0 ? ",{\"name\":\"%s\"" : "{\"name\":\"%s\"", names[i]);
        say_hex(&text, ",\"sha256\":\"%s\"}", machine->file[i], BH_DIGEST);
    }
    say(&text, "%s", "],\"events\":[");
    say_events(&text, machine);
    say(&text, "%s", "]}");
    reference_parse(&machine->reference, machine->reference_json, strlen(machine->reference_json));
}

static enum nonce_verdict judge(void *context, const uint8_t nonce[BH_NONCE_SIZE])
{
    struct machine *machine = context;

    (void)nonce;
    machine->asked_for_nonce++;
    return machine->nonce;
}

enum exit_status machine_appraise(struct machine *machine)
{
    const struct appraisal in = {.evidence = machine->evidence,
                                 .size = machine->evidence_size,
                                 .record = &machine->record,
                                 .reference =
                                     machine->without_reference ? NULL : &machine->reference,
                                 .rules = machine->without_rules ? NULL : &machine->rules,
                                 .now = MACHINE_NOW,
                                 .floor = machine->floor,
                                 .nonce = judge,
                                 .nonce_context = machine};

    return appraise(&in, &machine->result);
}

void machine_end(struct machine *machine)
{
    EVP_PKEY_free(machine->key);
}
