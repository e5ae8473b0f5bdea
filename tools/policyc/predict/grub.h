/*
 * What GRUB's tpm module measures while it boots Bulkhead (GRUB 2.06, seen at the TPM):
 *
 *   PCR 8   each command before it is carried out: its words, quotes removed, one space between
 *           them; behind the file of multiboot2 or module2 the rest of its words, as they are
 *           handed over
 *   PCR 9   each file that is read, as a whole: by search --file, configfile, multiboot2, module2
 *
 * Scripts may say only what can be predicted. The script that GRUB's own image has embedded is
 * measured with that image by firmware (PCR 4), so its text isn't measured here, but its commands
 * are.
 */
#ifndef POLICYC_PREDICT_GRUB_H
#define POLICYC_PREDICT_GRUB_H

#include "pcr.h"
#include <stdbool.h>

#define GRUB_SCRIPTS_MAX 8u
#define GRUB_FILES_MAX   64u
#define GRUB_NAME_SIZE   48u
#define GRUB_FAULT_SIZE  512u

struct grub_script {
    const char *path; /* for messages */
    const char *text; /* `size` bytes, any */
    size_t size;
    uint8_t sha256[32];
};

struct grub_module {
    const char *name; /* name=NAME */
    uint8_t sha256[32];
};

struct grub_boot {
    struct grub_script embedded;
    struct grub_script script[GRUB_SCRIPTS_MAX]; /* in the order in which GRUB comes upon them */
    unsigned scripts;
    uint8_t core[32]; /* SHA-256 of the whole file */
    const struct grub_module *module;
    unsigned modules; /* each must be loaded */
};

struct grub_measured {
    uint8_t pcr8[PCR_SIZE], pcr9[PCR_SIZE];
    struct {
        char name[GRUB_NAME_SIZE]; /* core, grub.cfg, grub.cfg-2, ..., or a module's */
        uint8_t sha256[32];
    } file[GRUB_FILES_MAX]; /* PCR 9, in that order */
    unsigned files;
    char fault[GRUB_FAULT_SIZE]; /* place, cause and remedy */
};

/* False: `fault` says why these scripts can't be predicted. */
bool grub_predict(const struct grub_boot *boot, struct grub_measured *measured);

#endif
