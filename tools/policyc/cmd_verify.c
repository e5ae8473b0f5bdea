#include "command.h"
#include "image_file.h"
#include "predict/digests.h"
#include "verify/verify.h"
#include <stdio.h>
#include <stdlib.h>

static void print_digest(const char *name, const uint8_t sha256[BH_DIGEST])
{
    printf("%s  ", name);
    for (unsigned i = 0; i < BH_DIGEST; i++)
        printf("%02x", sha256[i]);
    printf("\n");
}

/* What reference values name the image by. */
static enum exit_code print_digests(const char *path, const void *bytes, size_t size)
{
    uint8_t tables[BH_DIGEST], matrix[BH_DIGEST];
    const char *fault = digest_matrix(bytes, size, matrix);

    if (fault != NULL)
        return fail(EXIT_POLICY, "%s can't be read: %s", path, fault);
    digest_tables(bytes, tables);
    print_digest("tables", tables);
    print_digest("matrix", matrix);
    return EXIT_OK;
}

enum exit_code command_verify(char **arguments)
{
    struct front front;
    enum exit_code code;
    void *bytes;
    size_t size;

    if (arguments[0] == NULL || arguments[1] == NULL || arguments[2] != NULL)
        return fail(EXIT_USAGE, "verify takes an image and a policy; see policyc verify --help");
    code = read_image(arguments[0], &bytes, &size);
    if (code != EXIT_OK)
        return code;
    code = load_policy(&front, arguments[1]);
    if (code == EXIT_OK && !verify_image(&front, bytes, size, true))
        code = print_errors(&front);
    if (code == EXIT_OK) {
        printf("%s says what %s says; assertions that hold: %u\n", arguments[0], arguments[1],
               front.policy.never_count);
        code = print_digests(arguments[0], bytes, size);
    }
    front_free(&front);
    free(bytes);
    return code;
}
