/* attest: have core make evidence of what this machine runs. `attest --help` says how. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include <sodium.h>

#include "bulkhead/evidence.h"
#include "domains/lib/call.h"
#include "domains/work/client.h"
#include "domains/work/page.h"

#define SECONDS 300 /* core gives up on a TPM long before */
#define NAP_NS  1000000

enum { EXIT_USAGE = 2, EXIT_BUSY, EXIT_TPM, EXIT_UNENROLLED };

static const char help[] =
    "attest - have core prove by the machine's TPM what this machine runs\n"
    "\n"
    "  attest NONCE [-o FILE] [--base64] [--reference HEX]\n"
    "         [--verifier-key HEX] [--domain-key HEX]\n"
    "\n"
    "  NONCE           32 bytes as 64 hexadecimal digits: the verifier's challenge\n"
    "  -o FILE         write the evidence to FILE, not to standard output\n"
    "  --base64        write it as text of one line: busybox' wget sends no zero bytes\n"
    "  --reference     SHA-256 that names the reference values which the verifier will use\n"
    "  --verifier-key, --domain-key\n"
    "                  X25519 public keys that the evidence binds to this machine's state\n"
    "\n"
    "It takes the TPM a second or so. On the verifier's side: bhattest appraise.\n"
    "Needs root, and Bulkhead below with a policy that lets this domain attest (may attest,\n"
    "calls user). Exit status: 0 done, 1 failed, 2 wrong usage, 3 another domain's evidence\n"
    "comes first, 4 the TPM failed, 5 this machine isn't enrolled.\n";

struct options {
    struct bh_attest_request request;
    const char *output;
    bool base64, has_nonce;
};

static _Noreturn void fail(int status, const char *what, const char *why)
{
    fprintf(stderr, "attest: error: %s: %s.\n", what, why);
    exit(status);
}

static _Noreturn void usage(const char *problem)
{
    fprintf(stderr, "attest: error: %s. Try: attest --help\n", problem);
    exit(EXIT_USAGE);
}

static const struct {
    int64_t result;
    int status;
    const char *why;
} refusals[] = {
    {BH_E_CALL, EXIT_FAILURE, "core doesn't know this call; program and core are of two versions"},
    {BH_E_DENIED, EXIT_FAILURE, "the policy doesn't let this domain. Add: may attest"},
    {BH_E_ARG, EXIT_FAILURE,
     "it has no evidence of this domain's; another program here may have asked too"},
    {BH_E_ADDRESS, EXIT_FAILURE, "the page that was offered isn't this domain's own memory"},
    {BH_E_BUSY, EXIT_BUSY, "another domain's evidence comes first. Try again in 10 seconds"},
    {BH_E_AGAIN, EXIT_TPM, "the TPM isn't done after five minutes. Bulkhead's console may say why"},
    {BH_E_TPM, EXIT_TPM, "the TPM failed, or there is none. Bulkhead's console says why"},
    {BH_E_UNENROLLED, EXIT_UNENROLLED,
     "the machine's TPM has no attestation key. Enrol the machine by bhattest enroll"},
};

static _Noreturn void refuse(int64_t result)
{
    char number[40];

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].result == result)
            fail(refusals[i].status, "core refused", refusals[i].why);
    snprintf(number, sizeof(number), "result %lld", (long long)result);
    fail(EXIT_FAILURE, "core gave an unknown answer", number);
}

static void take_hex(const char *text, uint8_t *bytes, const char *problem)
{
    size_t size;

    if (strlen(text) != 64 || sodium_hex2bin(bytes, 32, text, 64, NULL, &size, NULL) != 0 ||
        size != 32)
        usage(problem);
}

static void take_option(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "-o") == 0)
        options->output = value;
    else if (strcmp(name, "--reference") == 0)
        take_hex(value, options->request.reference, "--reference takes 64 hexadecimal digits");
    else if (strcmp(name, "--verifier-key") == 0)
        take_hex(value, options->request.verifier_x25519,
                 "--verifier-key takes 64 hexadecimal digits");
    else if (strcmp(name, "--domain-key") == 0)
        take_hex(value, options->request.domain_x25519, "--domain-key takes 64 hexadecimal digits");
    else
        usage("unknown option");
}

