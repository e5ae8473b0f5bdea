#include "words.h"
#include <stdbool.h>
#include <string.h>

#define QUOTE                                                                               \
    "Put it between single quotes, or leave it out: variables, conditions and menus can't " \
    "be predicted"

static const struct words_fault not_printable = {"it has a character that isn't printable ASCII",
                                                 "Write ASCII, with line feeds as ends of lines"};
static const struct words_fault not_closed = {"a quote isn't closed on its line",
                                              "Close it on the same line"};
static const struct words_fault not_plain = {
    "it has a character that GRUB may read as more than itself", QUOTE};
static const struct words_fault not_in_quotes = {
    "between double quotes it has a $, ` or \\, which GRUB replaces", QUOTE};
static const struct words_fault too_long = {"the line is too long", "Make it shorter"};

/* A text that is eaten from the left. */
struct rest {
    const char *at;
    size_t left;
};

/* What stands for itself outside of quotes, in any place of a word. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("/._-=+,:@%#", c) != NULL);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static const struct words_fault *check_characters(const char *line, size_t length)
{
    if (length >= WORDS_ROOM / 2) /* a zero for each word of one character */
        return &too_long;
    for (size_t i = 0; i < length; i++)
        if (line[i] != '\t' && (line[i] < ' ' || line[i] > '~'))
            return &not_printable;
    return NULL;
}

/* What stands between quotes; the opening one comes next. */
static const struct words_fault *take_quoted(struct words *words, struct rest *rest)
{
    char quote = *rest->at;
    const char *end = memchr(rest->at + 1, quote, rest->left - 1);
    size_t length;

    if (end == NULL)
        return &not_closed;
    length = (size_t)(end - rest->at - 1);
    for (size_t i = 1; i <= length && quote == '"'; i++)
        if (strchr("$`\\", rest->at[i]) != NULL)
            return &not_in_quotes;
    memcpy(words->room + words->used, rest->at + 1, length);
    words->used += length;
    rest->at += length + 2;
    rest->left -= length + 2;
    return NULL;
}

static const struct words_fault *take_word(struct words *words, struct rest *rest)
{
    const struct words_fault *fault = NULL;

    if (words->count == WORDS_MAX)
        return &too_long;
    words->word[words->count++] = words->room + words->used;
    while (fault == NULL && rest->left != 0 && !is_space(*rest->at)) {
        if (*rest->at == '\'' || *rest->at == '"') {
            fault = take_quoted(words, rest);
        } else if (is_plain(*rest->at)) {
            words->room[words->used++] = *rest->at++;
            rest->left--;
        } else {
            fault = &not_plain;
        }
    }
    words->room[words->used++] = 0;
    return fault;
}

const struct words_fault *words_split(struct words *words, const char *line, size_t length)
{
    struct rest rest = {line, length};
    const struct words_fault *fault = NULL;
    size_t comment = 0;

    words->used = words->count = 0;
    /* A comment may hold anything but what ends it. */
    while (comment < length && is_space(line[comment]))
        comment++;
    if (comment == length || line[comment] == '#')
        return NULL;
    fault = check_characters(line, length);
    while (fault == NULL && rest.left != 0) {
        if (is_space(*rest.at)) {
            rest.at++;
            rest.left--;
        } else if (*rest.at == '#') {
            break;
        } else {
            fault = take_word(words, &rest);
        }
    }
    return fault;
}
