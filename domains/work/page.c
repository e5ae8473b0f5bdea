#include "domains/work/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Linux, Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP         "/proc/self/pagemap"
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FRAME   ((1ull << 55) - 1)

static bool fail(struct page *page, const char *what, const char *why)
{
    snprintf(page->problem, sizeof(page->problem), "%s: %s", what, why);
    return false;
}

uint64_t page_address(uint64_t entry)
{
    return entry & PAGEMAP_PRESENT ? (entry & PAGEMAP_FRAME) * PAGE_BYTES : 0;
}

static bool find(struct page *page)
{
    uint64_t entry = 0;
    off_t offset = (off_t)((uintptr_t)page->bytes / PAGE_BYTES * sizeof(entry));
    int file = open(PAGEMAP, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return fail(page, PAGEMAP, strerror(errno));
    if (pread(file, &entry, sizeof(entry), offset) != sizeof(entry))
        entry = 0;
    close(file);
    page->gpa = page_address(entry);
    if (page->gpa == 0)
        return fail(page, PAGEMAP, "the kernel doesn't tell where memory lies. Run it as root");
    return true;
}

/* Locked memory may still be moved to make room for large pages, one in a pipe may not. */
static bool hold(struct page *page)
{
    struct iovec whole = {page->bytes, PAGE_BYTES};
    int ends[2];

    if (mlock(page->bytes, PAGE_BYTES) != 0)
        return fail(page, "locking a page of memory", strerror(errno));
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail(page, "making a pipe", strerror(errno));
    if (vmsplice(ends[1], &whole, 1, 0) != (ssize_t)PAGE_BYTES)
        return fail(page, "holding a page of memory", strerror(errno));
    return true;
}

bool page_open(struct page *page)
{
    page->bytes =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page->bytes == MAP_FAILED)
        return fail(page, "a page of memory", strerror(errno));
    memset(page->bytes, 0xff, PAGE_BYTES); /* makes it a page of its own */
    return hold(page) && find(page);
}
