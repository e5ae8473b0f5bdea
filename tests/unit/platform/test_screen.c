/*
 * Text on the screen: what is written can be read back from the pixels, and nothing outside the
 * framebuffer is touched. The font here is made up: each line of a glyph is the character's code.
 */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its state is static, and each test begins anew: see forget(). */
#include "core/platform/screen.c"

#define GRAY8 170u

#define ROW(c)                                         \
    {                                                  \
        c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c \
    }
#define ROWS4(c) ROW(c), ROW(c + 1), ROW(c + 2), ROW(c + 3)

const uint8_t font[FONT_COUNT][FONT_HEIGHT] = {
    ROWS4(32),  ROWS4(36),  ROWS4(40), ROWS4(44),  ROWS4(48),  ROWS4(52),  ROWS4(56),
    ROWS4(60),  ROWS4(64),  ROWS4(68), ROWS4(72),  ROWS4(76),  ROWS4(80),  ROWS4(84),
    ROWS4(88),  ROWS4(92),  ROWS4(96), ROWS4(100), ROWS4(104), ROWS4(108), ROWS4(112),
    ROWS4(116), ROWS4(120), ROW(124),  ROW(125),   ROW(126)};

static uint8_t *memory; /* of just the framebuffer's size: the sanitizer sees every overrun */

static struct screen_mode rgb(uint32_t width, uint32_t height, uint8_t bits)
{
    return (struct screen_mode){.kind = SCREEN_RGB,
                                .pitch = width * ((bits + 7u) / 8) + 12,
                                .width = width,
                                .height = height,
                                .bits_per_pixel = bits,
                                .red_position = (uint8_t)(bits == 16 ? 11 : 16),
                                .red_size = (uint8_t)(bits == 16 ? 5 : 8),
                                .green_position = (uint8_t)(bits == 16 ? 5 : 8),
                                .green_size = (uint8_t)(bits == 16 ? 6 : 8),
                                .blue_position = 0,
                                .blue_size = (uint8_t)(bits == 16 ? 5 : 8)};
}

static void start(struct screen_mode new_mode)
{
    uint64_t size = screen_size(&new_mode);

    assert_int_not_equal(size, 0);
    memory = malloc(size);
    assert_non_null(memory);
    memset(memory, 0xaa, size);
    new_mode.address = (uint64_t)memory;
    screen_init(&new_mode);
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
    uint32_t value = 0;

    memcpy(&value, memory + y * mode.pitch + x * (mode.bits_per_pixel / 8u),
           mode.bits_per_pixel / 8u);
    return value;
}

static uint32_t expected_gray(void)
{
    if (mode.bits_per_pixel == 16)
        return GRAY8 >> 3 << 11 | GRAY8 >> 2 << 5 | GRAY8 >> 3;
    return GRAY8 << 16 | GRAY8 << 8 | GRAY8;
}

/* The character whose code the glyph's pixels spell; all of its lines must agree. */
static char read_cell(uint32_t at_row, uint32_t at_column, uint32_t scale)
{
    uint32_t code = 0;

    for (uint32_t y = 0; y < FONT_HEIGHT * scale; y++) {
        uint32_t line = 0;

        for (uint32_t x = 0; x < FONT_WIDTH * scale; x++) {
            uint32_t value =
                pixel(at_column * FONT_WIDTH * scale + x, at_row * FONT_HEIGHT * scale + y);

            assert_true(value == 0 || value == expected_gray());
            if (x % scale == 0)
                line = line << 1 | (value != 0);
            else
                assert_int_equal(value != 0, line & 1);
        }
        if (y == 0)
            code = line;
        assert_int_equal(line, code);
    }
    return (char)code;
}

static void expect_row(uint32_t at_row, uint32_t scale, const char *text)
{
    for (uint32_t i = 0; text[i]; i++)
        assert_int_equal(read_cell(at_row, i, scale), text[i]);
    assert_int_equal(read_cell(at_row, (uint32_t)strlen(text), scale), ' ');
}

static void text_before_the_screen_is_shown_then(void **state)
{
    (void)state;
    screen_write("early\n");
    start(rgb(800, 600, 32));
    expect_row(0, 1, "early");
    screen_write("later");
    expect_row(1, 1, "later");
    expect_row(2, 1, "");
}

