/*
 * What the shadow engine keeps of its tables, all of it in the pool: descriptions, and for each
 * entry a node of a list, so that whatever leads to a table or can write a page is found at once.
 *
 *   pool: descriptions, buckets, heads | tables, a page each | nodes, a page for each table
 *
 * Tables are numbered from 1; a place is a table's number and an entry's index, and 0 is none.
 * Pages and tables of guests are known by machine address: a page that the domain has at two
 * addresses is one page. Everything here is called with the lock held.
 */
#ifndef MM_SHADOW_POOL_H
#define MM_SHADOW_POOL_H

#include "core/mm/shadow.h"

/* What a shadow table stands for, beside its key. Tables that differ here share nothing. */
#define ROLE_LEVEL          0x7u /* 1: its entries are pages */
#define ROLE_FORMAT         0x18u
#define ROLE_QUADRANT_SHIFT 5 /* which quarter or half of a table of 4-byte entries */
#define ROLE_QUADRANT       0x60u
#define ROLE_ACCESS         0x380u /* what the guest's entries above grant, together */
#define ROLE_W              0x080u
#define ROLE_U              0x100u
#define ROLE_X              0x200u
#define ROLE_TYPE_SHIFT     10 /* ROLE_DIRECT: memory type, an index of PAT_CORE */
#define ROLE_TYPE           0x1c00u
#define ROLE_CLEAN          0x2000u /* ROLE_DIRECT: the large page's D is clear */
#define ROLE_WP0            0x4000u /* the guest's CR0.WP is clear */
#define ROLE_SMEP           0x8000u /* and its CR4.SMEP set */
#define ROLE_NXE            0x10000u
#define ROLE_PSE            0x20000u
#define ROLE_MODE           (ROLE_FORMAT | ROLE_WP0 | ROLE_SMEP | ROLE_NXE | ROLE_PSE)

/* ROLE_FORMAT: the guest's table that it stands for. A direct one stands for none: it is a piece of
 * a large page, or of all memory where paging is off; its key is a guest-physical address. */
#define ROLE_DIRECT 0x00u
#define ROLE_LEGACY 0x08u
#define ROLE_PAE    0x10u
#define ROLE_LONG   0x18u

/* The key of a root where CR3 names no RAM. */
#define SHADOW_NOWHERE UINT64_MAX

#define SHADOW_USED 1u /* lately; it is evicted when it is found without */
#define SHADOW_OPEN 2u /* the guest can write the page it stands for */
#define SHADOW_LATE 4u /* being compared: shadow_sync.c */
#define SHADOW_LIVE 8u

struct shadow_table {
    uint64_t key;     /* machine address of the guest's table, else see ROLE_DIRECT */
    uint32_t role;    /* ROLE_* */
    uint32_t next;    /* in its list by hash, or the list of free ones */
    uint32_t parents; /* places of the entries that lead to it */
    uint16_t present; /* entries in use */
    uint8_t pins;     /* vCPUs that it is the root of, or uses on the way down */
    uint8_t flags;    /* SHADOW_* */
    uint64_t reserved;
};
static_assert(sizeof(struct shadow_table) == 32, "descriptions fill a page");

/* Places of entries through which pages can be written, by a hash of the page. */
struct shadow_bucket {
    uint32_t first, count;
};

struct shadow_node {
    uint32_t next, previous;
};

static inline struct shadow_table *shadow_table(const struct shadow *s, uint32_t number)
{
    return &s->tables[number];
}

static inline unsigned shadow_level(const struct shadow_table *table)
{
    return table->role & ROLE_LEVEL;
}

/* The table's own memory. */
static inline volatile uint64_t *shadow_entries(const struct shadow *s, uint32_t number)
{
    return (volatile uint64_t *)(s->first_page + (uint64_t)(number - 1) * PAGE_SIZE);
}

/* The table that an entry above level 1 leads to; 0: none. */
static inline uint32_t shadow_child(const struct shadow *s, uint64_t entry)
{
    return entry & PTE_P ? (uint32_t)(((entry & PTE_ADDRESS) - s->first_page) / PAGE_SIZE) + 1 : 0;
}

/* False if the memory isn't fit for it. */
bool shadow_pool_init(struct shadow *s);

/* The table with this key and role; 0: there is none. */
uint32_t shadow_find(struct shadow *s, uint64_t key, uint32_t role);

/*
 * The first table that stands for a table in the guest's page at `frame` (machine address), or
 * the next one after `number`; 0: none.
 */
uint32_t shadow_of_frame(const struct shadow *s, uint64_t frame, uint32_t number);

/*
 * Makes an empty table. The guest can't write the page that it stands for any more, on any
 * vCPU, unless that page is open. Evicts what isn't pinned.
 */
uint32_t shadow_create(struct shadow *s, uint64_t key, uint32_t role);

/* Takes a table, and what only it leads to, out of use. */
void shadow_free(struct shadow *s, uint32_t number);

/* Entries change by these alone. An entry that was present before is replaced. */
void shadow_clear(struct shadow *s, uint32_t number, unsigned index);
void shadow_link(struct shadow *s, uint32_t number, unsigned index, uint32_t child);
void shadow_set_page(struct shadow *s, uint32_t number, unsigned index, uint64_t entry);

/* Takes the right to write the page from all entries. In TLBs it is left till the next flush. */
void shadow_protect(struct shadow *s, uint64_t frame);

/* From here on no vCPU has cached anything that the tables don't grant. */
void shadow_settle(struct shadow *s);

#endif
