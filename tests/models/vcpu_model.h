/*
 * A policy image and the vCPUs of its two domains, for unit tests: `work`, which owns its
 * interrupts on core 0, and `vault`, which doesn't, on core 1. An exit is what vcpu_model_exit()
 * reports.
 */
#ifndef MODELS_VCPU_MODEL_H
#define MODELS_VCPU_MODEL_H

#include <setjmp.h>
#include <stdbool.h>

#include "core/exits/decode.h"
#include "core/svm/svm.h"
#include "models/cpu_model.h"
#include "models/memory_model.h"

enum { WORK, VAULT };

struct image_model {
    struct bh_header header;
    struct bh_domain domain[2];
    struct bh_channel channel[4];
    struct bh_pci_function function[4];
    struct bh_cpuid cpuid[16];
    struct bh_msr msr[16];
    struct bh_dte dte[4];
};

extern struct image_model image_model;

/* What CPUID says of ASIDs. */
#define MODEL_ASIDS 16u

/* Where the model puts a domain's code, and how much there is; around it is nothing. */
#define MODEL_CODE      0x00010000ull
#define MODEL_CODE_SIZE 0x00002000ull

/*
 * Starts over: an image with rows for nothing, empty memory but for code and page tables. The test
 * fills in rows, then calls vcpu_model_init() for each domain that it uses.
 */
void vcpu_model_reset(void);
struct vcpu *vcpu_model_init(unsigned index);

/* Another of its vCPUs, which has been asked to take an INIT. */
struct vcpu *vcpu_model_init_id(unsigned index, unsigned id);

/* Lets the domain run code of that size: 64-bit with 1-GiB identity pages, else without paging. */
void vcpu_model_mode(struct vcpu *vcpu, enum insn_mode mode);

/* Puts an instruction, in hexadecimal, at MODEL_CODE + offset and RIP there; returns its length. */
unsigned vcpu_model_code(struct vcpu *vcpu, uint64_t offset, const char *text);

/* Runs exits_handle() for an exit. False if it has stopped the domain. */
bool vcpu_model_exit(struct vcpu *vcpu, uint64_t code, uint64_t info1, uint64_t info2);

/* Runs exits_attend(), likewise. */
bool vcpu_model_attend(struct vcpu *vcpu);

/* Whether translations of the vCPU were to be flushed since this was asked last. */
bool vcpu_model_flushed(struct vcpu *vcpu);

/* The event that the domain will take: vector and type, the whole EVENTINJ word. */
#define MODEL_EXCEPTION(vector) (VMCB_EVENT_VALID | VMCB_EVENT_EXCEPTION | (vector))
#define MODEL_GP                (MODEL_EXCEPTION(VECTOR_GP) | VMCB_EVENT_HAS_ERROR)

/* The vCPU that core is expected to handle: vcpu_model_exit() sets it. */
extern struct vcpu *model_current;

/* How often core let interrupts in, and slept; what to do then, if it isn't to end the test. */
extern unsigned model_windows, model_sleeps;
extern bool model_has_host; /* code runs with the host's state: svm_with_host() */
extern void (*model_on_sleep)(struct vcpu *vcpu);
extern void (*model_on_window)(struct vcpu *vcpu);

extern uint64_t model_timer; /* what timer_set() was told last */

#endif
