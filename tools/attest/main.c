/* bhattest, the verifier: says from outside what state a machine that runs Bulkhead is in. */
#include "command.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    enum exit_status (*run)(char **arguments);
    const char *usage;
    const char *help;
} commands[] = {
    {"challenge", command_challenge, "bhattest challenge [--state DIR] [--nonce HEX] [--json]",
     "Gives out a nonce, 64 hexadecimal digits, that evidence must contain, and remembers it in\n"
     "DIR ($XDG_STATE_HOME/bulkhead). --nonce: that one, instead of a random one. It counts for\n"
     "one appraisal.\n"},
    {"appraise", command_appraise,
     "bhattest appraise EVIDENCE --record R --authority PUB --reference REF --author PUB --rules "
     "RULES\n                    [--revoked LIST] [--state DIR] [--max-age SECONDS] [--json] "
     "[-o FILE]",
     "Makes all checks of evidence and says, per domain, what state the machine is in. R, signed\n"
     "by the authority's key: the machine's enrolment record; LIST likewise: what it revoked.\n"
     "REF, signed by the author's key: what the policy's author means to run (policyc predict).\n"
     "RULES: what domains may have done. Each signed file F has its signature in F.minisig.\n"
     "A nonce is refused SECONDS after it was given out (300). --json: an EAT Attestation\n"
     "Result (draft-ietf-rats-ear-04), unsigned. -o FILE: that, too, into a file.\n"},
    {"enroll", command_enroll,
     "bhattest enroll [--tcti T] --ek-ca CA.pem [--ek-cert FILE] --key AUTHORITY.key\n"
     "      --trust trust.pub --owner-auth FILE [--first-version N] [--days N] [--json]\n"
     "      -o RECORD.json\n"
     "  bhattest enroll --pin EVIDENCE --record RECORD.json --key AUTHORITY.key [--state DIR]\n"
     "      [--json] -o RECORD.json",
     "Prepares this machine's TPM for Bulkhead: an attestation key that only core can use, a\n"
     "counter against rollback and the author's key; what is there already and right stays.\n"
     "Checks, as the authority, that the TPM is one of the maker's (CA.pem: its root, and the\n"
     "issuers below it), that the key lies in that TPM, and signs a record of it.\n"
     "\n"
     "  --tcti T           connection to the TPM, as tpm2-tools take it; else this machine's\n"
     "  --ek-cert FILE     the endorsement key's certificate, where the TPM doesn't hold it\n"
     "  --key FILE         the authority's secret key (policyc keygen makes one)\n"
     "  --trust FILE       the trust.pub that the machine boots with: no other is accepted then\n"
     "  --owner-auth FILE  the owner's authorisation; made if there is no such file. Keep it: who\n"
     "                     has it can delete the protection against rollback\n"
     "  --first-version N  the oldest version of the policy that may run; 0 if left out\n"
     "  --days N           how long the record is valid; 365 if left out\n"
     "\n"
     "It writes to the TPM at locality 2, which operating systems keep from programs: there it\n"
     "says so, and changes nothing.\n"
     "\n"
     "--pin: takes evidence of a first boot that is trusted, for a nonce of bhattest challenge,\n"
     "makes checks 1 to 11, and signs the record anew with what that boot showed: firmware's PCR\n"
     "0 to 7, the SMM handler, and whether a loader measured core.\n"},
    {"explain", command_explain, "bhattest explain CODE | --all",
     "Says what a finding's code means and what to do; --all: of every code, as the document\n"
     "docs/codes.md.\n"},
    {"log", command_log, "bhattest log EVIDENCE [--json]",
     "Shows the measured events. Only their form and order are checked, not who signed them.\n"},
    {"extract", command_extract, "bhattest extract EVIDENCE DIR",
     "Writes the evidence's parts into DIR, for other tools: attest.bin (TPMS_ATTEST),\n"
     "signature.bin (TPMT_SIGNATURE), ak.pub.bin (TPMT_PUBLIC), pcrs.json (SHA-256 bank),\n"
     "log.bin (TCG event log), report.cbor. Checks their form only.\n"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *out)
{
    fputs("bhattest appraises evidence: it says, per domain, what state a machine is in.\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s\n", commands[i].usage);
    fputs(
        "\nEach command explains itself with --help. Exit status: 0 affirming (or done),\n"
        "1 warning, 2 contraindicated, 3 evidence rejected, 4 stale, 5 enrolment, 6 reference\n"
        "values, 64 the command line is wrong, 70 a file can't be read or written, or a fault of\n"
        "bhattest's.\n",
        out);
}

static enum exit_status run_command(const struct command *command, char **arguments)
{
    for (char **argument = arguments; *argument != NULL; argument++)
        if (strcmp(*argument, "--help") == 0) {
            printf("usage: %s\n\n%s", command->usage, command->help);
            return EXIT_AFFIRMING;
        }
    return command->run(arguments);
}

static enum exit_status run(char **words)
{
    if (words[0] == NULL) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "help") == 0) {
        help(stdout);
        return EXIT_AFFIRMING;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return run_command(&commands[i], words + 1);
    return fail(EXIT_USAGE, "there is no command %s; see bhattest --help", words[0]);
}

/* Nothing is done, nor affirmed, that nobody was told. */
int main(int argc, char **argv)
{
    enum exit_status status = argc > 0 ? run(argv + 1) : EXIT_USAGE;

    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && status != EXIT_INTERNAL)
        status = fail(EXIT_INTERNAL, "the output can't be written: %s", strerror(errno));
    return (int)status;
}
