/* Check 12, and of check 13: is it core that was loaded, by GRUB's commands and files? */
#include "check.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sha256.h"

static bool is_current(const struct appraisal *in, const struct result *result,
                       const struct bh_attest_request *asked, struct difference *difference)
{
    static const uint8_t none[32];
    const struct reference *reference = in->reference;
    char least[64];

    if (reference == NULL)
        return differs(difference, "reference values", "none");
    if (reference->fault[0] != '\0')
        return differs(difference, "valid reference values", "%s", reference->fault);
    if (reference->profile != result->profile)
        return differs(difference, profile_name(result->profile), "reference values of profile %s",
                       profile_name(reference->profile));
    if (memcmp(asked->reference, none, sizeof(none)) != 0 &&
        !same_bytes(difference, "the reference values that evidence was asked for,",
                    asked->reference, sizeof(asked->reference), reference->id,
                    sizeof(reference->id)))
        return false;
    snprintf(least, sizeof(least), "version %" PRIu64 " or newer, seen before", in->floor);
    return reference->version >= in->floor ||
           differs(difference, least, "version %" PRIu64, reference->version);
}

bool check_reference(struct checking *checking)
{
    if (!is_current(checking->in, checking->result, &checking->claims.evidence.asked,
                    &checking->difference))
        return reject(checking, CODE_E501, "reference values");
    checking->result->is_reference_good = true;
    return true;
}

const struct log_event *find_logged(const struct event_log *log, const char name[BH_NAME_SIZE])
{
    struct bh_event_domain domain;

    for (size_t i = 0; i < log->domains; i++) {
        event_body(log_domain(log, i), &domain, sizeof(domain));
        if (memcmp(domain.name, name, BH_NAME_SIZE) == 0)
            return log_domain(log, i);
    }
    return NULL;
}

struct log_event as_logged(const struct reference_event *event)
{
    return (struct log_event){.pcr = event->pcr, .field = event->field, .size = event->size};
}

/* PCR 9: which digest the log claims for a file that the reference values name. */
struct claimed {
    const struct checking *checking;
    bool is_taken[BH_EVIDENCE_MAX_DOMAINS][BH_MAX_FILES]; /* rows of reference domains */
};

/* The file is one of a domain's: of the same row, the log's digest. */
static bool claim_of_domain(struct claimed *claimed, const struct reference_file *file,
                            uint8_t sha256[BH_DIGEST])
{
    const struct reference *reference = claimed->checking->in->reference;
    struct bh_event_domain domain, logged;
    struct bh_event_file row;

    for (size_t i = 0; i < reference_domains(reference); i++) {
        struct log_event event = as_logged(reference_domain(reference, i));
        const struct log_event *own;

        event_body(&event, &domain, sizeof(domain));
        for (uint32_t k = 0; k < domain.files; k++) {
            event_file(&event, k, &row);
            if (claimed->is_taken[i][k] || memcmp(row.sha256, file->sha256, BH_DIGEST) != 0)
                continue;
            claimed->is_taken[i][k] = true;
            own = find_logged(&claimed->checking->log, domain.name);
            if (own == NULL)
                return false;
            event_body(own, &logged, sizeof(logged));
            if (k >= logged.files)
                return false;
            event_file(own, k, &row);
            memcpy(sha256, row.sha256, BH_DIGEST);
            return true;
        }
    }
    return false;
}

/* What the log is believed by isn't taken from the log, even if a domain runs the same bytes. */
static bool is_fixed(const char *name)
{
    return strcmp(name, "core") == 0 || strcmp(name, "trust.pub") == 0 ||
           strncmp(name, "grub.cfg", strlen("grub.cfg")) == 0;
}

static void claim_of(struct claimed *claimed, const struct reference_file *file,
                     uint8_t sha256[BH_DIGEST])
{
    struct bh_event_policy policy;

    event_body(log_policy(&claimed->checking->log), &policy, sizeof(policy));
    if (strcmp(file->name, "policy") == 0)
        memcpy(sha256, policy.image, BH_DIGEST);
    else if (strcmp(file->name, "signature") == 0)
        memcpy(sha256, policy.signature, BH_DIGEST);
    else if (is_fixed(file->name) || !claim_of_domain(claimed, file, sha256))
        memcpy(sha256, file->sha256, BH_DIGEST);
}

/*
 * Whether PCR 9 is what GRUB extends when it loads the files of the reference values, the owner's
 * own files being those that the log claims. Then core is the genuine one, for its digest is in
 * there as the reference values say; so the log, which it wrote, is true. Otherwise nothing in the
 * log can be believed: whatever ran can have extended the genuine digests into PCR 17 and 18.
 */
static bool is_explained(const struct checking *checking, struct difference *difference)
{
    const struct reference *reference = checking->in->reference;
    struct claimed claimed = {.checking = checking};
    uint8_t pcr[BH_DIGEST] = {0}, sha256[BH_DIGEST];

    for (size_t i = 0; i < reference->files; i++) {
        claim_of(&claimed, &reference->file[i], sha256);
        sha256_extend(pcr, sha256);
    }
    return same_bytes(difference, "PCR 9", pcr, sizeof(pcr), claims_pcr(&checking->claims, 9),
                      BH_DIGEST);
}

bool check_loaded(struct checking *checking)
{
    static const uint8_t zero[BH_DIGEST];
    const struct reference *reference = checking->in->reference;
    const struct claims *claims = &checking->claims;
    bool is_core = true;

    if (reference->profile == PROFILE_UNMEASURED) {
        for (unsigned pcr = 8; pcr <= 9; pcr++)
            if (!same_bytes(&checking->difference, pcr == 8 ? "PCR 8" : "PCR 9", zero, sizeof(zero),
                            claims_pcr(claims, pcr), BH_DIGEST))
                accuse(checking, CODE_C601, MACHINE, "loader");
        return true;
    }
    if (!is_explained(checking, &checking->difference)) {
        accuse(checking, CODE_C601, MACHINE, "core");
        is_core = false;
    }
    if (!same_bytes(&checking->difference, "PCR 8", reference->pcr8, sizeof(reference->pcr8),
                    claims_pcr(claims, 8), BH_DIGEST))
        accuse(checking, CODE_C601, MACHINE, "loader");
    return is_core;
}
