/* What one attack saw, in the words of the line that it ends with. */
#ifndef DOMAINS_INTRUDER_REPORT_H
#define DOMAINS_INTRUDER_REPORT_H

#include <stdbool.h>

#define REPORT_TEXT_MAX 112

struct report {
    unsigned breaches;
    char first_breach[REPORT_TEXT_MAX];
    char detail[REPORT_TEXT_MAX]; /* shown if there was no breach */
};

/* The attack got through: once is enough. The first text is kept, the others are counted. */
void report_breach(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What was tried and how it was refused. The last text is kept. */
void report_detail(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The whole line, without \n: "WHO: NAME: refused (...)" or "WHO: NAME: BREACH (...)". */
#define REPORT_LINE_MAX 200
void report_line(const struct report *report, const char *who, const char *name,
                 char line[REPORT_LINE_MAX]);

#endif
