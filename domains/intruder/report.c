#include "domains/intruder/report.h"

#include <stdarg.h>

#include "lib/format.h"

void report_breach(struct report *report, const char *fmt, ...)
{
    va_list arguments;

    if (report->breaches++ > 0)
        return;
    va_start(arguments, fmt);
    format_arguments(report->first_breach, REPORT_TEXT_MAX, fmt, arguments);
    va_end(arguments);
}

void report_detail(struct report *report, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    format_arguments(report->detail, REPORT_TEXT_MAX, fmt, arguments);
    va_end(arguments);
}

void report_line(const struct report *report, const char *who, const char *name,
                 char line[REPORT_LINE_MAX])
{
    if (report->breaches > 1)
        format(line, REPORT_LINE_MAX, "%s: %s: BREACH (%s; %u more)", who, name,
               report->first_breach, report->breaches - 1);
    else if (report->breaches == 1)
        format(line, REPORT_LINE_MAX, "%s: %s: BREACH (%s)", who, name, report->first_breach);
    else
        format(line, REPORT_LINE_MAX, "%s: %s: refused (%s)", who, name, report->detail);
}
