#include "core/mm/shadow_pool.h"

#include "core/platform/paging.h"
#include "lib/memory.h"

#define BUCKETS_PER_TABLE 64u

/* No list by hash is longer, so that no choice of addresses makes a search long. */
#define BUCKET_LIMIT 512u
#define HEAD_LIMIT   64u

/* Evicting takes a flush: some tables go together. */
#define EVICTED_SHARE 16u

#define PLACE(number, index) ((number)*PAGE_ENTRIES + (index))

static uint64_t metadata_size(uint64_t count)
{
    return (count + 1) * sizeof(struct shadow_table) +
           count * BUCKETS_PER_TABLE * sizeof(struct shadow_bucket) + count * sizeof(uint32_t);
}

bool shadow_pool_init(struct shadow *s)
{
    uint64_t pool = s->config.pool, size = s->config.pool_size, first, count;

    if (pool % PAGE_SIZE || size % PAGE_SIZE || size < s->config.vcpus * SHADOW_POOL_MIN ||
        size > SHADOW_POOL_MAX || !paging_is_outside_core(pool, size))
        return false;
    count = size / (2 * PAGE_SIZE);
    do {
        count--;
        first = (metadata_size(count) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    } while (first + count * 2 * PAGE_SIZE > size);
    memset(at_physical(pool), 0, first);
    s->count = (uint32_t)count;
    s->tables = at_physical(pool);
    s->buckets = (struct shadow_bucket *)&s->tables[count + 1];
    s->heads = (uint32_t *)&s->buckets[count * BUCKETS_PER_TABLE];
    s->first_page = pool + first;
    s->first_nodes = s->first_page + count * PAGE_SIZE;
    for (uint32_t i = s->count; i > 0; i--) {
        s->tables[i].next = s->free;
        s->free = i;
    }
    return true;
}

/* `frame` mixed (Knuth's multiplicative hash) and scaled to a number below `range`. */
static uint32_t hash(uint64_t address, uint32_t range)
{
    uint32_t mixed = (uint32_t)(address >> 12) * 2654435761u;

    return (uint32_t)((uint64_t)mixed * range >> 32);
}

static uint32_t *head_of(const struct shadow *s, uint64_t key)
{
    return &s->heads[hash(key, s->count)];
}

static struct shadow_bucket *bucket_of(const struct shadow *s, uint64_t entry)
{
    return &s->buckets[hash(entry & PTE_ADDRESS, s->count * BUCKETS_PER_TABLE)];
}

static struct shadow_node *node_at(const struct shadow *s, uint32_t place)
{
    return (struct shadow_node *)s->first_nodes + (place - PAGE_ENTRIES);
}

static volatile uint64_t *entry_at(const struct shadow *s, uint32_t place)
{
    return (volatile uint64_t *)s->first_page + (place - PAGE_ENTRIES);
}

static void list_add(const struct shadow *s, uint32_t *first, uint32_t place)
{
    *node_at(s, place) = (struct shadow_node){.next = *first};
    if (*first)
        node_at(s, *first)->previous = place;
    *first = place;
}

static void list_remove(const struct shadow *s, uint32_t *first, uint32_t place)
{
    struct shadow_node *node = node_at(s, place);

    if (node->next)
        node_at(s, node->next)->previous = node->previous;
    if (node->previous)
        node_at(s, node->previous)->next = node->next;
    else
        *first = node->next;
}

uint32_t shadow_find(struct shadow *s, uint64_t key, uint32_t role)
{
    for (uint32_t i = *head_of(s, key); i; i = s->tables[i].next)
        if (s->tables[i].key == key && s->tables[i].role == role) {
            s->tables[i].flags |= SHADOW_USED;
            return i;
        }
    return 0;
}

uint32_t shadow_of_frame(const struct shadow *s, uint64_t frame, uint32_t number)
{
    uint32_t i = number ? s->tables[number].next : *head_of(s, frame);

    for (; i; i = s->tables[i].next)
        if (((s->tables[i].key ^ frame) & PTE_ADDRESS) == 0 &&
            (s->tables[i].role & ROLE_FORMAT) != ROLE_DIRECT)
            break;
    return i;
}

/* What an entry that was replaced led to is led to from one place less. */
static void drop_node(struct shadow *s, uint32_t number, unsigned index, uint64_t entry)
{
    uint32_t child, place = PLACE(number, index);

    if (shadow_level(&s->tables[number]) == 1) {
        if (entry & PTE_RW) {
            list_remove(s, &bucket_of(s, entry)->first, place);
            bucket_of(s, entry)->count--;
        }
        return;
    }
    child = shadow_child(s, entry);
    list_remove(s, &s->tables[child].parents, place);
    if (!s->tables[child].parents && !s->tables[child].pins &&
        (s->tables[child].flags & SHADOW_LIVE))
        shadow_free(s, child); /* at most as deep as there are levels */
}

static void set(struct shadow *s, uint32_t number, unsigned index, uint64_t entry)
{
    volatile uint64_t *at = &shadow_entries(s, number)[index];
    uint64_t old = *at;

    *at = entry;
    s->tables[number].present =
        (uint16_t)(s->tables[number].present + (entry & PTE_P) - (old & PTE_P));
    if (!(old & PTE_P))
        return;
    /* a right more is no loss: the CPU looks again before it faults */
    if (((old ^ entry) & ~(uint64_t)(PTE_RW | PTE_D)) || !(entry & PTE_RW))
        s->stale = true;
    drop_node(s, number, index, old);
}

void shadow_clear(struct shadow *s, uint32_t number, unsigned index)
{
    set(s, number, index, 0);
}

void shadow_link(struct shadow *s, uint32_t number, unsigned index, uint32_t child)
{
    const struct shadow_table *table = &s->tables[number];
    uint64_t address = s->first_page + (uint64_t)(child - 1) * PAGE_SIZE;
    /* rights are all in the last level; PAE's topmost entries have none (APM vol. 2, 5.2.3) */
    bool is_bare = shadow_level(table) == 3 && (table->role & ROLE_FORMAT) != ROLE_LONG;

    s->tables[child].pins++; /* what it replaces may have led to it */
    set(s, number, index, address | (is_bare ? PTE_P : PTE_P | PTE_RW | PTE_US | PTE_A));
    list_add(s, &s->tables[child].parents, PLACE(number, index));
    s->tables[child].pins--;
}

/* One entry less that can write: its page is found by a fault when it is written again. */
static void take_write(struct shadow *s, struct shadow_bucket *bucket, uint32_t place)
{
    *entry_at(s, place) &= ~(uint64_t)(PTE_RW | PTE_D);
    list_remove(s, &bucket->first, place);
    bucket->count--;
    s->stale = true;
}

/* The entry that has been in the list for longest. */
static uint32_t last_of(const struct shadow *s, const struct shadow_bucket *bucket)
{
    uint32_t place = bucket->first;

    while (node_at(s, place)->next)
        place = node_at(s, place)->next;
    return place;
}

void shadow_set_page(struct shadow *s, uint32_t number, unsigned index, uint64_t entry)
{
    struct shadow_bucket *bucket = bucket_of(s, entry);

    set(s, number, index, entry);
    if (!(entry & PTE_RW))
        return;
    if (bucket->count == BUCKET_LIMIT)
        take_write(s, bucket, last_of(s, bucket));
    list_add(s, &bucket->first, PLACE(number, index));
    bucket->count++;
}

void shadow_protect(struct shadow *s, uint64_t frame)
{
    struct shadow_bucket *bucket = bucket_of(s, frame);
    uint32_t next;

    for (uint32_t place = bucket->first; place; place = next) {
        next = node_at(s, place)->next;
        if (((*entry_at(s, place) ^ frame) & PTE_ADDRESS) == 0)
            take_write(s, bucket, place);
    }
}

void shadow_settle(struct shadow *s)
{
    if (s->stale)
        s->config.flush(s->config.owner);
    s->stale = false;
    while (s->freed) {
        uint32_t i = s->freed;

        s->freed = s->tables[i].next;
        s->tables[i].next = s->free;
        s->free = i;
    }
}

/* The page that the table stood for is a page like any other, unless other tables do, too. */
static void forget_frame(struct shadow *s, uint64_t frame)
{
    if (shadow_of_frame(s, frame, 0))
        return;
    for (uint32_t i = 0; i < s->unsynced_count; i++)
        if (s->unsynced[i] == frame >> 12) {
            s->unsynced[i] = s->unsynced[--s->unsynced_count];
            return;
        }
}

void shadow_free(struct shadow *s, uint32_t number)
{
    struct shadow_table *table = &s->tables[number];
    volatile uint64_t *entries = shadow_entries(s, number);
    uint32_t *at = head_of(s, table->key);

    while (*at != number)
        at = &s->tables[*at].next;
    *at = table->next;
    table->flags = 0; /* first: nothing below finds it any more */
    while (table->parents)
        shadow_clear(s, table->parents / PAGE_ENTRIES, table->parents % PAGE_ENTRIES);
    for (unsigned i = 0; table->present; i++)
        if (entries[i] & PTE_P)
            shadow_clear(s, number, i);
    if ((table->role & ROLE_FORMAT) != ROLE_DIRECT)
        forget_frame(s, table->key & PTE_ADDRESS);
    table->next = s->freed;
    s->freed = number;
    s->stale = true;
}

/* Second chance: those that were used since the hand came by last stay this time. */
static void evict(struct shadow *s)
{
    uint32_t wanted = s->count / EVICTED_SHARE + 1;

    for (uint32_t steps = 2 * s->count; steps && wanted; steps--) {
        struct shadow_table *table = &s->tables[s->hand = s->hand % s->count + 1];

        if (!(table->flags & SHADOW_LIVE) || table->pins)
            continue;
        if (!(table->flags & SHADOW_USED)) {
            shadow_free(s, s->hand);
            wanted--;
        }
        table->flags &= (uint8_t)~SHADOW_USED;
    }
}

/* Keeps the list that a new table goes into short. */
static void make_room(struct shadow *s, uint64_t key)
{
    uint32_t length = 0, last = 0;

    for (uint32_t i = *head_of(s, key); i; i = s->tables[i].next) {
        length++;
        if (!s->tables[i].pins)
            last = i;
    }
    if (length >= HEAD_LIMIT && last)
        shadow_free(s, last);
}

uint32_t shadow_create(struct shadow *s, uint64_t key, uint32_t role)
{
    bool is_direct = (role & ROLE_FORMAT) == ROLE_DIRECT;
    uint32_t other, number, *head = head_of(s, key);

    make_room(s, key);
    if (!s->free) {
        if (!s->freed)
            evict(s);
        shadow_settle(s);
    }
    number = s->free;
    s->free = s->tables[number].next;
    other = is_direct ? 0 : shadow_of_frame(s, key & PTE_ADDRESS, 0);
    s->tables[number] = (struct shadow_table){
        .key = key,
        .role = role,
        .next = *head,
        .flags = SHADOW_LIVE | SHADOW_USED | (other ? s->tables[other].flags & SHADOW_OPEN : 0),
    };
    *head = number;
    memset((void *)(uintptr_t)shadow_entries(s, number), 0, PAGE_SIZE);
    if (!is_direct && !other) {
        shadow_protect(s, key);
        shadow_settle(s);
    }
    return number;
}