static void every_depth_and_size_shows_text(void **state)
{
    const struct {
        uint32_t width, height, scale;
        uint8_t bits;
    } cases[] = {
        {640, 400, 1, 16},   {800, 600, 1, 24},   {1280, 800, 1, 32},
        {1920, 1080, 2, 32}, {3840, 2160, 3, 32},
    };

    (void)state;
    screen_write("kept\n");
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        free(memory);
        start(rgb(cases[i].width, cases[i].height, cases[i].bits));
        expect_row(0, cases[i].scale, "kept");
    }
}

static void lines_wrap_and_scroll(void **state)
{
    char line[161], text[32];

    (void)state;
    start(rgb(800, 600, 32));
    assert_int_equal(rows(), 600 / FONT_HEIGHT);
    memset(line, 'w', 100);
    strcpy(line + 100, "rest\n");
    screen_write(line);
    assert_int_equal(read_cell(0, 99, 1), 'w');
    expect_row(1, 1, "rest");
    for (uint32_t i = 0; i < 3 * rows(); i++) {
        snprintf(text, sizeof(text), "line %u\n", i);
        screen_write(text);
    }
    for (uint32_t i = 0; i < rows(); i++) {
        snprintf(text, sizeof(text), "line %u", 2 * rows() + i);
        expect_row(i, 1, text);
    }
    screen_write("\n\n\nend");
    expect_row(rows() - 1, 1, "end");
    expect_row(rows() - 2, 1, "");
    snprintf(text, sizeof(text), "line %u", 3 * rows() - 1);
    expect_row(rows() - 5, 1, text);
}

static void ega_text_has_character_and_color(void **state)
{
    uint16_t first[3];

    (void)state;
    start((struct screen_mode){
        .kind = SCREEN_TEXT, .pitch = 160, .width = 80, .height = 25, .bits_per_pixel = 16});
    screen_write("A~");
    memcpy(first, memory, sizeof(first));
    assert_int_equal(first[0], 0x0741);
    assert_int_equal(first[1], 0x077e);
    assert_int_equal(first[2], 0x0720);
    for (int i = 0; i < 40; i++)
        screen_write("x\n");
    memcpy(first, memory, sizeof(first));
    assert_int_equal(first[0], 0x0778);
}

static void a_released_screen_is_left_alone(void **state)
{
    (void)state;
    start(rgb(800, 600, 32));
    screen_write("a\n");
    screen_release();
    memset(memory, 0, (size_t)mode.pitch * mode.height);
    screen_write("b\n");
    assert_int_equal(pixel(1, FONT_HEIGHT), 0);
    screen_take_back();
    expect_row(0, 1, "a");
    expect_row(1, 1, "b");
}

static void impossible_modes_are_refused(void **state)
{
    struct screen_mode good = rgb(800, 600, 32), m;

    (void)state;
    assert_int_equal(screen_size(&good), (800u * 4 + 12) * 600);
#define REFUSED(change) (m = good, m.change, assert_int_equal(screen_size(&m), 0))
    REFUSED(kind = SCREEN_NONE);
    REFUSED(width = 0);
    REFUSED(width = 639);
    REFUSED(width = 0xffffffff);
    REFUSED(width = 0x40000001);
    REFUSED(height = 0);
    REFUSED(height = 399);
    REFUSED(height = 0xffffffff);
    REFUSED(pitch = 800 * 4 - 1);
    REFUSED(bits_per_pixel = 8);
    REFUSED(bits_per_pixel = 40);
    REFUSED(red_size = 0);
    REFUSED(green_size = 9);
    REFUSED(blue_position = 25);
    REFUSED(red_position = 255);
#undef REFUSED
}

static int forget(void **state)
{
    (void)state;
    free(memory);
    memory = NULL;
    memset(cells, 0, sizeof(cells));
    memset(&mode, 0, sizeof(mode));
    more_columns = more_rows = 0;
    row = column = 0;
    is_released = false;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(text_before_the_screen_is_shown_then, forget),
        cmocka_unit_test_teardown(every_depth_and_size_shows_text, forget),
        cmocka_unit_test_teardown(lines_wrap_and_scroll, forget),
        cmocka_unit_test_teardown(ega_text_has_character_and_color, forget),
        cmocka_unit_test_teardown(a_released_screen_is_left_alone, forget),
        cmocka_unit_test_teardown(impossible_modes_are_refused, forget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
