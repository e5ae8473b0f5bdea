/*
 * The measured event log: TCG PC Client Platform Firmware Profile, "crypto agile" format. After
 * the Spec ID Event03 header come events of type EV_EVENT_TAG only, the digest of each being the
 * hash of its whole event field: struct bh_event, then `size` bytes of body. So the type and the
 * order of events are part of what was hashed. All integers are little-endian; padding is zero.
 */
#ifndef BULKHEAD_EVLOG_H
#define BULKHEAD_EVLOG_H

#include <stdint.h>

#include "bulkhead/image.h"

#define BH_PCR_CORE    17u /* core, policy, SMM */
#define BH_PCR_DOMAINS 18u
#define BH_PCR_RUNTIME 19u

#define BH_EVENT_TAG    0x42480000u /* | enum bh_event_type */
#define BH_EVENT_MAGIC  "BHLK"      /* 4 bytes, no terminating zero */
#define BH_EVENT_FORMAT 1u
#define BH_EVENT_MAX    1024u /* bytes of an event field: TPM2_PCR_Event takes no more */

#define TCG_EV_NO_ACTION 3u
#define TCG_EV_EVENT_TAG 6u

enum bh_event_type {
#define EVENT(name, number, pcr, says) BH_EVENT_##name = (number),
#include "tables/events.def"
#undef EVENT
};

/* The event field: a TCG_PCClientTaggedEvent whose data begins with `magic`. */
struct bh_event {
    uint32_t tag;       /* BH_EVENT_TAG | type */
    uint32_t data_size; /* bytes from `magic` on, body included */
    char magic[4];
    uint16_t format;   /* BH_EVENT_FORMAT */
    uint16_t type;     /* enum bh_event_type */
    uint32_t sequence; /* 0, 1, ... over all PCRs, in the log's order */
    uint16_t domain;   /* index, BH_NOBODY if none */
    uint16_t size;     /* of the body that follows, in bytes */
    uint64_t time;     /* ns since the TSC was 0; 0 in PCR 17 and 18, which are predictable */
};
_Static_assert(sizeof(struct bh_event) == 32, "no hidden padding");

#define BH_DIGEST 32u /* SHA-256, unless said otherwise */

/* BH_EVENT_CORE */
struct bh_event_core {
    uint8_t sha256[BH_DIGEST]; /* of core's read-only segments, one behind the other */
};

/* BH_EVENT_POLICY */
struct bh_event_policy {
    uint8_t image[BH_DIGEST];     /* module `policy`, whole */
    uint8_t signature[BH_DIGEST]; /* module `signature`, whole */
    uint8_t author[32];           /* Ed25519 public key in trust.pub */
    uint64_t version;
    /* What domains may do, whatever images run in them: the image where core placed it, less the
     * rows of `files` (bh_header.files). */
    uint8_t tables[BH_DIGEST];
};
_Static_assert(sizeof(struct bh_event_policy) == 136, "no hidden padding");

enum bh_smm_mode {
    BH_SMM_NONE = 1, /* firmware left no handler; core's stub, which does nothing, runs */
    BH_SMM_REPLACED, /* firmware's handler was read, then replaced by core's stub */
    BH_SMM_FIRMWARE, /* firmware locked its handler, which runs: unreadable, `sha256` is zero */
};

/* BH_EVENT_SMM */
struct bh_event_smm {
    uint32_t mode; /* enum bh_smm_mode */
    uint32_t pad;
    uint8_t sha256[BH_DIGEST]; /* BH_SMM_REPLACED: of the handler as firmware left it; else zero */
};
_Static_assert(sizeof(struct bh_event_smm) == 40, "no hidden padding");

/* BH_EVENT_DOMAIN: this, then `files` times struct bh_event_file in the policy's order. */
struct bh_event_domain {
    char name[BH_NAME_SIZE];
    uint32_t files;
    uint32_t pad;
};
struct bh_event_file {
    uint32_t role; /* enum bh_file_role */
    uint32_t pad;
    uint64_t size;
    uint8_t sha256[BH_DIGEST];
};
_Static_assert(sizeof(struct bh_event_domain) == 40 && sizeof(struct bh_event_file) == 48,
               "no hidden padding");
_Static_assert(sizeof(struct bh_event) + sizeof(struct bh_event_domain) +
                       BH_MAX_FILES * sizeof(struct bh_event_file) <=
                   BH_EVENT_MAX,
               "a domain with all files fits");

/* BH_EVENT_START: what the policy says of the start; all but `cmdline` as in struct bh_domain.
 * Where core puts a Linux kernel follows from the machine's memory map and isn't predictable. */
struct bh_event_start {
    uint8_t kind;
    uint8_t label;
    uint8_t interrupts;
    uint8_t boot;
    uint32_t cores; /* bit n: core n */
    uint64_t memory_size;
    uint64_t load_gpa;
    uint64_t entry_gpa;
    uint8_t cmdline[BH_DIGEST]; /* of the text, without its terminating zero */
};
_Static_assert(sizeof(struct bh_event_start) == 64, "no hidden padding");

/* BH_EVENT_BOOT: TPMS_CLOCK_INFO's counts, and 128 random bits of the TPM. */
struct bh_event_boot {
    uint32_t reset_count;
    uint32_t restart_count;
    uint8_t boot_id[16];
};
_Static_assert(sizeof(struct bh_event_boot) == 24, "no hidden padding");

/* BH_EVENT_STOP, BH_EVENT_CRASH: the exit at which the domain ended (APM vol. 2, appendix C). */
struct bh_event_end {
    uint64_t exitcode;
    uint64_t exitinfo1;
    uint64_t exitinfo2;
    uint64_t rip;
};

/* BH_EVENT_RESTART */
struct bh_event_restart {
    uint32_t starts; /* how often it has been started, this time included */
    uint32_t pad;
};

/* BH_EVENT_VIOLATION, BH_EVENT_DMA_FAULT: the first of its kind by this domain. */
struct bh_event_violation {
    uint32_t kind; /* line of tables/violations.def, from 0 */
    uint32_t pad;
    uint64_t address; /* as violations.def says */
};

#endif
