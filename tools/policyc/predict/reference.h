/* Reference values as a JSON document (docs/attestation.md): what a verifier will compare with. */
#ifndef POLICYC_PREDICT_REFERENCE_H
#define POLICYC_PREDICT_REFERENCE_H

#include "events.h"
#include "grub.h"

struct reference {
    const struct bh_header *policy;
    const struct event_facts *facts;
    uint8_t matrix[BH_DIGEST]; /* SHA-256 of `policyc dump --matrix` */
    const struct events *events;
    const struct grub_measured *grub; /* NULL: nobody measures what is loaded */
};

/* The document's text, malloc'ed; the same values give the same bytes. NULL if there is no
 * memory. */
char *reference_text(const struct reference *reference);

/*
 * Compare a document, which may be anything, with what it should be, and print each difference
 * with `path` before it. Returns how many there are.
 */
unsigned reference_compare(const char *path, const char *text, size_t size, const char *right);

#endif
