/* Check 13: is what was measured what the policy's author meant to run? */
#include "check.h"
#include <stdio.h>
#include <string.h>

#include "sha256.h"

static const struct reference_event *find_reference(const struct reference *reference,
                                                    const char name[BH_NAME_SIZE], size_t *index)
{
    struct bh_event_domain domain;

    for (*index = 0; *index < reference_domains(reference); (*index)++) {
        const struct reference_event *event = reference_domain(reference, *index);

        memcpy(&domain, event->field + sizeof(struct bh_event), sizeof(domain));
        if (memcmp(domain.name, name, BH_NAME_SIZE) == 0)
            return event;
    }
    return NULL;
}

static void check_firmware(struct checking *checking)
{
    const struct record *record = checking->in->record;
    char what[16];

    for (unsigned pcr = 0; pcr < 8; pcr++) {
        if ((COMPARED_PCRS >> pcr & 1) == 0)
            continue;
        snprintf(what, sizeof(what), "PCR %u", pcr);
        if (!same_bytes(&checking->difference, what, record->pcr[pcr], BH_DIGEST,
                        claims_pcr(&checking->claims, pcr), BH_DIGEST))
            accuse(checking, CODE_C601, MACHINE, "firmware");
    }
}

/* Whether an event's body is the reference values'. Its number may differ, if there are more. */
static bool same_body(const struct log_event *event, const struct reference_event *reference)
{
    size_t head = sizeof(struct bh_event);

    return event->size == reference->size &&
           memcmp(event->field + head, reference->field + head, event->size - head) == 0;
}

static void check_core(struct checking *checking)
{
    const struct reference_event *reference = reference_core(checking->in->reference);
    struct bh_event_core expected, got;

    memcpy(&expected, reference->field + sizeof(struct bh_event), sizeof(expected));
    event_body(log_core(&checking->log), &got, sizeof(got));
    if (!same_bytes(&checking->difference, "", expected.sha256, BH_DIGEST, got.sha256, BH_DIGEST))
        accuse(checking, CODE_C601, MACHINE, "core");
}

static const char *smm_name(enum bh_smm_mode mode)
{
    switch (mode) {
    case BH_SMM_NONE:
        return "none";
    case BH_SMM_REPLACED:
        return "replaced";
    case BH_SMM_FIRMWARE:
        return "firmware";
    }
    return "?";
}

static bool same_smm(enum bh_smm_mode mode, const uint8_t sha256[BH_DIGEST],
                     const struct bh_event_smm *got, struct difference *difference)
{
    char expected[80], digest[2 * BH_DIGEST + 1];

    if (got->mode == (uint32_t)mode && memcmp(got->sha256, sha256, BH_DIGEST) == 0)
        return true;
    hex(digest, sizeof(digest), sha256, BH_DIGEST);
    snprintf(expected, sizeof(expected), "%s %s", smm_name(mode), digest);
    hex(digest, sizeof(digest), got->sha256, BH_DIGEST);
    return differs(difference, expected, "%s %s", smm_name((enum bh_smm_mode)got->mode), digest);
}

/* The handler is the firmware's, and so the machine's: enrolment pinned it. Reference values say
 * it only where their author knew the machine. */
static void check_smm(struct checking *checking)
{
    const struct reference_event *reference = reference_smm(checking->in->reference);
    const struct record *record = checking->in->record;
    struct bh_event_smm smm, meant;

    event_body(log_smm(&checking->log), &smm, sizeof(smm));
    if (!same_smm(record->smm_mode, record->smm_sha256, &smm, &checking->difference)) {
        accuse(checking, CODE_C601, MACHINE, "smm");
        return;
    }
    if (reference->size == 0)
        return;
    memcpy(&meant, reference->field + sizeof(struct bh_event), sizeof(meant));
    if (!same_smm((enum bh_smm_mode)meant.mode, meant.sha256, &smm, &checking->difference))
        accuse(checking, CODE_C601, MACHINE, "smm");
}

static const char *role_name(uint32_t role)
{
    switch ((enum bh_file_role)role) {
    case BH_FILE_KERNEL:
        return "kernel";
    case BH_FILE_INITRD:
        return "initrd";
    case BH_FILE_FLAT:
        return "image";
    case BH_FILE_MODULE:
        return "module";
    }
    return "?";
}

/* Which of a domain's files is another. */
static void tell_files(const struct log_event *got, const struct reference_event *reference,
                       struct difference *difference)
{
    struct log_event expected = as_logged(reference);
    struct bh_event_domain heads[2];
    struct bh_event_file files[2];

    event_body(&expected, &heads[0], sizeof(heads[0]));
    event_body(got, &heads[1], sizeof(heads[1]));
    same_number(difference, "files", heads[0].files, heads[1].files);
    for (uint32_t i = 0; i < heads[0].files && i < heads[1].files; i++) {
        event_file(&expected, i, &files[0]);
        event_file(got, i, &files[1]);
        if (memcmp(&files[0], &files[1], sizeof(files[0])) == 0)
            continue;
        if (same_bytes(difference, role_name(files[0].role), files[0].sha256, BH_DIGEST,
                       files[1].sha256, BH_DIGEST))
            differs(difference, "the same role and size", "others");
        return;
    }
}

