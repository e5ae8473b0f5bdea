#include "core/attest/message.h"

#include "hw/tpm.h"
#include "lib/memory.h"

void tpm_put(struct tpm_message *m, const void *bytes, size_t size)
{
    if (m->size > TPM_MESSAGE_MAX || size > TPM_MESSAGE_MAX - m->size) {
        m->size = TPM_MESSAGE_MAX + 1;
        return;
    }
    if (size != 0)
        memcpy(m->bytes + m->size, bytes, size);
    m->size += (uint32_t)size;
}

void tpm_put8(struct tpm_message *m, uint32_t value)
{
    tpm_put(m, &(uint8_t){(uint8_t)value}, 1);
}

void tpm_put16(struct tpm_message *m, uint32_t value)
{
    tpm_put8(m, value >> 8);
    tpm_put8(m, value);
}

void tpm_put32(struct tpm_message *m, uint32_t value)
{
    tpm_put16(m, value >> 16);
    tpm_put16(m, value);
}

void tpm_put_sized(struct tpm_message *m, const void *bytes, size_t size)
{
    tpm_put16(m, (uint32_t)size);
    tpm_put(m, bytes, size);
}

void tpm_start(struct tpm_message *m, uint16_t tag, uint32_t code)
{
    m->size = 0;
    tpm_put16(m, tag);
    tpm_put32(m, 0); /* size: tpm_finish() */
    tpm_put32(m, code);
}

void tpm_finish(struct tpm_message *m)
{
    uint32_t size = m->size;

    if (size > TPM_MESSAGE_MAX)
        return;
    m->size = 2;
    tpm_put32(m, size);
    m->size = size;
}

/* The authorization area of one session: no nonce, no HMAC (part 1, 18.4). Password sessions have
 * empty passwords, policy sessions go on to the next command. */
void tpm_put_session(struct tpm_message *m, uint32_t session)
{
    tpm_put32(m, 4 + 2 + 1 + 2);
    tpm_put32(m, session);
    tpm_put16(m, 0);
    tpm_put8(m, session == TPM_RS_PW ? 0 : 1);
    tpm_put16(m, 0);
}

/* TPML_PCR_SELECTION, part 2, 10.9.7 */
void tpm_put_pcrs(struct tpm_message *m, uint32_t pcrs)
{
    tpm_put32(m, 1);
    tpm_put16(m, TPM_ALG_SHA256);
    tpm_put8(m, TPM_PCRS / 8);
    for (uint32_t i = 0; i < TPM_PCRS; i += 8)
        tpm_put8(m, pcrs >> i);
}

const uint8_t *tpm_get(struct tpm_reader *r, uint32_t size)
{
    static const uint8_t nothing[TPM_MESSAGE_MAX];
    const uint8_t *at = r->at;

    if (r->is_bad || size > r->left) {
        r->is_bad = true;
        r->left = 0;
        return nothing; /* for what is read by a fixed size */
    }
    r->at += size;
    r->left -= size;
    return at;
}

uint8_t tpm_get8(struct tpm_reader *r)
{
    return *tpm_get(r, 1);
}

uint16_t tpm_get16(struct tpm_reader *r)
{
    const uint8_t *at = tpm_get(r, 2);

    return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t tpm_get32(struct tpm_reader *r)
{
    uint32_t high = tpm_get16(r);

    return high << 16 | tpm_get16(r);
}

uint64_t tpm_get64(struct tpm_reader *r)
{
    uint64_t high = tpm_get32(r);

    return high << 32 | tpm_get32(r);
}

struct tpm_bytes tpm_get_sized(struct tpm_reader *r)
{
    struct tpm_bytes found = {.size = tpm_get16(r)};

    found.bytes = tpm_get(r, found.size);
    if (r->is_bad)
        found.size = 0;
    return found;
}

/* The parameters of a response without sessions. */
struct tpm_reader tpm_parameters(const struct tpm_message *m)
{
    if (m->size < TPM_HEADER || m->size > TPM_MESSAGE_MAX)
        return (struct tpm_reader){.is_bad = true};
    return (struct tpm_reader){.at = m->bytes + TPM_HEADER, .left = m->size - TPM_HEADER};
}

/* Those of a response with one session, whose authorization area must fill the rest. */
struct tpm_reader tpm_parameters_with_session(const struct tpm_message *m)
{
    struct tpm_reader all = tpm_parameters(m), inner;
    uint32_t size = tpm_get32(&all);

    inner = (struct tpm_reader){.at = tpm_get(&all, size), .left = size};
    tpm_get_sized(&all); /* nonce */
    tpm_get8(&all);      /* attributes */
    tpm_get_sized(&all); /* HMAC: empty, these sessions have no secret */
    inner.is_bad = all.is_bad || all.left != 0;
    return inner;
}

bool tpm_is_at_end(const struct tpm_reader *r)
{
    return !r->is_bad && r->left == 0;
}

/* TPMS_PCR_SELECTION, part 2, 10.6.2 */
uint32_t tpm_get_pcrs(struct tpm_reader *r)
{
    uint32_t size = tpm_get8(r), pcrs = 0;

    for (uint32_t i = 0; i < size && !r->is_bad; i++) {
        uint32_t bits = tpm_get8(r);

        if (i < TPM_PCRS / 8)
            pcrs |= bits << 8 * i;
    }
    return pcrs;
}
