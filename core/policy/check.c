#include "core/policy/check.h"

#include "lib/format.h"

enum shows { NOTHING, LINE, ROW, VALUE, ROW_VALUE, KEYS, PLACE };

static const struct {
    const char *section;
    enum shows shows;
    const char *text;
    const char *remedy;
} refusals[] = {
    [POLICY_OK] = {"policy", NOTHING, "is accepted", "Nothing needs to be done"},
#define REFUSAL(name, section, shows, text, remedy) \
    [POLICY_##name] = {section, shows, text, remedy},
#include "tables/refusals.def"
#undef REFUSAL
};

#define DETAILS 64 /* bytes of the longest details */

static void details(const struct policy_fault *fault, enum shows shows, char *text)
{
    text[0] = 0;
    switch (shows) {
    case NOTHING:
        break;
    case LINE:
        format(text, DETAILS, ": line %u", fault->row);
        break;
    case ROW:
        format(text, DETAILS, ": row %u", fault->row);
        break;
    case VALUE:
        format(text, DETAILS, ": %lx", fault->value);
        break;
    case ROW_VALUE:
        format(text, DETAILS, ": row %u, %lx", fault->row, fault->value);
        break;
    case KEYS:
        format(text, DETAILS, ": %016lx, trusted is %016lx", fault->value, fault->other);
        break;
    case PLACE:
        format(text, DETAILS, ": domain %u, address %lx", fault->row, fault->value);
        break;
    }
}

void policy_explain(const struct policy_fault *fault, char *text, size_t size)
{
    char numbers[DETAILS];

    details(fault, refusals[fault->check].shows, numbers);
    format(text, size, "policy refused: %s %s%s. %s", refusals[fault->check].section,
           refusals[fault->check].text, numbers, refusals[fault->check].remedy);
}
