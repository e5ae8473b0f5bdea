#include "command.h"
#include "sign/sign.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Create the file; one that exists is never touched. */
static enum exit_code create(const char *path, const char *text, mode_t mode)
{
    size_t length = strlen(text);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool is_written;

    if (file < 0 && errno == EEXIST)
        return fail(EXIT_IO, "%s exists already. Move it away, or choose another name", path);
    if (file < 0)
        return fail(EXIT_IO, "%s can't be created: %s", path, strerror(errno));
    is_written = write(file, text, length) == (ssize_t)length && fsync(file) == 0;
    is_written = close(file) == 0 && is_written;
    if (is_written)
        return EXIT_OK;
    fail(EXIT_IO, "%s can't be written: %s", path, strerror(errno));
    unlink(path);
    return EXIT_IO;
}

static enum exit_code create_pair(const char *secret, const char *public)
{
    struct secret_key key;
    char text[SIGN_TEXT_MAX];
    enum exit_code code;

    sign_new_key(&key);
    sign_secret_text(&key, text, sizeof(text));
    code = create(secret, text, 0600);
    if (code == EXIT_OK) {
        sign_public_text(&key, text, sizeof(text));
        code = create(public, text, 0644);
        if (code != EXIT_OK)
            unlink(secret); /* made just now; a key without its other half is of no use */
    }
    explicit_bzero(text, sizeof(text));
    sign_forget(&key);
    return code;
}

enum exit_code command_keygen(char **arguments)
{
    const char *secret = NULL, *public = NULL;

    for (; *arguments != NULL; arguments += 2) {
        if (arguments[1] != NULL && strcmp(*arguments, "--secret") == 0)
            secret = arguments[1];
        else if (arguments[1] != NULL && strcmp(*arguments, "--public") == 0)
        public = arguments[1];
        else return fail(EXIT_USAGE,
                         "keygen doesn't know what to do with %s; see policyc keygen --help",
                         *arguments);
    }
    if (secret == NULL || public == NULL)
        return fail(EXIT_USAGE, "keygen needs --secret and --public; see policyc keygen --help");
    if (sign_begin() != SIGN_OK)
        return fail(EXIT_IO, "libsodium didn't start");
    return create_pair(secret, public);
}
