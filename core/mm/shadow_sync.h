/* Keeping shadow tables in step with pages that the guest writes. */
#ifndef MM_SHADOW_SYNC_H
#define MM_SHADOW_SYNC_H

#include "core/mm/shadow_pool.h"

/* Brings all tables in step: afterwards each page in use as a table is read-only again. */
void shadow_sync(struct shadow *s);

/* The guest writes the page at `frame`, which tables stand for: it may, until the next sync. */
void shadow_open(struct shadow *s, uint64_t frame);

#endif
