/*
 * Where core and what it needs before it has a policy lie in physical memory, for core's linker
 * script, core and policyc. Core is linked, loaded and run at one address: virtual equals
 * physical, always.
 */
#ifndef BULKHEAD_LAYOUT_H
#define BULKHEAD_LAYOUT_H

#define CORE_BASE 0x11000000
#define CORE_SIZE 0x00200000
#define CORE_END  (CORE_BASE + CORE_SIZE)

/* The IOMMU's device table. Closed before a policy is read, so its place isn't the policy's. */
#define DEVICE_TABLE_BASE 0x10e00000
#define DEVICE_TABLE_SIZE 0x00200000

#endif