/* True if it is as the reference values say. */
static bool check_domain(struct checking *checking, size_t domain)
{
    const struct reference *reference = checking->in->reference;
    const struct reference_event *expected;
    const char *name = checking->result->domain[domain].name;
    struct bh_event_domain own;
    size_t index;
    bool is_same;

    event_body(log_domain(&checking->log, domain), &own, sizeof(own));
    expected = find_reference(reference, own.name, &index);
    if (expected == NULL) {
        differs(&checking->difference, "no domain of that name", "one");
        accuse(checking, CODE_C601, (int)domain, name);
        return false;
    }
    is_same = same_body(log_domain(&checking->log, domain), expected);
    if (!is_same) {
        tell_files(log_domain(&checking->log, domain), expected, &checking->difference);
        accuse(checking, CODE_C601, (int)domain, name);
    }
    if (!same_body(log_start(&checking->log, domain), reference_start(reference, index))) {
        differs(&checking->difference, "the start that the policy says", "another");
        accuse(checking, CODE_C601, (int)domain, name);
    }
    return is_same;
}

/* A domain that should be there and isn't. */
static void check_missing(struct checking *checking)
{
    const struct reference *reference = checking->in->reference;
    struct bh_event_domain domain;

    for (size_t i = 0; i < reference_domains(reference); i++) {
        int verdict;

        memcpy(&domain, reference_domain(reference, i)->field + sizeof(struct bh_event),
               sizeof(domain));
        if (find_logged(&checking->log, domain.name) != NULL)
            continue;
        differs(&checking->difference, "this domain", "none of that name");
        verdict = verdict_of(checking, domain.name);
        accuse(checking, CODE_C601, verdict, domain.name);
    }
}

static bool check_policy_rights(struct checking *checking)
{
    const struct reference *reference = checking->in->reference;
    struct difference *difference = &checking->difference;
    struct bh_event_policy policy;

    event_body(log_policy(&checking->log), &policy, sizeof(policy));
    if (same_bytes(difference, "author", reference->author, sizeof(reference->author),
                   policy.author, sizeof(policy.author)) &&
        same_number(difference, "version", reference->version, policy.version) &&
        same_bytes(difference, "tables", reference->tables, BH_DIGEST, policy.tables, BH_DIGEST))
        return true;
    accuse(checking, CODE_C601, MACHINE, "policy");
    return false;
}

/*
 * What the policy's rows of files say stands in the domains' events, too. So where author, version
 * and tables are the reference values', another image is explained by another file of a domain,
 * and concerns just that one.
 */
static void check_policy(struct checking *checking, bool are_domains_same)
{
    const struct reference_event *reference = reference_policy(checking->in->reference);
    struct bh_event_policy expected, got;

    if (!check_policy_rights(checking) || !are_domains_same)
        return;
    memcpy(&expected, reference->field + sizeof(struct bh_event), sizeof(expected));
    event_body(log_policy(&checking->log), &got, sizeof(got));
    if (!same_bytes(&checking->difference, "image", expected.image, BH_DIGEST, got.image,
                    BH_DIGEST) ||
        !same_bytes(&checking->difference, "signature", expected.signature, BH_DIGEST,
                    got.signature, BH_DIGEST))
        accuse(checking, CODE_C601, MACHINE, "policy");
}

/* What is shown of a domain's images: the digest of the only one, or of all their digests. */
static void note_image(struct verdict *verdict, const struct log_event *event)
{
    uint8_t digests[BH_MAX_FILES][BH_DIGEST];
    struct bh_event_domain domain;
    struct bh_event_file file;

    event_body(event, &domain, sizeof(domain));
    for (uint32_t i = 0; i < domain.files; i++) {
        event_file(event, i, &file);
        memcpy(digests[i], file.sha256, BH_DIGEST);
    }
    if (domain.files == 1)
        memcpy(verdict->image, digests[0], BH_DIGEST);
    else
        sha256(digests, domain.files * BH_DIGEST, verdict->image);
}

static void begin_verdicts(struct checking *checking)
{
    struct bh_event_domain domain;

    for (size_t i = 0; i < checking->log.domains; i++) {
        struct verdict *verdict;

        event_body(log_domain(&checking->log, i), &domain, sizeof(domain));
        verdict = &checking->result->domain[verdict_of(checking, domain.name)];
        note_image(verdict, log_domain(&checking->log, i));
        verdict->is_measured = true;
    }
}

bool check_machine(struct checking *checking)
{
    bool are_domains_same = true;
    size_t domains = checking->log.domains;

    begin_verdicts(checking);
    if (!check_loaded(checking)) {
        check_firmware(checking);
        return true;
    }
    check_firmware(checking);
    check_core(checking);
    check_smm(checking);
    for (size_t i = 0; i < domains; i++)
        are_domains_same = check_domain(checking, i) && are_domains_same;
    check_missing(checking);
    check_policy(checking, are_domains_same);
    return true;
}
