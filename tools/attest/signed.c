#include "signed.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy/minisig.h"

#define TEXT_MAX 4096u /* of a key or a signature */

_Static_assert(POLICY_OK == 0, "zero means nothing was refused");

static void say(char fault[FAULT_SIZE], const char *path, const char *what)
{
    snprintf(fault, FAULT_SIZE, "%s: %s", path, what);
}

static uint8_t *read_bytes(FILE *file, size_t most, size_t *size)
{
    uint8_t *bytes = malloc(most + 1);

    if (bytes == NULL)
        return NULL;
    errno = 0;
    *size = fread(bytes, 1, most, file);
    if (ferror(file) != 0) {
        free(bytes);
        return NULL;
    }
    bytes[*size] = '\0';
    return bytes;
}

uint8_t *file_head(const char *path, size_t most, size_t *size, char fault[FAULT_SIZE])
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = file != NULL ? read_bytes(file, most, size) : NULL;

    if (bytes == NULL)
        snprintf(fault, FAULT_SIZE, "%s can't be read: %s", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    return bytes;
}

uint8_t *file_load(const char *path, size_t longest, size_t *size, char fault[FAULT_SIZE])
{
    uint8_t *bytes = file_head(path, longest + 1, size, fault);

    if (bytes == NULL || *size <= longest)
        return bytes;
    snprintf(fault, FAULT_SIZE, "%s is longer than %zu bytes: is it the right file?", path,
             longest);
    free(bytes);
    return NULL;
}

bool public_key_load(struct public_key *key, const char *path, char fault[FAULT_SIZE])
{
    struct minisig_key parsed;
    struct policy_fault why = {0};
    size_t size;
    uint8_t *text = file_load(path, TEXT_MAX, &size, fault);
    bool is_key;

    if (text == NULL)
        return false;
    is_key = minisig_parse_key((const char *)text, size, &parsed, &why);
    free(text);
    if (!is_key) {
        say(fault, path, "no public key in minisign's format");
        return false;
    }
    memcpy(key->key, parsed.key, sizeof(key->key));
    for (unsigned i = 0; i < sizeof(key->id); i++)
        key->id[i] = (uint8_t)(parsed.id >> 8 * i);
    return true;
}

bool signature_is_good(const struct public_key *key, const void *bytes, size_t size,
                       const char *signature, size_t signature_size)
{
    struct minisig_key trusted = {0};
    struct policy_fault why = {0};

    memcpy(trusted.key, key->key, sizeof(trusted.key));
    for (unsigned i = 0; i < sizeof(key->id); i++)
        trusted.id |= (uint64_t)key->id[i] << 8 * i;
    return minisig_verify(&trusted, signature, signature_size, bytes, size, &why);
}

static bool check_signature(const char *path, const struct public_key *key, const uint8_t *bytes,
                            size_t size, char fault[FAULT_SIZE])
{
    char *name = NULL;
    uint8_t *signature;
    size_t signature_size;
    bool is_good;

    if (asprintf(&name, "%s.minisig", path) < 0) {
        say(fault, path, "out of memory");
        return false;
    }
    signature = file_load(name, TEXT_MAX, &signature_size, fault);
    free(name);
    if (signature == NULL)
        return false;
    is_good = signature_is_good(key, bytes, size, (const char *)signature, signature_size);
    free(signature);
    if (!is_good)
        say(fault, path, "its signature isn't that of the given public key");
    return is_good;
}

uint8_t *signed_load(const char *path, const struct public_key *key, size_t longest, size_t *size,
                     char fault[FAULT_SIZE])
{
    uint8_t *bytes = file_load(path, longest, size, fault);

    if (bytes != NULL && !check_signature(path, key, bytes, *size, fault)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}
