/*
 * Physical memory as loader and firmware leave it, for parsers: one heap block that begins at
 * FOREIGN_BASE. The block has just the size asked for, so that the sanitizer catches a read past
 * its end.
 */
#ifndef TESTS_UNIT_FOREIGN_H
#define TESTS_UNIT_FOREIGN_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FOREIGN_BASE 0x10000u

static uint8_t *foreign;
static uint64_t foreign_size;

static inline void foreign_free(void)
{
    free(foreign);
    foreign = NULL;
    foreign_size = 0;
}

/* Replaces the memory by a copy of size bytes from data. */
static inline void foreign_set(const void *data, size_t size)
{
    foreign_free();
    foreign = malloc(size);
    assert(foreign);
    memcpy(foreign, data, size);
    foreign_size = size;
}

/* A loader_reader and an acpi_reader */
static inline const void *foreign_read(uint64_t address, uint64_t length)
{
    if (address < FOREIGN_BASE || address - FOREIGN_BASE > foreign_size ||
        length > foreign_size - (address - FOREIGN_BASE))
        return NULL;
    return foreign + (address - FOREIGN_BASE);
}

#endif
