/* Would core boot these kernels? Asked of core's own readers, so that nobody learns it at boot. */
#include "core/domain/kernel.h"
#include "core/domain/linux.h"
#include "internal.h"
#include <string.h>

static bool refuse(struct emission *emission, const struct domain *domain, enum start_error error)
{
    return report(emission->front, CHECK_kernel_unfit, domain->kernel.at, domain->name.value,
                  domain->kernel.value, start_error_cause(error), start_error_remedy(error), NULL);
}

static bool check_linux(struct emission *emission, const struct domain *domain,
                        const struct file_fact *fact)
{
    struct linux_kernel kernel;
    enum start_error error = linux_read(fact->bytes, fact->size, &kernel);

    if (error == START_OK && domain->cmdline.value != NULL &&
        strlen(domain->cmdline.value) > kernel.cmdline_max)
        error = START_KERNEL_CMDLINE;
    return error == START_OK || refuse(emission, domain, error);
}

static bool check_segments(struct emission *emission, const struct domain *domain,
                           const struct file_fact *fact)
{
    struct kernel kernel;
    enum start_error error = domain->boot.value == BH_BOOT_PVH
                                 ? pvh_read(fact->bytes, fact->size, &kernel)
                                 : multiboot1_kernel_read(fact->bytes, fact->size, &kernel);

    if (error != START_OK)
        return refuse(emission, domain, error);
    for (uint32_t i = 0; i < kernel.count; i++) {
        uint64_t address = kernel.segment[i].address, size = kernel.segment[i].size;

        if (ram_from(emission->front, domain, address) < size)
            return report(emission->front, CHECK_kernel_outside, domain->kernel.at,
                          domain->kernel.value,
                          front_format(emission->front, "%llx", (unsigned long long)address),
                          front_format(emission->front, "%llx", (unsigned long long)size),
                          domain->name.value, NULL);
    }
    return true;
}

bool emit_check_kernel(struct emission *emission, const struct domain *domain,
                       const struct file_fact *fact)
{
    if (fact->bytes == NULL || domain->boot.value == BH_BOOT_FLAT)
        return true;
    return domain->boot.value == BH_BOOT_LINUX ? check_linux(emission, domain, fact)
                                               : check_segments(emission, domain, fact);
}
