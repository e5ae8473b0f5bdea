/*
 * Linked to every unit test. AddressSanitizer looks for leaks at the program's end by
 * /proc/self/task, and fails the program where /proc isn't mounted, as in a bare chroot; it
 * reads its environment variable there too, so only this function can tell it.
 */
#include <unistd.h>

const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return access("/proc/self/task", F_OK) == 0 ? "" : "detect_leaks=0";
}
