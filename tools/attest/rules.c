#include "rules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"

static const char *const words[EVIDENCE_KINDS] = {
#define VIOLATION(name, word) word,
#include "tables/violations.def"
#undef VIOLATION
};

static bool refuse(char fault[FAULT_SIZE], const char *key, const char *why)
{
    snprintf(fault, FAULT_SIZE, "\"%s\": %s", key, why);
    return false;
}

/* What is unlimited by default warns from the first on: "warn" would mean "any" otherwise. */
static struct rule_limit warning(const struct rule_limit *by_default)
{
    return (struct rule_limit){by_default->most != UINT64_MAX ? by_default->most : 0, true};
}

static bool read_limit(const json_t *value, const char *key, struct rule_limit *limit,
                       char fault[FAULT_SIZE])
{
    const char *text = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *limit = (struct rule_limit){(uint64_t)json_integer_value(value), false};
    else if (text != NULL && strcmp(text, "any") == 0)
        *limit = (struct rule_limit){UINT64_MAX, false};
    else if (text != NULL && strcmp(text, "warn") == 0)
        *limit = warning(limit);
    else
        return refuse(fault, key, "expected a number, \"warn\" or \"any\"");
    return true;
}

static bool read_violations(const json_t *object, struct domain_rules *domain,
                            char fault[FAULT_SIZE])
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return refuse(fault, "violations", "expected an object");
    json_object_foreach((json_t *)object, key, value)
    {
        size_t kind = 0;

        while (kind < EVIDENCE_KINDS && strcmp(words[kind], key) != 0)
            kind++;
        if (kind == EVIDENCE_KINDS)
            return refuse(fault, key, "no such kind of violation");
        if (!read_limit(value, key, &domain->violations[kind], fault))
            return false;
    }
    return true;
}

static bool read_domain(const json_t *object, struct domain_rules *domain, char fault[FAULT_SIZE])
{
    const char *key;
    json_t *value;

    domain->starts.most = 1;
    if (!json_is_object(object))
        return refuse(fault, domain->name, "expected an object");
    json_object_foreach((json_t *)object, key, value)
    {
        bool is_read;

        if (strcmp(key, "violations") == 0)
            is_read = read_violations(value, domain, fault);
        else if (strcmp(key, "crashes") == 0)
            is_read = read_limit(value, key, &domain->crashes, fault);
        else if (strcmp(key, "starts") == 0)
            is_read = read_limit(value, key, &domain->starts, fault);
        else if (strcmp(key, "stopped") == 0)
            is_read = read_limit(value, key, &domain->stopped, fault);
        else
            is_read = refuse(fault, key, "no such rule of a domain");
        if (!is_read)
            return false;
    }
    return true;
}

static bool read_domains(const json_t *object, struct rules *rules, char fault[FAULT_SIZE])
{
    const char *key;
    json_t *value;

    if (!json_is_object(object) || json_object_size(object) > BH_EVIDENCE_MAX_DOMAINS)
        return refuse(fault, "domains", "expected an object of at most 64 domains");
    json_object_foreach((json_t *)object, key, value)
    {
        struct domain_rules *domain = &rules->domain[rules->domains];

        if (strlen(key) >= BH_NAME_SIZE)
            return refuse(fault, key, "no domain's name is as long");
        strcpy(domain->name, key);
        if (!read_domain(value, domain, fault))
            return false;
        rules->domains++;
    }
    return true;
}

static bool read_profile(const json_t *value, struct rules *rules, char fault[FAULT_SIZE])
{
    const char *text = json_string_value(value);

    rules->profile = text != NULL ? profile_find(text) : PROFILE_NONE;
    return rules->profile != PROFILE_NONE ||
           refuse(fault, "profile", "expected \"static\", \"unmeasured\" or \"dynamic\"");
}

static bool read_rules(const json_t *root, struct rules *rules, char fault[FAULT_SIZE])
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)root, key, value)
    {
        bool is_read = true;

        if (strcmp(key, "profile") == 0)
            is_read = read_profile(value, rules, fault);
        else if (strcmp(key, "domains") == 0)
            is_read = read_domains(value, rules, fault);
        else if (strcmp(key, "smis") == 0)
            is_read = read_limit(value, key, &rules->smis, fault);
        else if (strcmp(key, "settings") == 0)
            is_read = read_limit(value, key, &rules->settings, fault);
        else if (strcmp(key, "format") != 0)
            is_read = refuse(fault, key, "no such rule");
        if (!is_read)
            return false;
    }
    return rules->profile != PROFILE_NONE || refuse(fault, "profile", "missing");
}

bool rules_parse(struct rules *rules, const char *json, size_t size, char fault[FAULT_SIZE])
{
    json_t *root = read_format(json, size, "bulkhead-rules-1", fault);
    bool is_read;

    memset(rules, 0, sizeof(*rules));
    rules->smis.most = UINT64_MAX; /* they run a stub of core's, or a handler that is compared */
    rules->settings.warns = true;
    if (root == NULL)
        return false;
    is_read = read_rules(root, rules, fault);
    json_decref(root);
    return is_read;
}

bool rules_load(struct rules *rules, const char *path, char fault[FAULT_SIZE])
{
    char why[FAULT_SIZE];
    size_t size;
    uint8_t *text = file_load(path, RULES_MAX, &size, fault);
    bool is_read;

    if (text == NULL)
        return false;
    is_read = rules_parse(rules, (const char *)text, size, why);
    free(text);
    if (!is_read)
        snprintf(fault, FAULT_SIZE, "%.120s: %.180s", path, why);
    return is_read;
}

const struct domain_rules *rules_find(const struct rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->domains; i++)
        if (strcmp(rules->domain[i].name, name) == 0)
            return &rules->domain[i];
    return NULL;
}
