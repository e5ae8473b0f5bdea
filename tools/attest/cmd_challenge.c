#include "command.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "state.h"

static bool parse_nonce(const char *text, uint8_t nonce[BH_NONCE_SIZE])
{
    size_t size;

    return strlen(text) == 2 * BH_NONCE_SIZE &&
           sodium_hex2bin(nonce, BH_NONCE_SIZE, text, strlen(text), NULL, &size, NULL) == 0 &&
           size == BH_NONCE_SIZE;
}

enum exit_status command_challenge(char **arguments)
{
    const char *directory = NULL, *given = NULL;
    bool is_json = false;
    const struct option options[] = {{"--state", &directory, NULL, false},
                                     {"--nonce", &given, NULL, false},
                                     {"--json", NULL, &is_json, false}};
    uint8_t nonce[BH_NONCE_SIZE];
    char text[2 * BH_NONCE_SIZE + 1], fault[FAULT_SIZE];
    struct state state;
    enum exit_status status = parse_arguments("challenge", arguments, options, 3, NULL, 0);

    if (status != EXIT_AFFIRMING)
        return status;
    if (sodium_init() < 0)
        return fail(EXIT_INTERNAL, "libsodium didn't start");
    randombytes_buf(nonce, sizeof(nonce));
    if (given != NULL && !parse_nonce(given, nonce))
        return fail(EXIT_USAGE, "--nonce %s: expected 64 hexadecimal digits", given);
    if (!state_open(&state, directory, (int64_t)time(NULL), fault) ||
        !state_add_nonce(&state, nonce, fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    hex(text, sizeof(text), nonce, sizeof(nonce));
    printf(is_json ? "{\"nonce\": \"%s\"}\n" : "%s\n", text);
    return EXIT_AFFIRMING;
}
