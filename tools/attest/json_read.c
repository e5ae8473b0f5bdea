#include "json_read.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static bool refuse(char fault[FAULT_SIZE], const char *key, const char *expected)
{
    snprintf(fault, FAULT_SIZE, "\"%s\": expected %s", key, expected);
    return false;
}

json_t *read_format(const char *json, size_t size, const char *format, char fault[FAULT_SIZE])
{
    json_error_t error;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
    const char *got;

    if (root == NULL) {
        snprintf(fault, FAULT_SIZE, "line %d, column %d: %s", error.line, error.column, error.text);
        return NULL;
    }
    got = json_string_value(json_object_get(root, "format"));
    if (got != NULL && strcmp(got, format) == 0)
        return root;
    snprintf(fault, FAULT_SIZE, "\"format\": expected \"%s\"", format);
    json_decref(root);
    return NULL;
}

bool read_text(const json_t *object, const char *key, char *text, size_t size,
               char fault[FAULT_SIZE])
{
    const json_t *value = json_object_get(object, key);
    size_t length = json_string_length(value);

    if (!json_is_string(value) || length >= size || strlen(json_string_value(value)) != length)
        return refuse(fault, key, "a text that isn't too long");
    memcpy(text, json_string_value(value), length + 1);
    return true;
}

bool read_hex_any(const json_t *object, const char *key, void *bytes, size_t room, size_t *size,
                  char fault[FAULT_SIZE])
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);

    *size = 0;
    if (text == NULL || length % 2 != 0 || length / 2 > room ||
        strspn(text, "0123456789abcdef") != length ||
        (length != 0 && sodium_hex2bin(bytes, room, text, length, NULL, size, NULL) != 0))
        return refuse(fault, key, "bytes in lower-case hexadecimal");
    return true;
}

bool read_hex(const json_t *object, const char *key, void *bytes, size_t size,
              char fault[FAULT_SIZE])
{
    size_t got;

    if (read_hex_any(object, key, bytes, size, &got, fault) && got == size)
        return true;
    snprintf(fault, FAULT_SIZE, "\"%s\": expected %zu bytes in lower-case hexadecimal", key, size);
    return false;
}

bool read_number(const json_t *object, const char *key, uint64_t *number, char fault[FAULT_SIZE])
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return refuse(fault, key, "a number");
    *number = (uint64_t)json_integer_value(value);
    return true;
}

bool read_launch(const json_t *object, enum profile *profile, char fault[FAULT_SIZE])
{
    char name[16];

    if (!read_text(object, "profile", name, sizeof(name), fault))
        return false;
    *profile = profile_find(name);
    return *profile == PROFILE_STATIC || *profile == PROFILE_UNMEASURED ||
           refuse(fault, "profile", "\"static\" or \"unmeasured\"");
}

const json_t *read_object(const json_t *object, const char *key, char fault[FAULT_SIZE])
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_object(value)) {
        refuse(fault, key, "an object");
        return NULL;
    }
    return value;
}

const json_t *read_array(const json_t *object, const char *key, size_t longest,
                         char fault[FAULT_SIZE])
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_array(value) || json_array_size(value) > longest) {
        refuse(fault, key, "an array that isn't too long");
        return NULL;
    }
    return value;
}
