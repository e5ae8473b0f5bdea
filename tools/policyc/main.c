/* policyc: checks policies, compiles them into signed policy images, and checks those. */
#include "command.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
    const char *name;
    enum exit_code (*run)(char **arguments);
    const char *usage;
    const char *help;
} commands[] = {
    {"check", command_check, "policyc check POLICY",
     "Reads the policy and its machine description, reports everything that is wrong, and\n"
     "proves the assertions. Needs none of the files that the policy names.\n"},
    {"build", command_build, "policyc build POLICY --files NAME=PATH... --key SECRET -o IMAGE",
     "Compiles the policy into IMAGE and signs that: IMAGE.minisig. NAME=PATH says where the\n"
     "file lies that the policy calls NAME; its size and hash become part of the image. The\n"
     "same policy, files and key give the same bytes.\n"},
    {"verify", command_verify, "policyc verify IMAGE POLICY",
     "Reads the bits of IMAGE, rebuilds who can reach what, and compares that with POLICY and\n"
     "its assertions. Shares nothing with `build` but the formats. Shows the digests by which\n"
     "reference values name what the image gives.\n"},
    {"dump", command_dump, "policyc dump [--json | --matrix] IMAGE",
     "Shows what IMAGE gives to whom. Trusts nothing in it; checks no signature. --matrix shows\n"
     "rights alone: neither the policy's name and version, nor files.\n"},
    {"predict", command_predict, "policyc predict IMAGE OPTION...",
     "Computes what a machine that runs IMAGE will have measured into its TPM, and writes it as\n"
     "reference values for bhattest.\n\n"
     "  --signature FILE      of IMAGE\n"
     "  --trust FILE          trust.pub: the author's public key, as it is loaded\n"
     "  --core FILE           bulkhead.elf\n"
     "  --files NAME=PATH...  all other modules\n"
     "  --grub-embedded FILE  the script in GRUB's own image\n"
     "  --grub FILE           a script that this one, or one before, has GRUB read; repeat it in\n"
     "                        that order\n"
     "  --unmeasured          instead of the scripts: nobody measures what is loaded\n"
     "  --smm none | firmware | replaced:SHA256\n"
     "                        who handles SMIs; left out, the machine's enrolment record says it\n"
     "  --key SECRET -o FILE  write FILE, and its signature by the policy's author, FILE.minisig\n"
     "  --check FILE          instead: is this what FILE says, and is it the author's?\n"},
    {"keygen", command_keygen, "policyc keygen --secret FILE --public FILE",
     "Makes an author's key pair in minisign's format, without a password. Files that exist\n"
     "are never overwritten.\n"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

enum exit_code fail(enum exit_code code, const char *format, ...)
{
    va_list arguments;

    fputs("policyc: error: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

enum exit_code load_policy(struct front *front, const char *path)
{
    enum front_result result = front_load(front, path);

    if (result == FRONT_UNREADABLE)
        return fail(EXIT_IO, "%s can't be read: %s", path, strerror(errno));
    return result == FRONT_ERRORS ? print_errors(front) : EXIT_OK;
}

enum exit_code print_errors(const struct front *front)
{
    front_print(front, stderr);
    fprintf(stderr, "%u error%s\n", front->errors, front->errors == 1 ? "" : "s");
    return EXIT_POLICY;
}

enum exit_code write_file(const char *path, const void *data, size_t size)
{
    char *temporary = NULL;
    FILE *file;
    bool is_written = false;
    int error;

    if (asprintf(&temporary, "%s.new", path) < 0)
        return fail(EXIT_IO, "out of memory");
    file = fopen(temporary, "wb");
    if (file != NULL) {
        is_written = fwrite(data, 1, size, file) == size;
        is_written = fclose(file) == 0 && is_written;
        is_written = is_written && rename(temporary, path) == 0;
    }
    error = errno;
    if (!is_written && file != NULL)
        remove(temporary);
    free(temporary);
    return is_written ? EXIT_OK : fail(EXIT_IO, "%s can't be written: %s", path, strerror(error));
}

static void help(FILE *out)
{
    fputs("policyc compiles a policy into the bits that CPU and IOMMU read.\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s\n", commands[i].usage);
    fputs(
        "\nEach command explains itself with --help. Exit status: 0 all is well, 1 the policy or\n"
        "image is wrong, 2 the command line is, 3 a file can't be read or written.\n",
        out);
}

static enum exit_code run_command(const struct command *command, char **arguments)
{
    for (char **argument = arguments; *argument != NULL; argument++)
        if (strcmp(*argument, "--help") == 0) {
            printf("usage: %s\n\n%s", command->usage, command->help);
            return EXIT_OK;
        }
    return command->run(arguments);
}

static enum exit_code run(char **words)
{
    if (words[0] == NULL) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "help") == 0) {
        help(stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return run_command(&commands[i], words + 1);
    return fail(EXIT_USAGE, "there is no command %s; see policyc --help", words[0]);
}

/* Half of what is said may say something else than the whole. */
int main(int argc, char **argv)
{
    enum exit_code code = argc > 0 ? run(argv + 1) : EXIT_USAGE;

    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        code = fail(EXIT_IO, "the output can't be written: %s", strerror(errno));
    return (int)code;
}
