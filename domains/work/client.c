#include "domains/work/client.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>

#include "bulkhead/image.h"
#include "domains/lib/call.h"

#define CHANNEL 0 /* of those that this domain is an end of */
#define NAP_NS  1000000

__attribute__((format(printf, 2, 3))) static bool fail(struct client *client, const char *format,
                                                       ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(client->problem, sizeof(client->problem), format, arguments);
    va_end(arguments);
    return false;
}

bool client_is_inside(void)
{
    uint32_t leaf, signature[3];

    __cpuid(BH_CPUID_BASE, leaf, signature[0], signature[1], signature[2]);
    return memcmp(signature, BH_CPUID_SIGNATURE, sizeof(signature)) == 0;
}

static sigjmp_buf refused;

static void on_sigill(int signal)
{
    (void)signal;
    siglongjmp(refused, 1);
}

/* Asks where the channel is. False if VMMCALL is #UD: CPL 3 has no right to it. */
static bool ask_for_channel(struct bh_answer *found)
{
    struct sigaction catch = {.sa_handler = on_sigill}, before;
    volatile bool allowed = false;

    sigaction(SIGILL, &catch, &before);
    if (sigsetjmp(refused, 1) == 0) {
        *found = bh_call(BH_CALL_CHANNEL, CHANNEL, 0, 0);
        allowed = true;
    }
    sigaction(SIGILL, &before, NULL);
    return allowed;
}

static bool find_channel(struct client *client)
{
    struct bh_answer found;

    if (!client_is_inside())
        return fail(client, "this system doesn't run under Bulkhead. Run it inside one of "
                            "Bulkhead's domains, in work's shell for instance");
    if (!ask_for_channel(&found))
        return fail(client, "Bulkhead denies hypercalls to this domain's programs. The policy "
                            "must allow them: calls user");
    if (found.result != BH_OK)
        return fail(client,
                    "this domain has no channel (error %lld). The policy must name it as "
                    "an end of one",
                    (long long)found.result);
    if (found.b < sizeof(struct bh_vault_channel) || !(found.c & BH_CHANNEL_WRITE))
        return fail(client,
                    "the channel is too small or read-only: %llu bytes, rights %llx. The "
                    "policy must give it a page to write to",
                    (unsigned long long)found.b, (unsigned long long)found.c);
    client->gpa = found.a;
    client->size = found.b;
    return true;
}

bool client_open(struct client *client)
{
    void *mapped;

    memset(client, 0, sizeof(*client));
    client->memory = -1;
    if (!find_channel(client))
        return false;
    client->memory = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
    if (client->memory < 0)
        return fail(client, "/dev/mem: %s. %s", strerror(errno),
                    errno == ENOENT ? "The kernel must have it" : "Run it as root");
    mapped = mmap(NULL, sizeof(struct bh_vault_channel), PROT_READ | PROT_WRITE, MAP_SHARED,
                  client->memory, (off_t)client->gpa);
    if (mapped == MAP_FAILED)
        return fail(client,
                    "mapping the channel at %llx: %s. The kernel's command line must have "
                    "iomem=relaxed",
                    (unsigned long long)client->gpa, strerror(errno));
    client->channel = mapped;
    return true;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool wait_for(struct client *client, uint32_t ticket)
{
    double deadline = now() + CLIENT_SECONDS;

    while (client->channel->done != ticket) {
        if (now() > deadline)
            return fail(client, "vault did not answer within %d s. Bulkhead's console may say why",
                        CLIENT_SECONDS);
        nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    }
    return true;
}

static bool exchange(struct client *client, const struct bh_vault_request *request,
                     struct bh_vault_reply *reply)
{
    volatile struct bh_vault_channel *channel = client->channel;
    uint32_t ticket = channel->ticket + 1;
    struct bh_answer rung;

    if (ticket == 0)
        ticket = 1;
    memcpy((void *)&channel->request, request, sizeof(*request));
    __asm__ volatile("" : : : "memory"); /* x86 keeps stores in order */
    channel->ticket = ticket;
    rung = bh_call(BH_CALL_RING, CHANNEL, 0, 0);
    if (rung.result != BH_OK)
        return fail(client, "Bulkhead refused to ring vault's doorbell (error %lld)",
                    (long long)rung.result);
    if (!wait_for(client, ticket))
        return false;
    __asm__ volatile("" : : : "memory");
    memcpy(reply, (const void *)&channel->reply, sizeof(*reply));
    return true;
}

bool client_ask(struct client *client, const struct bh_vault_request *request,
                struct bh_vault_reply *reply)
{
    bool answered;

    /* One request at a time: other programs use the same page. */
    if (flock(client->memory, LOCK_EX) != 0)
        return fail(client, "locking /dev/mem: %s", strerror(errno));
    answered = exchange(client, request, reply);
    flock(client->memory, LOCK_UN);
    return answered;
}
