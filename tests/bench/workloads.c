/*
 * /init of a Linux whose work is counted: each workload stands between two markers, 2n and 2n + 1
 * for the n-th of `workloads`, and is told on the console with how often it was done. What it does
 * first, so that the kernel has its caches filled, isn't counted, and neither is what the kernel
 * puts off of that and of the one before.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/marker.h"

#define HASHED  (64u << 10)
#define TOUCHED (64u << 20)
#define PAGE    4096u

static void die(const char *what)
{
    perror(what);
    for (;;)
        pause();
}

static void compute(unsigned count)
{
    static unsigned char data[HASHED];
    unsigned char hash[crypto_hash_sha256_BYTES];

    for (unsigned i = 0; i < count; i++) {
        crypto_hash_sha256(hash, data, sizeof(data));
        data[0] = hash[0];
    }
}

static void calls(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        syscall(SYS_getppid);
}

static void processes(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int status;
        pid_t child = fork();

        if (child == 0) {
            execl("/nothing", "nothing", NULL);
            _exit(1);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
            die("/nothing");
    }
}

/* Each page by a fault of its own. */
static void faults(unsigned count)
{
    size_t size = (size_t)count * PAGE;
    volatile char *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        die("mmap");
    madvise((void *)memory, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += PAGE)
        memory[i] = 1;
    munmap((void *)memory, size);
}

static int to_child[2], from_child[2];

static void start_child(void)
{
    char byte;
    pid_t child;

    if (pipe(to_child) < 0 || pipe(from_child) < 0)
        die("pipe");
    child = fork();
    if (child < 0)
        die("fork");
    if (child != 0)
        return;
    while (read(to_child[0], &byte, 1) == 1)
        if (write(from_child[1], &byte, 1) != 1)
            break;
    _exit(0);
}

static void pipes(unsigned count)
{
    char byte = 0;

    for (unsigned i = 0; i < count; i++)
        if (write(to_child[1], &byte, 1) != 1 || read(from_child[0], &byte, 1) != 1)
            die("pipe");
}

static void sleeps(unsigned count)
{
    const struct timespec millisecond = {.tv_nsec = 1000000};

    for (unsigned i = 0; i < count; i++)
        nanosleep(&millisecond, NULL);
}

/* The kernel frees tasks and memory after a grace period, by which a timer tick or two go by. */
static void settle(void)
{
    const struct timespec many_ticks = {.tv_nsec = 200000000};

    nanosleep(&many_ticks, NULL);
}

/* A marker has its number in its code. */
#define RUN(number, work, count)                \
    do {                                        \
        work(((count) + 9) / 10);               \
        settle();                               \
        MARK(2 * (number));                     \
        work(count);                            \
        MARK(2 * (number) + 1);                 \
        printf("bench: %s %u\n", #work, count); \
    } while (0)

/* The word `brief` on the kernel's command line has the long ones left out. */
int main(int argc, char **argv)
{
    int console = open("/dev/console", O_RDWR);
    bool brief = false;

    for (int i = 1; i < argc; i++) /* all words that the kernel doesn't know */
        brief |= strcmp(argv[i], "brief") == 0;
    for (int i = 0; i < 3; i++)
        dup2(console, i);
    setvbuf(stdout, NULL, _IOLBF, 0);
    start_child();
    if (!brief)
        RUN(0, compute, 128u);
    RUN(1, calls, 200000u);
    if (!brief)
        RUN(2, processes, 200u);
    RUN(3, faults, TOUCHED / PAGE);
    RUN(4, pipes, 10000u);
    RUN(5, sleeps, 1000u);
    puts("bench: done");
    for (;;)
        pause();
}
