/* Hypercalls (bulkhead/abi.h), from flat domains and from Linux programs alike. */
#ifndef DOMAINS_LIB_CALL_H
#define DOMAINS_LIB_CALL_H

#include <stdint.h>

#include "bulkhead/abi.h"

struct bh_answer {
    int64_t result;   /* enum bh_result, or the call's own value */
    uint64_t a, b, c; /* RDI, RSI, RDX */
};

/* Without Bulkhead below, VMMCALL raises #UD or means something else: ask CPUID first. */
static inline struct bh_answer bh_call_raw(uint64_t rax, uint64_t a, uint64_t b, uint64_t c)
{
    struct bh_answer answer = {(int64_t)rax, a, b, c};

    __asm__ volatile("vmmcall"
                     : "+a"(answer.result), "+D"(answer.a), "+S"(answer.b), "+d"(answer.c)
                     :
                     : "memory");
    return answer;
}

static inline struct bh_answer bh_call(enum bh_call number, uint64_t a, uint64_t b, uint64_t c)
{
    return bh_call_raw(BH_CALL | (uint32_t)number, a, b, c);
}

#endif
