/*
 * Text on the screen that the loader left: a framebuffer of RGB pixels or EGA text. What is written
 * before screen_init is remembered and shown then.
 */
#ifndef CORE_PLATFORM_SCREEN_H
#define CORE_PLATFORM_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

enum screen_kind { SCREEN_NONE, SCREEN_RGB, SCREEN_TEXT };

/* RGB: sizes in pixels, positions and sizes of colors in bits. Text: sizes in characters. */
struct screen_mode {
    enum screen_kind kind;
    uint64_t address;
    uint32_t pitch; /* bytes from one line to the next */
    uint32_t width;
    uint32_t height;
    uint8_t bits_per_pixel;
    uint8_t red_position, red_size;
    uint8_t green_position, green_size;
    uint8_t blue_position, blue_size;
};

/* Bytes that a mode's memory takes; 0 if core can't show text there. */
uint64_t screen_size(const struct screen_mode *mode);

/* Clears the screen and shows text there. The caller has checked with screen_size that it can be
 * used and that its memory is nobody's. */
void screen_init(const struct screen_mode *mode);

/* Writes text; it wraps at the right edge and scrolls at the bottom. '\n' begins a new line, other
 * characters are printable ASCII. */
void screen_write(const char *text);

/* Leaves the pixels to a domain, or takes them back and shows all text again. */
void screen_release(void);
void screen_take_back(void);

#endif
