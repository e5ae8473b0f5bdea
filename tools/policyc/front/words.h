/* The words of the language, as the lexer and the syntax errors use them. */
#ifndef POLICYC_WORDS_H
#define POLICYC_WORDS_H

#include "internal.h"

/* The token of a word reserved in that kind of file, 0 for a name. */
int word_token(const char *text, enum wanted wanted);

/* Does the token begin a statement or close a block? Recovery stops there. */
bool word_begins(int token, enum wanted wanted);

#endif
