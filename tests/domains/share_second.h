/* Where a domain's second vCPU lies, and what it counts. */
#ifndef TESTS_DOMAINS_SHARE_SECOND_H
#define TESTS_DOMAINS_SHARE_SECOND_H

#define SHARE_SECOND        0x8000
#define SHARE_SECOND_STARTS 0x8800
#define SHARE_SECOND_TAKEN  0x8804
#define SHARE_SECOND_STACK  0x9000
#define SHARE_SECOND_VECTOR 0x40

#endif
