#include "command.h"

enum exit_code command_check(char **arguments)
{
    struct front front;
    enum exit_code code;

    if (arguments[0] == NULL || arguments[1] != NULL)
        return fail(EXIT_USAGE, "check takes one policy; see policyc check --help");
    code = load_policy(&front, arguments[0]);
    if (code == EXIT_OK)
        printf("%s: no errors: %u domains, %u channels, %u assertions\n", arguments[0],
               front.policy.domain_count, front.policy.channel_count, front.policy.never_count);
    front_free(&front);
    return code;
}
