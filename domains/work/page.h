/* A page of this program's whose guest-physical address core can be told. */
#ifndef DOMAINS_WORK_PAGE_H
#define DOMAINS_WORK_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES       4096u
#define PAGE_PROBLEM_MAX 160u

struct page {
    uint8_t *bytes;
    uint64_t gpa;
    char problem[PAGE_PROBLEM_MAX]; /* why page_open() failed, and what to do */
};

/*
 * Makes the page, keeps it where it is, and asks the kernel where that is: root alone is told.
 * Returns false with `problem` set. The page is held until the program ends.
 */
bool page_open(struct page *page);

/* The place in an entry of /proc/PID/pagemap; 0 if it doesn't say. */
uint64_t page_address(uint64_t entry);

#endif
