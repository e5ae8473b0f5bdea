#include "command.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "claims.h"
#include "difference.h"
#include "input.h"

static enum exit_status write_part(const char *directory, const char *name, const void *bytes,
                                   size_t size)
{
    char *path = NULL;
    FILE *file;
    bool is_written = false;
    int error;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    file = fopen(path, "wb");
    if (file != NULL) {
        is_written = fwrite(bytes, 1, size, file) == size;
        is_written = fclose(file) == 0 && is_written;
    }
    error = errno;
    free(path);
    return is_written ? EXIT_AFFIRMING
                      : fail(EXIT_INTERNAL, "%s/%s can't be written: %s", directory, name,
                             strerror(error));
}

/* {"0": hex, ...} */
static enum exit_status write_pcrs(const char *directory, const struct claims *claims)
{
    json_t *root = json_object();
    enum exit_status status;
    char *text;

    for (unsigned pcr = 0; pcr < EVIDENCE_PCRS; pcr++) {
        const uint8_t *value = claims_pcr(claims, pcr);
        char number[12], digits[2 * BH_DIGEST + 1];

        if (value == NULL)
            continue;
        snprintf(number, sizeof(number), "%u", pcr);
        hex(digits, sizeof(digits), value, BH_DIGEST);
        json_object_set_new(root, number, json_string(digits));
    }
    text = json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    if (text == NULL)
        return fail(EXIT_INTERNAL, "out of memory");
    status = write_part(directory, "pcrs.json", text, strlen(text));
    free(text);
    return status;
}

static enum exit_status extract(const struct claims *claims, const char *directory)
{
    const struct evidence *evidence = &claims->evidence;
    const struct {
        const char *name;
        const struct evidence_bytes *part;
    } parts[] = {{"attest.bin", &evidence->attest},
                 {"signature.bin", &evidence->signature},
                 {"ak.pub.bin", &evidence->ak},
                 {"log.bin", &evidence->log},
                 {"report.cbor", &evidence->report}};

    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return fail(EXIT_INTERNAL, "%s can't be made: %s", directory, strerror(errno));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        enum exit_status status =
            write_part(directory, parts[i].name, parts[i].part->at, parts[i].part->size);

        if (status != EXIT_AFFIRMING)
            return status;
    }
    return write_pcrs(directory, claims);
}

enum exit_status command_extract(char **arguments)
{
    static struct claims claims;
    const char *words[2];
    uint8_t *bytes;
    enum exit_status status = parse_arguments("extract", arguments, NULL, 0, words, 2);

    if (status != EXIT_AFFIRMING)
        return status;
    status = input_evidence(words[0], &bytes, &claims);
    if (status == EXIT_AFFIRMING) {
        status = extract(&claims, words[1]);
        free(bytes);
    }
    return status;
}
