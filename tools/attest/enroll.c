/* bhattest enroll: see enroll.h. */
#include "enroll.h"
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "enroll_pin.h"
#include "quote.h"
#include "sha256.h"
#include "show.h"

#define CERTIFICATE_MAX 65536u
#define TRUST_MAX       4096u
#define DAYS_DEFAULT    365u
#define DAYS_MAX        36500u
#define VERSION_MAX     INT64_MAX
#define DAY             86400

struct arguments {
    const char *tcti, *ek_ca, *ek_cert, *key, *trust, *owner_auth, *output;
    const char *days_text, *first_text;
    struct pin_arguments pin;
    uint64_t days, first;
    bool json;
};

struct enrolment {
    const struct arguments *arguments;
    struct secret_key authority;
    struct tpm tpm;
    struct tpm_owner owner;
    bool has_owner_file;
    uint8_t trust[BH_DIGEST];
    struct tpm_key ek, ak;
    EVP_PKEY *certified;
    uint64_t oldest;
    uint64_t firmware_version;
    int64_t issued, expires;
};

static bool parse_number(const char *option, const char *text, uint64_t most, uint64_t *number)
{
    char *end;

    if (text == NULL)
        return true;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *number <= most)
        return true;
    fail(EXIT_USAGE, "%s needs a number up to %" PRIu64 ", got %s", option, most, text);
    return false;
}

/* What is wrong with an option where evidence is pinned, or where a machine is enrolled. */
static enum exit_status check_option(const char *name, const char *value, bool is_wanted,
                                     bool is_required, bool is_pin)
{
    if (!is_wanted && value != NULL)
        return fail(EXIT_USAGE, "%s isn't for enroll %s --pin; see bhattest enroll --help", name,
                    is_pin ? "with" : "without");
    if (is_wanted && is_required && value == NULL)
        return fail(EXIT_USAGE, "enroll%s needs %s; see bhattest enroll --help",
                    is_pin ? " --pin" : "", name);
    return EXIT_AFFIRMING;
}

static enum exit_status check_arguments(struct arguments *given)
{
    const struct {
        const char *name, *value;
        bool is_of_pin, is_required;
    } rows[] = {
        {"--tcti", given->tcti, false, false},
        {"--ek-ca", given->ek_ca, false, true},
        {"--ek-cert", given->ek_cert, false, false},
        {"--trust", given->trust, false, true},
        {"--owner-auth", given->owner_auth, false, true},
        {"--first-version", given->first_text, false, false},
        {"--days", given->days_text, false, false},
        {"--record", given->pin.record, true, true},
        {"--state", given->pin.state, true, false},
    };
    bool is_pin = given->pin.evidence != NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum exit_status status = check_option(
            rows[i].name, rows[i].value, rows[i].is_of_pin == is_pin, rows[i].is_required, is_pin);

        if (status != EXIT_AFFIRMING)
            return status;
    }
    if (!parse_number("--days", given->days_text, DAYS_MAX, &given->days) ||
        !parse_number("--first-version", given->first_text, VERSION_MAX, &given->first))
        return EXIT_USAGE;
    return given->days != 0 ? EXIT_AFFIRMING : fail(EXIT_USAGE, "--days 0 would expire at once");
}

static enum exit_status load_files(struct enrolment *to)
{
    const struct arguments *given = to->arguments;
    char fault[FAULT_SIZE];
    struct public_key key;
    uint8_t *text;
    size_t size;

    if (!authority_load(&to->authority, given->key, fault) ||
        !owner_load(&to->owner, given->owner_auth, &to->has_owner_file, fault) ||
        !public_key_load(&key, given->trust, fault))
        return fail(EXIT_INTERNAL, "%s", fault);
    text = file_load(given->trust, TRUST_MAX, &size, fault);
    if (text == NULL)
        return fail(EXIT_INTERNAL, "%s", fault);
    sha256(text, size, to->trust);
    free(text);
    return EXIT_AFFIRMING;
}

