#include "models/quote_model.h"

#include "models/vcpu_model.h"
#include "testing.h"

struct quote_model quote_model;

uint8_t quote_model_byte(uint64_t offset)
{
    return (uint8_t)(offset * 7 + (offset >> 8));
}

/* libsodium runs behind each call. */
static enum bh_result note(unsigned index)
{
    assert_true(model_has_host);
    quote_model.calls++;
    quote_model.index = index;
    return quote_model.result;
}

enum bh_result quote_start(unsigned index, const struct bh_attest_request *asked)
{
    quote_model.asked = *asked;
    return note(index);
}

enum bh_result quote_poll(unsigned index, uint64_t *size)
{
    *size = QUOTE_MODEL_SIZE;
    return note(index);
}

enum bh_result quote_read(unsigned index, uint64_t offset, void *to, uint64_t size,
                          uint64_t *copied)
{
    enum bh_result result = note(index);

    if (result == BH_OK && offset >= QUOTE_MODEL_SIZE)
        return BH_E_ARG;
    for (*copied = 0; result == BH_OK && *copied < size; ++*copied) {
        if (offset + *copied == QUOTE_MODEL_SIZE)
            break;
        ((uint8_t *)to)[*copied] = quote_model_byte(offset + *copied);
    }
    return result;
}
