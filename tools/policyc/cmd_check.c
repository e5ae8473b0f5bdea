#include "command.h"
#include "emit/emit.h"
#include "verify/verify.h"
#include <stdlib.h>

/* Assertions are proved on bits, so the image is made, too, and thrown away. */
static enum exit_code prove(struct front *front)
{
    struct image image;
    enum exit_code code = EXIT_OK;

    if (!emit_image(front, NULL, 0, &image) || !verify_image(front, image.bytes, image.size, false))
        code = print_errors(front);
    free(image.bytes);
    return code;
}

enum exit_code command_check(char **arguments)
{
    struct front front;
    enum exit_code code;

    if (arguments[0] == NULL || arguments[1] != NULL)
        return fail(EXIT_USAGE, "check takes one policy; see policyc check --help");
    code = load_policy(&front, arguments[0]);
    if (code == EXIT_OK)
        code = prove(&front);
    if (code == EXIT_OK)
        printf("%s: no errors; domains: %u, channels: %u, assertions that hold: %u\n", arguments[0],
               front.policy.domain_count, front.policy.channel_count, front.policy.never_count);
    front_free(&front);
    return code;
}
