#include "command.h"
#include "image_file.h"
#include "verify/verify.h"
#include <stdlib.h>

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
    if (code == EXIT_OK)
        printf("%s says what %s says; assertions that hold: %u\n", arguments[0], arguments[1],
               front.policy.never_count);
    front_free(&front);
    free(bytes);
    return code;
}