static void take_arguments(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--base64") == 0) {
            options->base64 = true;
        } else if (argv[i][0] == '-') {
            if (i + 1 == argc)
                usage("an option lacks its value, or is unknown");
            take_option(options, argv[i], argv[i + 1]);
            i++;
        } else if (options->has_nonce) {
            usage("there is more than one nonce");
        } else {
            take_hex(argv[i], options->request.nonce, "the nonce must be 64 hexadecimal digits");
            options->has_nonce = true;
        }
    }
    if (!options->has_nonce)
        usage("the verifier's nonce is missing");
}

static sigjmp_buf refused;

static void on_sigill(int signal)
{
    (void)signal;
    siglongjmp(refused, 1);
}

/* VMMCALL is #UD where programs have no right to it. */
static void check_inside(void)
{
    if (!client_is_inside())
        fail(EXIT_FAILURE, "no evidence",
             "this system doesn't run under Bulkhead. Run it inside one of Bulkhead's domains, "
             "in work's shell for instance");
    signal(SIGILL, on_sigill);
    if (sigsetjmp(refused, 1) != 0)
        fail(EXIT_FAILURE, "core refused",
             "the policy denies hypercalls to this domain's programs. Add: calls user");
    bh_call(BH_CALL_VERSION, 0, 0, 0);
    signal(SIGILL, SIG_DFL);
}

static bool is_over(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - start->tv_sec > SECONDS;
}

/* Calls until core has something else to say than that this takes time. */
static struct bh_answer call(enum bh_call number, uint64_t a, uint64_t b, uint64_t c)
{
    struct timespec start;
    struct bh_answer answer;

    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        answer = bh_call(number, a, b, c);
        if (answer.result == BH_OK)
            return answer;
        if ((answer.result != BH_E_AGAIN && answer.result != BH_E_BUSY) || is_over(&start))
            refuse(answer.result);
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
}

/* Core has one evidence a domain: programs here take turns. Held until the program ends. */
static void wait_for_turn(void)
{
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (self < 0 || flock(self, LOCK_EX) != 0)
        fail(EXIT_FAILURE, "locking /proc/self/exe", strerror(errno));
}

static uint8_t *get_evidence(const struct bh_attest_request *request, size_t *size)
{
    struct page page;
    uint8_t *evidence;

    wait_for_turn();
    if (!page_open(&page))
        fail(EXIT_FAILURE, "memory to exchange with core", page.problem);
    memcpy(page.bytes, request, sizeof(*request));
    call(BH_CALL_ATTEST_START, page.gpa, sizeof(*request), 0);
    *size = call(BH_CALL_ATTEST_POLL, 0, 0, 0).a;
    if (*size == 0 || *size > BH_EVIDENCE_MAX || !(evidence = malloc(*size)))
        fail(EXIT_FAILURE, "core's evidence", "its size is impossible");
    for (size_t done = 0; done < *size;) {
        size_t rest = *size - done;
        size_t got =
            call(BH_CALL_ATTEST_READ, page.gpa, rest < PAGE_BYTES ? rest : PAGE_BYTES, done).a;

        if (got == 0 || got > rest || got > PAGE_BYTES)
            fail(EXIT_FAILURE, "core's evidence", "it ends too soon");
        memcpy(evidence + done, page.bytes, got);
        done += got;
    }
    return evidence;
}

static void write_evidence(const struct options *options, const uint8_t *evidence, size_t size)
{
    FILE *file = options->output ? fopen(options->output, "wb") : stdout;
    const char *name = options->output ? options->output : "standard output";
    size_t length = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(length + 1);
    bool good;

    if (!file || !text)
        fail(EXIT_FAILURE, name, strerror(errno));
    if (options->base64) {
        sodium_bin2base64(text, length, evidence, size, sodium_base64_VARIANT_ORIGINAL);
        good = fprintf(file, "%s\n", text) > 0;
    } else {
        good = fwrite(evidence, 1, size, file) == size;
    }
    if (!good || fflush(file) == EOF || (options->output && fclose(file) == EOF))
        fail(EXIT_FAILURE, name, strerror(errno));
    free(text);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    uint8_t *evidence;
    size_t size;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    take_arguments(&options, argc, argv);
    check_inside();
    evidence = get_evidence(&options.request, &size);
    write_evidence(&options, evidence, size);
    free(evidence);
    return EXIT_SUCCESS;
}
