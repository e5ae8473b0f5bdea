/* vault: have files signed by the key that vault keeps. `vault --help` says how. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "domains/work/client.h"
#include "domains/work/minisig.h"

#define CHUNK 65536u

enum { EXIT_USAGE = 2 };

static const char help[] =
    "vault - have files signed by a key that no program here can read\n"
    "\n"
    "  vault sign FILE [-o OUTPUT] [-c COMMENT]\n"
    "              print minisign's signature of FILE, or write it to OUTPUT; COMMENT (ASCII,\n"
    "              at most 120 characters) is signed too, FILE's name if none is given\n"
    "  vault key   print the public key file that `minisign -V -p` takes\n"
    "  vault check ask vault whether its memory and its key are as they were at start\n"
    "  vault --help\n"
    "\n"
    "To verify: minisign -V -p vault.pub -m FILE -x FILE.minisig\n"
    "Needs root, and Bulkhead below. Exit status: 0 done, 1 failed, 2 wrong usage.\n";

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "vault: error: %s: %s.\n", what, why);
    exit(EXIT_FAILURE);
}

static _Noreturn void usage(const char *problem)
{
    fprintf(stderr, "vault: error: %s. Try: vault --help\n", problem);
    exit(EXIT_USAGE);
}

/* Sends one request; ends the program if there is no good answer. */
static struct bh_vault_reply ask(const struct bh_vault_request *request)
{
    struct client client;
    struct bh_vault_reply reply;

    if (!client_open(&client) || !client_ask(&client, request, &reply))
        fail("no answer from vault", client.problem);
    switch (reply.status) {
    case BH_VAULT_OK:
    case BH_VAULT_DAMAGED:
        return reply;
    case BH_VAULT_BAD_COMMENT:
        fail("vault refused",
             "the comment is too long or has characters other than printable ASCII");
    case BH_VAULT_UNKNOWN_OP:
        fail("vault refused",
             "it doesn't know this operation; program and vault are of two versions");
    default:
        fail("vault's answer is damaged", "its status is unknown");
    }
}

static void hash_file(const char *path, uint8_t hash[64])
{
    static uint8_t chunk[CHUNK];
    crypto_generichash_state state;
    FILE *file = fopen(path, "rb");
    size_t length;

    if (!file)
        fail(path, strerror(errno));
    crypto_generichash_init(&state, NULL, 0, 64);
    while ((length = fread(chunk, 1, sizeof(chunk), file)) > 0)
        crypto_generichash_update(&state, chunk, length);
    if (ferror(file))
        fail(path, strerror(errno));
    fclose(file);
    crypto_generichash_final(&state, hash, 64);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = path ? fopen(path, "w") : stdout;
    const char *name = path ? path : "standard output";

    if (!file)
        fail(name, strerror(errno));
    if (fputs(text, file) == EOF || fflush(file) == EOF || (path && fclose(file) == EOF))
        fail(name, strerror(errno));
}

static int sign(const char *path, const char *output, const char *comment)
{
    struct bh_vault_request request = {.op = BH_VAULT_SIGN};
    struct bh_vault_reply reply;
    char text[MINISIG_TEXT_MAX];
    const char *slash = strrchr(path, '/');

    if (!comment)
        comment = slash ? slash + 1 : path;
    if (strlen(comment) > sizeof(request.comment))
        usage("the comment is longer than 120 characters");
    request.comment_length = (uint32_t)strlen(comment);
    memcpy(request.comment, comment, request.comment_length);
    hash_file(path, request.hash);
    reply = ask(&request);
    if (!minisig_verify(&reply, request.hash))
        fail("vault's answer is damaged", "its signature doesn't hold for this file");
    minisig_signature_text(&reply, text);
    write_text(output, text);
    return EXIT_SUCCESS;
}

static int key(void)
{
    struct bh_vault_reply reply = ask(&(struct bh_vault_request){.op = BH_VAULT_PUBLIC_KEY});
    char text[MINISIG_TEXT_MAX];

    minisig_key_text(&reply, text);
    write_text(NULL, text);
    return EXIT_SUCCESS;
}

static int check(void)
{
    struct bh_vault_reply reply = ask(&(struct bh_vault_request){.op = BH_VAULT_CHECK});

    reply.comment[sizeof(reply.comment) - 1] = '\0';
    printf("vault: %s\n", reply.comment);
    return reply.status == BH_VAULT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int sign_command(int argc, char **argv)
{
    const char *path = NULL, *output = NULL, *comment = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
            output = argv[++i];
        else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            comment = argv[++i];
        else if (argv[i][0] == '-' || path)
            usage("sign takes one file, -o OUTPUT and -c COMMENT");
        else
            path = argv[i];
    }
    if (!path)
        usage("sign needs a file");
    return sign(path, output, comment);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        usage("nothing to do");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        write_text(NULL, help);
        return EXIT_SUCCESS;
    }
    if (strcmp(argv[1], "sign") == 0)
        return sign_command(argc - 1, argv + 1);
    if (argc > 2)
        usage("too many arguments");
    if (strcmp(argv[1], "key") == 0)
        return key();
    if (strcmp(argv[1], "check") == 0)
        return check();
    usage("unknown command");
}
