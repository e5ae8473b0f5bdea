/* What core/platform offers to the layers above it. */
#ifndef CORE_PLATFORM_PLATFORM_H
#define CORE_PLATFORM_PLATFORM_H

#include "core/platform/acpi.h"
#include "core/platform/apic.h"
#include "core/platform/console.h"
#include "core/platform/cpu.h"
#include "core/platform/features.h"
#include "core/platform/instructions.h"
#include "core/platform/paging.h"
#include "core/platform/panic.h"
#include "core/platform/pci.h"
#include "core/platform/screen.h"
#include "core/platform/smp.h"
#include "core/platform/spinlock.h"
#include "core/platform/time.h"
#include "core/platform/timer.h"

#endif
