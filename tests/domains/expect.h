/* Test domains that end at the first thing that isn't as it should be, and tell it by core's log.
 */
#ifndef TESTS_DOMAINS_EXPECT_H
#define TESTS_DOMAINS_EXPECT_H

#include <stdbool.h>

#include "domains/lib/flat.h"

/* What a case expects; one that isn't so is told with its line, and the domain ends. */
#define EXPECT(condition) expect((condition), #condition, __LINE__)
void expect(bool is_so, const char *what, int line);

#endif
