/* Glyphs of printable ASCII, made at build time by make_font.py. */
#ifndef CORE_PLATFORM_FONT_H
#define CORE_PLATFORM_FONT_H

#include <stdint.h>

#define FONT_FIRST  ' '
#define FONT_COUNT  95
#define FONT_WIDTH  8
#define FONT_HEIGHT 16

/* One byte a line, leftmost pixel in bit 7. */
extern const uint8_t font[FONT_COUNT][FONT_HEIGHT];

#endif
