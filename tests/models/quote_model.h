/* Stands for core/attest/quote.c where hypercalls are tested: answers as told, keeps what it got.
 */
#ifndef MODELS_QUOTE_MODEL_H
#define MODELS_QUOTE_MODEL_H

#include "core/attest/quote.h"

#define QUOTE_MODEL_SIZE 10000u /* of the evidence, whose byte n is quote_model_byte(n) */

struct quote_model {
    enum bh_result result; /* for all calls */
    unsigned calls;
    unsigned index; /* of the last one */
    struct bh_attest_request asked;
};

extern struct quote_model quote_model;

uint8_t quote_model_byte(uint64_t offset);

#endif
