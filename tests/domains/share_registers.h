/* The registers of vcpu_state.def, as a domain reaches them. */
#ifndef TESTS_DOMAINS_SHARE_REGISTERS_H
#define TESTS_DOMAINS_SHARE_REGISTERS_H

#include "tests/domains/share.h"

enum row {
#define VCPU_STATE(name, kept, number, first, init, text) ROW_##name,
#include "tables/vcpu_state.def"
#undef VCPU_STATE
    ROWS
};

/* value: of the early and of the late domain, where not every value is legal; else a pattern. */
struct way {
    void (*get)(unsigned argument, uint64_t *words);
    void (*set)(unsigned argument, const uint64_t *words);
    unsigned argument, count;
    uint64_t mask;
    uint64_t value[2][4];
};
extern const struct way ways[ROWS];

/* Of RFLAGS: ID, AC, IOPL, CF, which counting down leaves alone. */
#define SHARE_FLAGS 0x00243001ull

/* Has CR4 let the registers be reached. */
void share_prepare(void);

/* share_spin.S */
extern uint64_t share_spin_registers[17], share_spin_rounds;
extern uint32_t share_first[6];
void share_spin(void);

#endif
