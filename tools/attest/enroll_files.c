/* Files of the authority and the owner, and the record that is written. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "difference.h"
#include "enroll.h"

#define KEY_FILE_MAX 4096u
#define OWNER_TEXT   (2u * TPM_AUTH_SIZE)

static bool refuse(char fault[FAULT_SIZE], const char *path, const char *why)
{
    snprintf(fault, FAULT_SIZE, "%s: %s", path, why);
    return false;
}

bool authority_load(struct secret_key *key, const char *path, char fault[FAULT_SIZE])
{
    size_t size;
    char *text = (char *)file_load(path, KEY_FILE_MAX, &size, fault);
    enum sign_result result;

    if (text == NULL)
        return false;
    result = sign_begin();
    if (result == SIGN_OK)
        result = sign_parse_secret(text, size, key);
    OPENSSL_cleanse(text, size);
    free(text);
    switch (result) {
    case SIGN_OK:
        return true;
    case SIGN_NO_SODIUM:
        return refuse(fault, path, "libsodium doesn't start");
    case SIGN_ENCRYPTED:
        return refuse(fault, path, "the key has a password. Make one without by policyc keygen");
    case SIGN_NOT_A_KEY:
    case SIGN_BAD_CHECKSUM:
        break;
    }
    return refuse(fault, path, "no minisign secret key, or a damaged one");
}

static int digit(char character)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = character != '\0' ? strchr(digits, character) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* As owner_make writes it. */
static bool parse_owner(struct tpm_owner *owner, const char *text, size_t size)
{
    if (size == OWNER_TEXT + 1 && text[OWNER_TEXT] == '\n')
        size--;
    if (size != OWNER_TEXT)
        return false;
    for (size_t i = 0; i < TPM_AUTH_SIZE; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        owner->auth[i] = (uint8_t)(high << 4 | low);
    }
    return owner->auth[TPM_AUTH_SIZE - 1] != 0; /* TPMs cut zeros off (part 1, 17.6.4.3) */
}

bool owner_load(struct tpm_owner *owner, const char *path, bool *is_there, char fault[FAULT_SIZE])
{
    size_t size;
    char *text;
    bool is_good;

    memset(owner, 0, sizeof(*owner));
    *is_there = access(path, F_OK) == 0;
    if (!*is_there)
        return true;
    text = (char *)file_load(path, KEY_FILE_MAX, &size, fault);
    if (text == NULL)
        return false;
    is_good = parse_owner(owner, text, size);
    OPENSSL_cleanse(text, size);
    free(text);
    return is_good || refuse(fault, path,
                             "expected an authorisation of 32 bytes in lower-case hexadecimal, the "
                             "last not zero. Name a file that doesn't exist to have one made");
}

static bool write_all(int file, const void *bytes, size_t size)
{
    return write(file, bytes, size) == (ssize_t)size && fsync(file) == 0;
}

/* The value must outlive a crash, before the TPM gets it. */
bool owner_make(struct tpm_owner *owner, const char *path, char fault[FAULT_SIZE])
{
    char text[OWNER_TEXT + 2];
    bool is_written;
    int file;

    do {
        if (RAND_bytes(owner->auth, TPM_AUTH_SIZE) != 1)
            return refuse(fault, path, "there are no random numbers");
    } while (owner->auth[TPM_AUTH_SIZE - 1] == 0);
    hex(text, sizeof(text), owner->auth, TPM_AUTH_SIZE);
    text[OWNER_TEXT] = '\n';
    file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    is_written = file >= 0 && write_all(file, text, OWNER_TEXT + 1);
    OPENSSL_cleanse(text, sizeof(text));
    if (!is_written)
        snprintf(fault, FAULT_SIZE, "%s can't be written: %s", path, strerror(errno));
    if (file >= 0) {
        close(file);
        if (!is_written)
            unlink(path);
    }
    return is_written;
}

/* Whole or not at all. */
static bool replace(const char *path, const char *text, char fault[FAULT_SIZE])
{
    char *temporary = NULL;
    bool is_written;
    int file;

    if (asprintf(&temporary, "%s.new", path) < 0)
        return refuse(fault, path, "out of memory");
    file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    is_written = file >= 0 && write_all(file, text, strlen(text));
    is_written = (file < 0 || close(file) == 0) && is_written && rename(temporary, path) == 0;
    if (!is_written)
        snprintf(fault, FAULT_SIZE, "%s can't be written: %s", path, strerror(errno));
    if (!is_written && file >= 0)
        unlink(temporary);
    free(temporary);
    return is_written;
}

static bool set_hex(json_t *root, const char *key, const void *bytes, size_t size)
{
    char text[2 * PUBLIC_MAX + 1];

    hex(text, sizeof(text), bytes, size);
    return json_object_set_new(root, key, json_string(text)) == 0;
}

json_t *record_new(const struct tpm_key *ek, const struct tpm_key *ak, int64_t issued,
                   int64_t expires, uint64_t firmware_version)
{
    uint8_t ueid[BH_UEID_SIZE] = {1}, firmware[8];
    json_t *root = json_pack("{s:s}", "format", "bulkhead-enrolment-1");

    memcpy(ueid + 1, ek->name + 2, BH_DIGEST); /* a name ends with the hash of the public area */
    for (unsigned i = 0; i < sizeof(firmware); i++)
        firmware[i] = (uint8_t)(firmware_version >> (56 - 8 * i));
    if (root != NULL && set_hex(root, "ueid", ueid, sizeof(ueid)) &&
        set_hex(root, "ek_public", ek->bytes, ek->size) &&
        set_hex(root, "ak_public", ak->bytes, ak->size) &&
        set_hex(root, "ak_name", ak->name, sizeof(ak->name)) &&
        json_object_set_new(root, "issued", json_integer(issued)) == 0 &&
        json_object_set_new(root, "expires", json_integer(expires)) == 0 &&
        set_hex(root, "firmware_version", firmware, sizeof(firmware)))
        return root;
    json_decref(root);
    return NULL;
}

bool record_write(const json_t *root, const struct secret_key *key, const char *path,
                  char fault[FAULT_SIZE])
{
    char signature[SIGN_TEXT_MAX], *name = NULL, *text = json_dumps(root, JSON_INDENT(1)), *whole;
    bool is_done = false;

    if (text == NULL || asprintf(&whole, "%s\n", text) < 0) {
        free(text);
        return refuse(fault, path, "out of memory");
    }
    free(text);
    sign_data(key, whole, strlen(whole), "Bulkhead enrolment record", signature, sizeof(signature));
    if (asprintf(&name, "%s.minisig", path) < 0)
        refuse(fault, path, "out of memory");
    else
        is_done = replace(name, signature, fault) && replace(path, whole, fault);
    free(name);
    free(whole);
    return is_done;
}
