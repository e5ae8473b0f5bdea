/* How core was launched, and so what the PCRs can prove. */
#ifndef ATTEST_PROFILE_H
#define ATTEST_PROFILE_H

enum profile {
    PROFILE_NONE,
    PROFILE_UNMEASURED, /* nobody measured core: PCR 8 and 9 are zero; a warning at best */
    PROFILE_STATIC,     /* firmware and GRUB measured it: PCR 0, 2, 4, 7, 8, 9 */
    PROFILE_DYNAMIC,    /* SKINIT: PCR 17-19 start at zero instead of FF..FF */
};

/* PROFILE_NONE: no such profile. */
enum profile profile_find(const char *name);
const char *profile_name(enum profile profile);

#endif
