#include "record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"
#include "quote.h"
#include "sha256.h"

#define REVOKED_MAX   (1u << 20) /* bytes of a list */
#define REVOKED_NAMES 16384u

static bool refuse(struct record *to, const char *why)
{
    snprintf(to->fault, sizeof(to->fault), "%s", why);
    return false;
}

static bool read_identity(struct record *to, const json_t *root)
{
    uint8_t ek_public[PUBLIC_MAX], ueid[BH_UEID_SIZE] = {1}, name[NAME_SIZE];
    size_t ek_size;

    if (!read_hex(root, "ueid", to->ueid, sizeof(to->ueid), to->fault) ||
        !read_hex_any(root, "ek_public", ek_public, sizeof(ek_public), &ek_size, to->fault) ||
        !read_hex_any(root, "ak_public", to->ak_public, sizeof(to->ak_public), &to->ak_public_size,
                      to->fault) ||
        !read_hex(root, "ak_name", to->ak_name, sizeof(to->ak_name), to->fault))
        return false;
    sha256(ek_public, ek_size, ueid + 1);
    if (memcmp(ueid, to->ueid, sizeof(ueid)) != 0)
        return refuse(to, "\"ueid\" isn't that of \"ek_public\"");
    tpm_name(name, to->ak_public, to->ak_public_size);
    return memcmp(name, to->ak_name, sizeof(name)) == 0 ||
           refuse(to, "\"ak_name\" isn't that of \"ak_public\"");
}

static bool read_times(struct record *to, const json_t *root)
{
    uint64_t issued, expires;

    if (!read_number(root, "issued", &issued, to->fault) ||
        !read_number(root, "expires", &expires, to->fault))
        return false;
    to->issued = (int64_t)issued;
    to->expires = (int64_t)expires;
    return issued < expires || refuse(to, "it expires before it was issued");
}

static bool read_firmware(struct record *to, const json_t *root)
{
    uint8_t bytes[8];

    if (!read_hex(root, "firmware_version", bytes, sizeof(bytes), to->fault))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        to->firmware_version = to->firmware_version << 8 | bytes[i];
    return true;
}

static bool read_pcrs(struct record *to, const json_t *root)
{
    const json_t *pcrs = read_object(root, "pcr", to->fault);

    if (pcrs == NULL)
        return false;
    for (unsigned n = 0; n < 8; n++) {
        const char key[] = {(char)('0' + n), '\0'};

        if (json_object_get(pcrs, key) == NULL)
            continue;
        if (!read_hex(pcrs, key, to->pcr[n], BH_DIGEST, to->fault))
            return false;
        to->pcrs |= 1u << n;
    }
    if (json_object_size(pcrs) != (size_t)__builtin_popcount(to->pcrs))
        return refuse(to, "\"pcr\": only 0 to 7 can be pinned");
    return (to->pcrs & COMPARED_PCRS) == COMPARED_PCRS ||
           refuse(to, "\"pcr\": 0, 2, 4 and 7 must be there");
}

static bool read_smm(struct record *to, const json_t *root)
{
    static const struct {
        const char *name;
        enum bh_smm_mode mode;
    } modes[] = {
        {"none", BH_SMM_NONE}, {"replaced", BH_SMM_REPLACED}, {"firmware", BH_SMM_FIRMWARE}};
    static const uint8_t zero[BH_DIGEST];
    const json_t *smm = read_object(root, "smm", to->fault);
    char name[16];

    if (smm == NULL || !read_text(smm, "mode", name, sizeof(name), to->fault) ||
        !read_hex(smm, "sha256", to->smm_sha256, BH_DIGEST, to->fault))
        return false;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(name, modes[i].name) == 0)
            to->smm_mode = modes[i].mode;
    if (to->smm_mode == 0)
        return refuse(to, "\"mode\": expected \"none\", \"replaced\" or \"firmware\"");
    return (memcmp(to->smm_sha256, zero, BH_DIGEST) != 0) == (to->smm_mode == BH_SMM_REPLACED) ||
           refuse(to, "\"smm\": a digest is there for \"replaced\" only, else zero");
}