/* The certificate that the machine shows; authority: the key in it. */
static bool check_certificate(struct enrolment *to)
{
    const struct arguments *given = to->arguments;
    char fault[FAULT_SIZE];
    uint8_t *bytes = NULL;
    size_t size;

    if (given->ek_cert != NULL) {
        bytes = file_load(given->ek_cert, CERTIFICATE_MAX, &size, fault);
        if (bytes == NULL)
            return tpm_fault(&to->tpm, "%s", fault);
    } else if (!tpm_ek_certificate(&to->tpm, &bytes, &size)) {
        return false;
    }
    to->certified = certificate_key(bytes, size, given->ek_ca, &to->ek, to->tpm.fault);
    free(bytes);
    return to->certified != NULL;
}

/* Changes nothing in the TPM but that its EK becomes persistent. */
static bool check_machine(struct enrolment *to)
{
    if (!tpm_set_locality(&to->tpm, 2) || !tpm_set_locality(&to->tpm, 0) ||
        !tpm_owner_use(&to->tpm, &to->owner))
        return false;
    if (!to->owner.is_new && !to->has_owner_file)
        return tpm_fault(
            &to->tpm,
            "the TPM has an owner authorisation, but there is no %s. Give the file that "
            "holds it, or clear the TPM in the firmware's setup",
            to->arguments->owner_auth);
    return tpm_setup_ek(&to->tpm, &to->ek) && check_certificate(to);
}

/* The AK last: core takes a machine that has it for enrolled, and wants all the rest then. */
static bool set_up_machine(struct enrolment *to)
{
    char fault[FAULT_SIZE];

    if (!to->has_owner_file && !owner_make(&to->owner, to->arguments->owner_auth, fault))
        return tpm_fault(&to->tpm, "%s", fault);
    return tpm_owner_set(&to->tpm, &to->owner) &&
           tpm_setup_nv(&to->tpm, to->trust, to->arguments->first, &to->oldest) &&
           tpm_setup_ak(&to->tpm, &to->ek, &to->ak);
}

/* Authority: a secret that only the TPM with the certified EK can tell, and only if that TPM holds
 * an AK of this name. */
static bool prove_keys(struct enrolment *to)
{
    TPM2B_ID_OBJECT credential;
    TPM2B_ENCRYPTED_SECRET seed;
    TPM2B_DIGEST told;
    uint8_t secret[BH_DIGEST];

    if (RAND_bytes(secret, sizeof(secret)) != 1 ||
        !credential_make(to->certified, to->ak.name, secret, &credential, &seed))
        return tpm_fault(&to->tpm, "libcrypto can't make a credential: out of memory?");
    if (!tpm_activate(&to->tpm, &credential, &seed, &told))
        return false;
    return (told.size == sizeof(secret) &&
            CRYPTO_memcmp(told.buffer, secret, sizeof(secret)) == 0) ||
           tpm_fault(&to->tpm, "TPM2_ActivateCredential gave another secret than the authority's: "
                               "this TPM can't be trusted");
}

static bool check_quote(struct enrolment *to, const struct tpm_quote *given,
                        const struct tpm_public *ak, const uint8_t nonce[BH_DIGEST])
{
    struct quote quote;
    struct ecdsa signature;
    struct difference why = {0};
    EVP_PKEY *key = ak_key(ak);
    bool is_good =
        quote_read(&quote, given->attest, given->attest_size, &why) &&
        ecdsa_read(&signature, given->signature, given->signature_size, &why) &&
        same_bytes(&why, "extraData", nonce, BH_DIGEST, quote.extra_data, quote.extra_size);

    if (is_good && !ecdsa_is_good(key, &signature, given->attest, given->attest_size))
        is_good = differs(&why, "a good signature", "another");
    EVP_PKEY_free(key);
    to->firmware_version = quote.firmware_version;
    return is_good || tpm_fault(&to->tpm, "the TPM's quote isn't as asked for: expected %s, got %s",
                                why.expected, why.got);
}

/* Authority: what the key may do, and what it says when it is used as core uses it. */
static bool prove_use(struct enrolment *to)
{
    struct tpm_public ak;
    struct difference why;
    struct tpm_quote quote;
    uint8_t nonce[BH_DIGEST];

    if (!ak_read(&ak, to->ak.bytes, to->ak.size, &why))
        return tpm_fault(&to->tpm,
                         "the attestation key could be used outside core: expected %s, "
                         "got %s",
                         why.expected, why.got);
    if (RAND_bytes(nonce, sizeof(nonce)) != 1)
        return tpm_fault(&to->tpm, "there are no random numbers");
    return tpm_quote(&to->tpm, 2, nonce, &quote) && check_quote(to, &quote, &ak, nonce);
}

