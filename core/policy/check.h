/*
 * What can be wrong with a policy image, as values: a check of include/tables/refusals.def
 * and the numbers that it shows. Pure, so the host can test it.
 */
#ifndef CORE_POLICY_CHECK_H
#define CORE_POLICY_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum policy_check {
    POLICY_OK = 0,
#define REFUSAL(name, section, shows, text, remedy) POLICY_##name,
#include "tables/refusals.def"
#undef REFUSAL
    POLICY_CHECKS
};

/* The first thing found wrong; all zero (check POLICY_OK) if nothing was. */
struct policy_fault {
    enum policy_check check;
    uint32_t row;   /* row of the section; line of a text, from 1; domain of a page table */
    uint64_t value; /* what was found there: an address, a size, a key id */
    uint64_t other; /* what it was compared with, where that is a number */
};

/* Note a fault; false, so that a check can end with `return policy_fail(...)`. */
static inline bool policy_fail(struct policy_fault *fault, enum policy_check check, uint32_t row,
                               uint64_t value)
{
    *fault = (struct policy_fault){.check = check, .row = row, .value = value};
    return false;
}

/*
 * Writes what was refused, where, why and what helps, as fatal() prints it: "cause: details.
 * Remedy". Cut to `size`; CHECK_TEXT bytes are enough for every fault.
 */
#define CHECK_TEXT 256
void policy_explain(const struct policy_fault *fault, char *text, size_t size);

#endif