/* What a trusted first boot showed: all of it or, before that, nothing. */
static bool read_pinned(struct record *to, const json_t *root)
{
    if (json_object_get(root, "pcr") == NULL && json_object_get(root, "smm") == NULL &&
        json_object_get(root, "profile") == NULL)
        return true;
    to->is_pinned =
        read_pcrs(to, root) && read_smm(to, root) && read_launch(root, &to->profile, to->fault);
    return to->is_pinned;
}

/* A key of other algorithms or rights has no EVP_PKEY: the check of the AK's says what is wrong. */
static void make_key(struct record *to)
{
    struct tpm_public public;
    struct difference why;

    if (ak_read(&public, to->ak_public, to->ak_public_size, &why))
        to->ak = ak_key(&public);
}

bool record_parse(struct record *record, const char *json, size_t size)
{
    json_t *root;
    bool is_read;

    memset(record, 0, sizeof(*record));
    root = read_format(json, size, "bulkhead-enrolment-1", record->fault);
    if (root == NULL)
        return false;
    is_read = read_identity(record, root) && read_times(record, root) &&
              read_firmware(record, root) && read_pinned(record, root);
    json_decref(root);
    if (is_read)
        make_key(record);
    return is_read;
}

/* A reader of parts doesn't know the file's name. */
static void name_file(struct record *record, const char *path)
{
    char why[FAULT_SIZE];

    snprintf(why, sizeof(why), "%s", record->fault);
    snprintf(record->fault, sizeof(record->fault), "%.128s: %.180s", path, why);
}

void record_load(struct record *record, const char *path, const struct public_key *authority)
{
    char why[FAULT_SIZE];
    size_t size;
    uint8_t *text = signed_load(path, authority, RECORD_MAX, &size, why);

    if (text == NULL) {
        memset(record, 0, sizeof(*record));
        refuse(record, why);
        return;
    }
    if (!record_parse(record, (const char *)text, size))
        name_file(record, path);
    free(text);
}

/* Whether one of the list's names is `own`; false also, with a fault, if one is no name. */
static bool is_listed(struct record *record, const json_t *root, const char *key,
                      const uint8_t *own, size_t size)
{
    const json_t *names = read_array(root, key, REVOKED_NAMES, record->fault);
    char text[2 * NAME_SIZE + 1];
    bool is_found = false;

    if (names == NULL)
        return false;
    hex(text, sizeof(text), own, size);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));

        if (name == NULL || strlen(name) != 2 * size ||
            strspn(name, "0123456789abcdef") != 2 * size) {
            snprintf(record->fault, sizeof(record->fault),
                     "\"%s\", number %zu: expected %zu bytes in lower-case hexadecimal", key, i + 1,
                     size);
            return false;
        }
        is_found = is_found || strcmp(name, text) == 0;
    }
    return is_found;
}

static void look_up(struct record *record, const char *text, size_t size)
{
    json_t *root = read_format(text, size, "bulkhead-revoked-1", record->fault);

    if (root == NULL)
        return;
    record->is_revoked =
        is_listed(record, root, "ak_names", record->ak_name, sizeof(record->ak_name));
    if (json_object_get(root, "ueids") != NULL && record->fault[0] == '\0')
        record->is_revoked |= is_listed(record, root, "ueids", record->ueid, sizeof(record->ueid));
    json_decref(root);
}

void record_revoke(struct record *record, const char *path, const struct public_key *authority)
{
    char why[FAULT_SIZE];
    size_t size;
    uint8_t *text;

    if (record->fault[0] != '\0')
        return;
    text = signed_load(path, authority, REVOKED_MAX, &size, why);
    if (text == NULL) {
        refuse(record, why);
        return;
    }
    look_up(record, (const char *)text, size);
    if (record->fault[0] != '\0')
        name_file(record, path);
    free(text);
}

void record_free(struct record *record)
{
    EVP_PKEY_free(record->ak);
    record->ak = NULL;
}
