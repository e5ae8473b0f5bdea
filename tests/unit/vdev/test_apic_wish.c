/* Which of a domain's cores a device's interrupt is for (APM vol. 2, 16.6). */
#include "core/vdev/apic_filter.h"
#include "hw/apic.h"
#include "testing.h"

#define FLAT    0xffffffffu
#define CLUSTER 0x0fffffffu

/* Two cores of a domain; a third core, 3, isn't the domain's. */
static const struct apic_core two_flat[] = {{1, 0x02000000, FLAT}, {2, 0x04000000, FLAT}};
static const struct apic_core two_clusters[] = {{1, 0x21000000, CLUSTER}, {2, 0x31000000, CLUSTER}};

/* Whom a device's interrupt is for, and who gets it; -1: nobody. */
static const struct {
    uint8_t to;
    bool is_logical;
    const struct apic_core *core;
    int id;
} wishes[] = {
    {1, false, two_flat, 0},       {2, false, two_flat, 1},        {3, false, two_flat, -1},
    {0, false, two_flat, -1},      {0xff, false, two_flat, 0}, /* all: the first */
    {0x02, true, two_flat, 0},     {0x04, true, two_flat, 1},      {0x0c, true, two_flat, 1},
    {0x06, true, two_flat, 0},     {0x08, true, two_flat, -1},     {0x00, true, two_flat, -1},
    {0xff, true, two_flat, 0},     {0x31, true, two_clusters, 1},  {0x21, true, two_clusters, 0},
    {0x33, true, two_clusters, 1}, {0x32, true, two_clusters, -1}, {0x11, true, two_clusters, -1},
    {0xf1, true, two_clusters, 0}, {0x20, true, two_clusters, -1}, {0x31, false, two_clusters, -1},
    {2, false, two_clusters, 1},
};

/* Of every mode and vector, those that a device may send. */
static void devices_interrupt_one_own_core(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
        for (unsigned mode = 0; mode < 8; mode++)
            for (unsigned vector = 0; vector < 256; vector++) {
                struct apic_wish wish = {.to = wishes[i].to,
                                         .is_logical = wishes[i].is_logical,
                                         .mode = (uint8_t)mode,
                                         .vector = (uint8_t)vector};
                bool good = mode <= APIC_MODE_LOWEST && vector >= 0x20 && vector != 0xff;

                assert_int_equal(apic_filter_wish(wish, wishes[i].core, 2),
                                 good ? wishes[i].id : -1);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_interrupt_one_own_core),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
