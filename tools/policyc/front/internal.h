/* What the front's own files share: parser, model building, checks. */
#ifndef POLICYC_FRONT_INTERNAL_H
#define POLICYC_FRONT_INTERNAL_H

#include "front.h"

/* Say so and end the program. */
void out_of_memory(void) __attribute__((noreturn));

struct arena *arena_new(void);
void *arena_alloc(struct arena *arena, size_t size);
void arena_free(struct arena *arena);

/* Parse one source into the front's policy or machine. `source` is its index. */
enum wanted { WANTED_POLICY, WANTED_MACHINE };
void parse_source(struct front *front, unsigned source, enum wanted wanted);

/* The parser's state; `domain` and so on are what the open block fills. */
struct build {
    struct front *front;
    void *scanner;
    uint32_t source;
    enum wanted wanted;
    uint32_t line, column; /* of the next character */
    int token;             /* read last */
    struct place last;     /* where the last token is that isn't the end of the file */
    unsigned tokens;       /* read so far */
    unsigned error_token;  /* how many at the last syntax error */
    unsigned recovered;    /* how many when an error was got over last */
    bool error_begins;     /* that one's token begins a statement */
    struct domain *domain;
    struct channel *channel;
    struct resource *resource;
    struct domain spare_domain; /* filled instead when there are too many */
    struct channel spare_channel;
    struct resource spare_resource;
};

/* Statements; each reports what can be seen wrong at once. */
void build_domain(struct build *build, struct text name);
void build_channel(struct build *build, struct text name);
void build_resource(struct build *build, enum resource_class class, struct text name);
const char *build_quote(struct build *build, struct place at);
void build_text(struct build *build, struct text *field, struct text value, const char *what);
void build_number(struct build *build, struct number *field, struct number value, const char *what);
void build_kind(struct build *build, struct number kind, struct number label);
void build_memory(struct build *build, struct number size);
void build_paging(struct build *build, struct number paging, struct number shadow);
void build_module(struct build *build, struct text file, struct text string);
void build_flat(struct build *build, struct text file, struct number load, struct place at);
void build_pci(struct build *build, struct number bdf, uint64_t ids);
void build_msi(struct build *build, struct number offset, bool is_64);
void build_msix(struct build *build, struct number offset);
void build_msix_table(struct build *build, struct place at, uint64_t bar, uint64_t offset,
                      uint64_t count);
uint64_t build_scale(struct build *build, struct number number, uint64_t shift);
void build_core(struct build *build, struct number core);
void build_right(struct build *build, uint32_t right, struct place at);
void build_end(struct build *build, struct text name, struct number at, struct number rights,
               struct place dma);
void build_never(struct build *build, struct place at, enum verb verb, struct text subject,
                 struct text object, struct text part);
void build_extent(struct build *build, struct extent *list, unsigned *count, struct extent value,
                  const char *what);
void build_place(struct build *build, struct extent *field, struct extent value, const char *what);
void build_bar(struct build *build, struct number index, struct extent value, uint32_t flags);
void build_ports(struct build *build, struct number first, struct number last);
void build_pin(struct build *build, struct number pin);
void texts_add(struct front *front, struct texts *list, struct text value);

/* The checks, once everything is parsed. */
void check_machine(struct front *front);
void check_functions(struct front *front, unsigned index);
void check_policy(struct front *front);
bool check_letters(struct front *front, struct text name, enum check check);
void check_words(struct front *front, const struct domain *domain);
void check_grants(struct front *front);
void check_channels(struct front *front);
void check_nevers(struct front *front);

/* Offset of a place in its source's text. */
size_t source_offset(const struct source *source, struct place at);

/* -1 where there is no such thing. */
int find_domain(const struct policy *policy, const char *name);
int find_channel(const struct policy *policy, const char *name);
int find_resource(const struct machine *machine, const char *name);

/* " (did you mean X?)" if one of the names is close to the one written, else "". The
 * candidates end with NULL. */
const char *suggest(struct front *front, const char *written, const char *const *candidates);

/* Ranges of addresses or ports that have something in common. */
bool overlap(uint64_t base1, uint64_t size1, uint64_t base2, uint64_t size2);
/* Is [base, base + size) wholly inside [outer, outer + outer_size)? No sum can wrap. */
bool inside(uint64_t base, uint64_t size, uint64_t outer, uint64_t outer_size);

#endif
