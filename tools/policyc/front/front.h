/*
 * The front of policyc: reads a policy and its machine description, checks them, and keeps
 * every error until all are found.
 */
#ifndef POLICYC_FRONT_H
#define POLICYC_FRONT_H

#include "model.h"
#include <stdio.h>

enum check {
#define CHECK(id, text, remedy) CHECK_##id,
#include "tables/checks.def"
#undef CHECK
    CHECKS
};

/* The check's name as the tests and the reference spell it, and its two texts. */
struct check_row {
    const char *id;
    const char *text;
    const char *remedy;
};
extern const struct check_row check_rows[CHECKS];

struct source {
    const char *path;
    char *text; /* zero-terminated */
    size_t size;
};

struct arena;
struct diagnostic;

#define MAX_SOURCES 2u

struct front {
    struct arena *arena;
    struct source source[MAX_SOURCES];
    unsigned source_count;
    struct diagnostic *diagnostics, *newest;
    unsigned errors;
    bool is_incomplete; /* a syntax error swallowed statements: don't complain of their lack */
    struct policy policy;
    struct machine machine;
};

enum front_result {
    FRONT_OK,
    FRONT_ERRORS,    /* the policy is wrong; diagnostics say how */
    FRONT_UNREADABLE /* the policy file can't be read; errno says why */
};

/* Read and check the policy at `path` and the machine description that it names. The
 * front must be freed, whatever the result. */
enum front_result front_load(struct front *front, const char *path);
/* The same for a text that is at hand; `path` is its name and the machine's starting point. */
enum front_result front_load_text(struct front *front, const char *path, const char *text);
void front_free(struct front *front);

/*
 * Record an error. The row's texts may name {0}, {1}, ...: the strings after `at`, of which
 * the last is followed by NULL. Returns false, for `return report(...)`.
 */
bool report(struct front *front, enum check check, struct place at, ...) __attribute__((sentinel));

/* Name the other place that the error recorded last is about. */
void report_note(struct front *front, struct place at, const char *text);

/* Print everything recorded so far, in the order of the text. */
void front_print(const struct front *front, FILE *out);

/* For tests: error number `index` in the order of the text, or NULL. */
struct finding {
    enum check check;
    struct place at;
};
bool front_finding(const struct front *front, unsigned index, struct finding *finding);

/* The bytes from guest address `address` on that are the domain's own RAM without a break;
 * a primary's RAM never counts the places where others may lie. */
uint64_t ram_from(const struct front *front, const struct domain *domain, uint64_t address);

/* Memory that lives as long as the front. Never fails: ends the program instead. */
void *front_alloc(struct front *front, size_t size);
char *front_format(struct front *front, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
