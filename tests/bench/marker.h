/*
 * A long NOP that no program has by chance: NOPL 4248nnnn(%RAX,%RAX). It never exits and does
 * nothing, but plugin.c writes its counters down when it is executed.
 */
#ifndef TESTS_BENCH_MARKER_H
#define TESTS_BENCH_MARKER_H

#define MARKER_SIZE 8
#define MARKER_BEGIN           \
    {                          \
        0x0f, 0x1f, 0x84, 0x00 \
    }
#define MARKER_END \
    {              \
        0x48, 0x42 \
    }

#define MARK(number)                                                              \
    __asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00; .short %c0; .byte 0x48, 0x42" \
                     :                                                            \
                     : "i"(number)                                                \
                     : "memory")

#endif