static enum exit_status write_record(struct enrolment *to)
{
    char fault[FAULT_SIZE] = "out of memory";
    json_t *root;
    bool is_written;

    to->issued = (int64_t)time(NULL);
    to->expires = to->issued + (int64_t)to->arguments->days * DAY;
    root = record_new(&to->ek, &to->ak, to->issued, to->expires, to->firmware_version);
    is_written = root != NULL && record_write(root, &to->authority, to->arguments->output, fault);
    json_decref(root);
    return is_written ? EXIT_AFFIRMING : fail(EXIT_INTERNAL, "%s", fault);
}

static void tell(const struct enrolment *of)
{
    char name[2 * NAME_SIZE + 1], date[32];
    time_t expires = (time_t)of->expires;
    json_t *root;

    hex(name, sizeof(name), of->ak.name, sizeof(of->ak.name));
    if (of->arguments->json) {
        root = json_pack("{s:o, s:s, s:I, s:I}", "record", show_words(of->arguments->output),
                         "ak_name", name, "oldest_version", (json_int_t)of->oldest, "expires",
                         (json_int_t)of->expires);
        json_dumpf(root, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(root);
        return;
    }
    strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&expires));
    printf("attestation key %s\noldest version of the policy that may run: %" PRIu64 "\n"
           "%s: signed, valid until %s\n"
           "Next: boot the machine, and pin its evidence by bhattest enroll --pin\n",
           name, of->oldest, of->arguments->output, date);
}

static enum exit_status enroll_machine(struct enrolment *to)
{
    enum exit_status status;

    if (!tpm_open(&to->tpm, to->arguments->tcti))
        return fail(EXIT_INTERNAL, "%s", to->tpm.fault);
    if (!check_machine(to) || !set_up_machine(to) || !prove_keys(to) || !prove_use(to))
        return fail(EXIT_ENROLMENT, "not enrolled: %s", to->tpm.fault);
    status = write_record(to);
    if (status == EXIT_AFFIRMING)
        tell(to);
    return status;
}

static enum exit_status enroll(const struct arguments *arguments)
{
    struct enrolment enrolment = {.arguments = arguments};
    enum exit_status status = load_files(&enrolment);

    if (status == EXIT_AFFIRMING) {
        status = enroll_machine(&enrolment);
        tpm_close(&enrolment.tpm);
        EVP_PKEY_free(enrolment.certified);
    }
    OPENSSL_cleanse(&enrolment.owner, sizeof(enrolment.owner));
    sign_forget(&enrolment.authority);
    return status;
}

enum exit_status command_enroll(char **words)
{
    struct arguments given = {.days = DAYS_DEFAULT};
    const struct option options[] = {
        {"--tcti", &given.tcti, NULL, false},
        {"--ek-ca", &given.ek_ca, NULL, false},
        {"--ek-cert", &given.ek_cert, NULL, false},
        {"--trust", &given.trust, NULL, false},
        {"--owner-auth", &given.owner_auth, NULL, false},
        {"--first-version", &given.first_text, NULL, false},
        {"--days", &given.days_text, NULL, false},
        {"--json", NULL, &given.json, false},
        {"--pin", &given.pin.evidence, NULL, false},
        {"--record", &given.pin.record, NULL, false},
        {"--state", &given.pin.state, NULL, false},
        {"--key", &given.key, NULL, true},
        {"-o", &given.output, NULL, true},
    };
    enum exit_status status =
        parse_arguments("enroll", words, options, sizeof(options) / sizeof(options[0]), NULL, 0);

    if (status == EXIT_AFFIRMING)
        status = check_arguments(&given);
    if (status != EXIT_AFFIRMING)
        return status;
    if (given.pin.evidence == NULL)
        return enroll(&given);
    given.pin.key = given.key;
    given.pin.output = given.output;
    given.pin.json = given.json;
    return enroll_pin(&given.pin);
}
