/*
 * A Linux program of two threads, one on each of two CPUs. One puts a new page in place of another,
 * again and again, and says so; the other must then see the new one: Linux has told it by IPI that
 * what its TLB holds is over. Without a library, to be small: it comes by the console.
 */
#define SYS_write             1
#define SYS_mmap              9
#define SYS_clone             56
#define SYS_exit_group        231
#define SYS_sched_setaffinity 203

#define CLONE_THREAD_FLAGS 0x10f00 /* VM, FS, FILES, SIGHAND, THREAD */
#define PROT_READ_WRITE    3
#define MAP_ANONYMOUS_HERE 0x32 /* PRIVATE, FIXED, ANONYMOUS */
#define PLACE              0x10000000
#define ROUNDS             100

static volatile unsigned long published, seen, stale;
static char stack[16384] __attribute__((aligned(16)));

static long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
}

static void run_on(unsigned cpu)
{
    unsigned long mask = 1ul << cpu;

    system_call(SYS_sched_setaffinity, 0, sizeof(mask), (long)&mask, 0, 0, 0);
}

static volatile unsigned long *place(void)
{
    return (volatile unsigned long *)PLACE;
}

/* noinline: it runs on another stack than what it was written in. */
static __attribute__((noinline, noreturn)) void look(void)
{
    run_on(1);
    for (unsigned long round = 1;; round++) {
        while (published < round)
            ;
        stale += *place() != round;
        seen = round;
    }
}

static void put_new_page(unsigned long round)
{
    system_call(SYS_mmap, PLACE, 4096, PROT_READ_WRITE, MAP_ANONYMOUS_HERE, -1, 0);
    *place() = round;
}

static void say(const char *text, unsigned long length)
{
    system_call(SYS_write, 1, (long)text, (long)length, 0, 0, 0);
}

__attribute__((noreturn, used)) void start(void)
{
    static const char fresh[] = "all pages were new\n", old[] = "stale pages were seen\n";

    run_on(0);
    if (system_call(SYS_clone, CLONE_THREAD_FLAGS, (long)(stack + sizeof(stack)), 0, 0, 0, 0) == 0)
        look();
    for (unsigned long round = 1; round <= ROUNDS; round++) {
        put_new_page(round);
        published = round;
        while (seen < round)
            ;
    }
    if (stale)
        say(old, sizeof(old) - 1);
    else
        say(fresh, sizeof(fresh) - 1);
    system_call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    for (;;)
        ;
}

__asm__(".globl _start\n_start: and $-16, %rsp\n call start\n");
