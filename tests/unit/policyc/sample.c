#include "sample.h"
#include <stdlib.h>

const char sample_policy[] =
    "policy \"sample\" {\n"
    "    version 7\n"
    "    attest optional\n"
    "    machine \"machines/qemu-q35.machine\"\n"
    "    domain work {\n"
    "        primary untrusted\n"
    "        cores 2\n"
    "        interrupts direct\n"
    "        memory rest\n"
    "        boot linux { kernel \"k\" initrd \"i\" cmdline \"quiet\" }\n"
    "        devices nic, edu, com2, pit, pic\n"
    "        intercept cr4_write, rdtsc\n"
    "        no intercept rdpmc\n"
    "        msr allow tsc\n"
    "        calls user\n"
    "        may attest\n"
    "    }\n"
    "    domain vault {\n"
    "        microvm trusted\n"
    "        cores 1\n"
    "        interrupts virtual\n"
    "        memory 4 MiB\n"
    "        boot flat \"v\" at 0x8000\n"
    "        paging any 256 KiB\n"
    "        requires rdrand\n"
    "        may log\n"
    "    }\n"
    "    channel sign { size 8 KiB  work read  vault at 0x700000 read write ring }\n"
    "    channel disk { size 4 KiB  work read write dma  vault read }\n"
    "}\n";

struct front front;
struct image image;

int sample_begin(void **state)
{
    (void)state;
    bits_emit(sample_policy, &front, &image);
    return 0;
}

int sample_end(void **state)
{
    (void)state;
    free(image.bytes);
    front_free(&front);
    return 0;
}

const struct bh_channel *sample_channel(unsigned index)
{
    return (const struct bh_channel *)(image.bytes + bits_header(&image)->channels.offset) + index;
}
