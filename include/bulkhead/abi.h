/*
 * What a domain may ask of core: VMMCALL with RAX = BH_CALL | number, arguments in RDI,
 * RSI, RDX; the result comes back in RAX, further values in RDI, RSI, RDX. All other
 * registers are unchanged. The numbers 1-12 that KVM guests use never carry the prefix.
 */
#ifndef BULKHEAD_ABI_H
#define BULKHEAD_ABI_H

#define BH_CALL        0x42480000u /* "BH" */
#define BH_CALL_MASK   0xffff0000u
#define BH_ABI_VERSION 3u
#define BH_BELL_MIN    32u        /* vectors below are exceptions' */
#define BH_START_MAGIC 0x42484453 /* "BHDS": EAX at entry of a BH_BOOT_FLAT domain */
#define BH_LOG_MAX     160u       /* bytes of one log line */
#define BH_READ_MAX    4096u      /* bytes of evidence that one call copies */

#define BH_CPUID_BASE      0x40000000u    /* hypervisor leaves */
#define BH_CPUID_SIGNATURE "BulkheadBulk" /* EBX, ECX, EDX of the first leaf */

#ifndef __ASSEMBLER__
#include <stdint.h>

enum bh_call {
    BH_CALL_VERSION = 0, /* -> RAX = BH_ABI_VERSION */
    BH_CALL_CHANNEL = 1, /* RDI = n: the n-th channel that this domain is an end of
                            -> RAX = BH_OK, RDI = GPA, RSI = size, RDX = BH_CHANNEL_* */
    BH_CALL_RING = 2,    /* RDI = n: ring the doorbell of the n-th channel's other end */
    BH_CALL_WAIT = 3,    /* sleep until a doorbell rings -> RAX = BH_OK, RDI = bit n set:
                            the n-th channel has rung since the last call; BH_E_AGAIN:
                            something else ended the sleep. Domains with virtual interrupts
                            only: a direct one halts by HLT. */
    BH_CALL_LOG = 4,     /* RDI = GPA, RSI = length 1..BH_LOG_MAX: print one line */
    BH_CALL_STOP = 5,    /* this domain ends; CPL 0 only; does not return */

    /*
     * Evidence of what runs here (bulkhead/evidence.h), for domains that `may attest`. The TPM
     * takes its time: START asks it, POLL drives it on and answers at once; each call does a
     * bounded part of the work. One evidence is made or kept at a time, for one domain.
     */
    BH_CALL_ATTEST_START = 6, /* RDI = GPA of struct bh_attest_request, RSI = its size -> BH_OK;
                                 BH_E_BUSY: another domain's evidence is being made, or has not
                                 been read to its end and is younger than 10 s, or another domain
                                 has its turn next, or an earlier one of this domain's is being
                                 made: call again; BH_E_TPM, BH_E_UNENROLLED: there will be none */
    BH_CALL_ATTEST_POLL = 7,  /* -> BH_OK with RDI = size of the evidence; BH_E_AGAIN: call again;
                                 BH_E_ARG: none was asked for, or another domain's took its place;
                                 other errors: there will be none, and START may be called again */
    BH_CALL_ATTEST_READ = 8,  /* RDI = GPA, RSI = size 1..4096, RDX = offset: copies a part of the
                                 evidence -> RDI = bytes copied; BH_E_AGAIN: call again; BH_E_ARG:
                                 offset beyond its end, or as for POLL */

    /*
     * Doorbells by interrupt, since version 2. One that rings interrupts the vCPU that has called
     * BELL last, and no more until RUNG (or WAIT) has taken it back.
     */
    BH_CALL_BELL = 9,  /* RDI = vector BH_BELL_MIN..FFh; 0: no interrupt, as at start. RSI = one of
                          enum bh_bell_way, since version 3; 0 before. CPL 0 only */
    BH_CALL_RUNG = 10, /* -> RDI = bit n set: the n-th channel has rung since the last call */
    BH_CALLS
};

/*
 * How a doorbell comes as an interrupt. Injected ones are for domains with direct interrupts alone:
 * their APIC doesn't know of them, so that they need no EOI, and TPR as written through the APIC's
 * own register doesn't hold them back. The hardware's interrupts come first.
 */
enum bh_bell_way {
    BH_BELL_APIC = 0,         /* as any IPI: by the domain's local APIC, which wants an EOI */
    BH_BELL_INJECTED = 1,     /* by core, once IF is set and CR8 is below the vector's class */
    BH_BELL_INJECTED_ANY = 2, /* by core, once IF is set: CR8 isn't asked */
    BH_BELL_WAYS
};

/* Results, in RAX, as signed 64-bit values. */
enum bh_result {
    BH_OK = 0,
    BH_E_CALL = -1,       /* unknown number */
    BH_E_DENIED = -2,     /* the policy doesn't grant it */
    BH_E_ARG = -3,        /* an index or a length out of range */
    BH_E_ADDRESS = -4,    /* memory that isn't all the caller's own RAM */
    BH_E_BUSY = -5,       /* somebody else's request comes first */
    BH_E_AGAIN = -6,      /* not yet: the TPM is still at work, no doorbell has rung */
    BH_E_TPM = -7,        /* the TPM failed or there is none; core's console says how */
    BH_E_UNENROLLED = -8, /* the TPM has no attestation key (BH_AK_HANDLE): enrol this machine */
};
#endif

#endif
