/*
 * TPM 2.0: the FIFO interface (TCG PC Client Platform TPM Profile 1.05, "PTP") and the constants
 * of the TPM 2.0 Library Specification, part 2, that core and tools use.
 */
#ifndef HW_TPM_H
#define HW_TPM_H

/* PTP 6.3.2: one page of registers for each locality */
#define TIS_BASE          0xfed40000u
#define TIS_LOCALITY_SIZE 0x1000u
#define TIS_LOCALITIES    5u

/* PTP 6.5.2, offsets from the locality's page */
#define TIS_ACCESS 0x00 /* 8 bits */
#define TIS_STS    0x18 /* 32 bits */
#define TIS_FIFO   0x24 /* 8 bits */

#define TIS_ACCESS_VALID   0x80u
#define TIS_ACCESS_ACTIVE  0x20u /* written: relinquish */
#define TIS_ACCESS_SEIZE   0x08u
#define TIS_ACCESS_REQUEST 0x02u

#define TIS_STS_VALID       0x80u
#define TIS_STS_READY       0x40u /* written: abort, get ready */
#define TIS_STS_GO          0x20u
#define TIS_STS_DATA        0x10u
#define TIS_STS_EXPECT      0x08u
#define TIS_STS_BURST_SHIFT 8
#define TIS_STS_BURST_MASK  0xffffu

/* PTP 6.5.1.3, microseconds */
#define TIS_TIMEOUT_A 750000u
#define TIS_TIMEOUT_B 2000000u

/* Part 2, 6.3 */
#define TPM_ALG_SHA1   0x0004u
#define TPM_ALG_SHA256 0x000bu
#define TPM_ALG_SHA384 0x000cu
#define TPM_ALG_SHA512 0x000du
#define TPM_ALG_NULL   0x0010u

/* Part 2, 6.9: structure tags, of commands and responses */
#define TPM_ST_NO_SESSIONS 0x8001u
#define TPM_ST_SESSIONS    0x8002u
#define TPM_HEADER         10u /* bytes: tag, size, command or response code */

/* Part 2, 6.6: those that core tells apart */
#define TPM_RC_SUCCESS  0x000u
#define TPM_RC_FMT1     0x080u /* bit: about one handle, session or parameter */
#define TPM_RC_HANDLE   0x18bu /* the first handle names nothing */
#define TPM_RC_YIELDED  0x908u
#define TPM_RC_CANCELED 0x909u
#define TPM_RC_TESTING  0x90au
#define TPM_RC_NV_RATE  0x920u
#define TPM_RC_RETRY    0x922u

/* Part 2, 6.12, 6.13, 7.4, 8.5 */
#define TPM_CAP_PCRS             5u
#define TPM_SE_POLICY            1u
#define TPM_POLICY_SESSION_FIRST 0x03000000u
#define TPM_RH_NULL              0x40000007u
#define TPM_RS_PW                0x40000009u
#define TPMA_LOCALITY_2          4u

/* Start methods of ACPI's table TPM2 (TCG ACPI Specification 1.3, table 8) */
#define TPM2_START_FIFO 6u

#endif
