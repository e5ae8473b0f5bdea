/*
 * Checks of a policy image, as if its author were hostile or mistaken: after image_check
 * every row can be used without a further look. Pure; the image may lie anywhere.
 */
#ifndef CORE_POLICY_IMAGE_H
#define CORE_POLICY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/image.h"
#include "core/policy/check.h"
#include "core/policy/policy.h"

/* All of it; `bytes` must be aligned to 8. True if nothing is wrong, else `fault` says what. */
bool image_check(const void *bytes, size_t size, struct policy_fault *fault);

/* The parts of image_check. Each relies on those before it. */
bool image_check_header(const void *bytes, size_t size, struct policy_fault *fault);
bool image_check_regions(const struct bh_header *h, struct policy_fault *fault);
bool image_check_domains(const struct bh_header *h, struct policy_fault *fault);
bool image_check_devices(const struct bh_header *h, struct policy_fault *fault);
bool image_check_rights(const struct bh_header *h, struct policy_fault *fault);

/* Shared by the parts. */

/* True if [start, start + size) lies inside [base, base + room); nothing wraps. */
static inline bool image_within(uint64_t start, uint64_t size, uint64_t base, uint64_t room)
{
    return start >= base && start - base <= room && size <= room - (start - base);
}

static inline bool image_overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* The bytes behind a physical address inside the image; NULL if not all `size` are inside. */
const void *image_at(const struct bh_header *h, uint64_t address, uint64_t size);

/*
 * Texts must be terminated, with nothing but zeros behind the end. A name is letters, digits,
 * '.', '_' and '-', so that it can't pass for something else on the console; a text is lines of
 * printable ASCII and may be empty.
 */
bool image_is_name(const char *text, size_t size);
bool image_is_text(const char *text, size_t size);

/*
 * The pages [*base, *end) that hold the function's MSI-X table, if core guards it; false if it
 * doesn't. The function was checked.
 */
bool image_msix_pages(const struct bh_header *h, const struct bh_pci_function *f, uint64_t *base,
                      uint64_t *end);

/* True if core writes to the page while domains run: it is part of a struct bh_remap. */
bool image_is_remap(const struct bh_header *h, uint64_t page);

/* True if all `size` bytes are zero. */
bool image_zero(const void *bytes, size_t size);

#endif
