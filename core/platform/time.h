/* Time by the TSC, whose rate is measured against the ACPI PM timer. */
#ifndef CORE_PLATFORM_TIME_H
#define CORE_PLATFORM_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Measures the TSC; takes 10 ms. Needs acpi_init; stops the machine if there is no PM timer. */
void time_init(void);

/* TSC ticks in a millisecond. */
uint64_t time_tsc_khz(void);

/* Nanoseconds that so many ticks of the TSC take. */
uint64_t time_ns(uint64_t ticks);

/* The TSC's value that many microseconds from now, for waits with a bound. */
uint64_t time_after(uint32_t microseconds);
bool time_is_over(uint64_t deadline);

void time_wait(uint32_t microseconds);

#endif
