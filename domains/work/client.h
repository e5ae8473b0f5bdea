/* Linux's end of the channel to vault, for programs that run as root. */
#ifndef DOMAINS_WORK_CLIENT_H
#define DOMAINS_WORK_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/vault.h"

#define CLIENT_PROBLEM_MAX 256u

struct client {
    int memory; /* /dev/mem; locked while a request is under way */
    volatile struct bh_vault_channel *channel;
    uint64_t gpa; /* of the channel */
    uint64_t size;
    char problem[CLIENT_PROBLEM_MAX]; /* why the last call failed, and what to do */
};

/* Whether Bulkhead is below: CPUID's hypervisor leaves say so. */
bool client_is_inside(void);

/* Finds the channel and maps it. Returns false with `problem` set. */
bool client_open(struct client *client);

/*
 * Sends a request and waits for vault's answer. Returns false with `problem` set if none
 * has come after CLIENT_SECONDS. What came is a copy; vault's status is the caller's to look at.
 */
#define CLIENT_SECONDS 10
bool client_ask(struct client *client, const struct bh_vault_request *request,
                struct bh_vault_reply *reply);

#endif
