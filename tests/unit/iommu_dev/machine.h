/* A machine for the tests of iommu_dev: an IVRS, memory for the device table, and a policy image.
 */
#ifndef UNIT_IOMMU_DEV_MACHINE_H
#define UNIT_IOMMU_DEV_MACHINE_H

#include "bulkhead/image.h"
#include "models/amdvi_model.h"

#define UNIT_BASE     0xfed80000u
#define UNIT_DISTANCE 0x00100000u

#define WORK    0u /* domains of the policy */
#define VAULT   1u
#define NETWORK 0x0018u /* 00:03.0, granted to work */
#define DISK    0x0019u /* 00:03.1, granted to vault */
#define FOREIGN 0x0020u /* 00:04.0, granted to nobody */

/* Guest addresses in work's table: what a device may do there. */
#define READ_WRITE 0x00200000u
#define READ_ONLY  0x00201000u
#define NOTHING    0x00202000u
#define MACHINE_RW 0x40000000u /* where READ_WRITE leads to */

/* Interrupt with an entry in work's remapping table, and what the entry says. */
#define VECTOR      0x41u
#define VECTOR_IRTE (AMDVI_IRTE_REMAP_EN | AMDVI_IRTE_FIXED | 0x51u << AMDVI_IRTE_VECTOR_SHIFT)

/* A machine with that many IOMMUs, all off, and one device that the firmware left running. */
void machine_make(unsigned units);

/* The i-th IOMMU. */
struct model_unit *machine_unit(unsigned i);

/* A test's teardown: fails it if an IOMMU was used against the specification. */
int machine_check_units(void **state);

/* Whether that device may still do DMA of its own. */
bool machine_device_is_running(void);

/* Without the IVRS, or with one of so many bytes. */
void machine_remove_ivrs(void);
void machine_cut_ivrs(size_t size);

/* The policy image; tests may change it. */
struct machine_policy {
    struct bh_header header;
    struct bh_domain domains[2];
    struct bh_region regions[2];
    struct bh_dte dtes[2];
};
extern struct machine_policy machine_policy;

struct amdvi_dte *machine_device_table(void);

#endif
