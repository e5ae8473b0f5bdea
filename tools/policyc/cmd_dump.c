#include "command.h"
#include "dump.h"
#include "image_file.h"
#include <stdlib.h>
#include <string.h>

enum exit_code command_dump(char **arguments)
{
    const char *form = arguments[0] != NULL ? arguments[0] : "";
    bool is_json = strcmp(form, "--json") == 0, is_matrix = strcmp(form, "--matrix") == 0;
    struct reader reader;
    enum exit_code code;
    const char *fault;
    void *bytes;
    size_t size;

    arguments += is_json || is_matrix;
    if (arguments[0] == NULL || arguments[1] != NULL || arguments[0][0] == '-')
        return fail(EXIT_USAGE, "dump takes one image; see policyc dump --help");
    code = read_image(arguments[0], &bytes, &size);
    if (code != EXIT_OK)
        return code;
    fault = reader_open(&reader, bytes, size);
    if (fault != NULL)
        code = fail(EXIT_POLICY, "%s is no policy image: %s", arguments[0], fault);
    else if (is_json)
        dump_json(&reader, stdout);
    else if (is_matrix)
        dump_matrix(&reader, stdout);
    else
        dump_text(&reader, stdout);
    free(bytes);
    return code;
}
