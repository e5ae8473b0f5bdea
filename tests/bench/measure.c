/*
 * What measuring adds to a boot, in instructions: core's own objects (core/attest, lib/evlog), as
 * they are linked into core, measure a boot into a model of a TPM that answers at once. The
 * process runs itself step by step and counts those that lie in core's functions, so neither the
 * model nor libsodium's hashing counts.
 * Prints "instructions N commands N accesses N".
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#undef PAGE_SIZE /* hw/x86.h has its own */
#include "core/attest/attest.h"
#include "core/attest/log.h"
#include "core/platform/time.h"
#include "models/boot_tpm.h"
#include "models/console_model.h"
#include "policy/sample.h"

/* Where core's objects begin and end in this program: bench.mk. */
extern const char measured_begin[], measured_end[];

uint64_t time_ns(uint64_t ticks)
{
    return ticks;
}

static void boot(void)
{
    static struct sample sample;
    static const struct policy_origin origin;
    static const struct bh_event_smm smm = {.mode = BH_SMM_NONE};
    static const char core[64];

    boot_tpm_reset();
    sample_build(&sample);
    sample.header.attest = BH_ATTEST_REQUIRED;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    attest_begin(core, sizeof core);
    attest_policy(&sample.header, &origin, &smm);
    attest_domains();
    raise(SIGSTOP);
    printf("commands %u accesses %u\n", tis_model.commands, tis_model.accesses);
}

static noreturn void die(const char *what)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* From one SIGSTOP of the child to the next. */
static unsigned long count(pid_t child)
{
    unsigned long instructions = 0;
    int status;

    for (;;) {
        struct user_regs_struct registers;

        if (ptrace(PTRACE_GETREGS, child, NULL, &registers) < 0)
            die("reading registers");
        instructions += registers.rip >= (unsigned long)measured_begin &&
                        registers.rip < (unsigned long)measured_end;
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 || waitpid(child, &status, 0) < 0)
            die("stepping");
        if (!WIFSTOPPED(status))
            die("the measured process ended");
        if (WSTOPSIG(status) == SIGSTOP)
            return instructions;
    }
}

int main(void)
{
    int status;
    pid_t child;

    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        boot();
        return log_is_on() ? 0 : 1;
    }
    if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status))
        die("the process to measure can't be traced");
    printf("instructions %lu ", count(child));
    fflush(stdout);
    ptrace(PTRACE_DETACH, child, NULL, NULL);
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
