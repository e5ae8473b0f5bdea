#include "core/platform/screen.h"

#include "core/platform/font.h"
#include "core/platform/paging.h"
#include "lib/memory.h"

/* Columns and rows that are used; a larger screen keeps the rest black. */
#define MAX_COLUMNS 160
#define MAX_ROWS    64
#define MIN_COLUMNS 80
#define MIN_ROWS    25

#define MAX_PIXELS    16384 /* of width and height: larger ones are a mistake */
#define EGA_CELL_SIZE 2
#define EGA_GRAY      0x0700

/* From this width on glyphs are drawn in double size, from twice that on in triple size, ... */
#define SCALE_WIDTH 1280

static struct screen_mode mode;
static uint32_t more_columns, more_rows;  /* than the least; the text is in the upper left */
static uint32_t row, column;              /* of the next character */
static char cells[MAX_ROWS][MAX_COLUMNS]; /* what is shown; 0: blank */
static bool is_released;

static uint32_t columns(void)
{
    return MIN_COLUMNS + more_columns;
}

static uint32_t rows(void)
{
    return MIN_ROWS + more_rows;
}

static uint32_t scale_of(const struct screen_mode *m)
{
    return m->kind == SCREEN_RGB ? 1 + (m->width - 1) / SCALE_WIDTH : 1;
}

static uint32_t columns_of(const struct screen_mode *m)
{
    return m->kind == SCREEN_RGB ? m->width / (FONT_WIDTH * scale_of(m)) : m->width;
}

static uint32_t rows_of(const struct screen_mode *m)
{
    return m->kind == SCREEN_RGB ? m->height / (FONT_HEIGHT * scale_of(m)) : m->height;
}

/* Bytes from one pixel or character to the next; 0 if core can't draw them. */
static uint32_t unit_of(const struct screen_mode *m)
{
    if (m->kind == SCREEN_TEXT)
        return EGA_CELL_SIZE;
    return m->bits_per_pixel >= 16 && m->bits_per_pixel <= 32 ? (m->bits_per_pixel + 7u) / 8 : 0;
}

static bool color_fits(const struct screen_mode *m, uint8_t position, uint8_t size)
{
    return size >= 1 && size <= 8 && position + size <= m->bits_per_pixel;
}

static bool colors_fit(const struct screen_mode *m)
{
    return color_fits(m, m->red_position, m->red_size) &&
           color_fits(m, m->green_position, m->green_size) &&
           color_fits(m, m->blue_position, m->blue_size);
}

uint64_t screen_size(const struct screen_mode *m)
{
    uint32_t unit = unit_of(m);

    if (m->kind == SCREEN_NONE || unit == 0 || m->width == 0 || m->width > MAX_PIXELS ||
        m->height > MAX_PIXELS || m->pitch < m->width * unit)
        return 0;
    if (m->kind == SCREEN_RGB && !colors_fit(m))
        return 0;
    if (columns_of(m) < MIN_COLUMNS || rows_of(m) < MIN_ROWS)
        return 0;
    return (uint64_t)m->pitch * m->height;
}

static uint32_t color_bits(uint8_t position, uint8_t size)
{
    /* The same gray as EGA_GRAY: two thirds of full brightness. */
    return 170u >> (8 - size) << position;
}

static uint32_t gray(void)
{
    return color_bits(mode.red_position, mode.red_size) |
           color_bits(mode.green_position, mode.green_size) |
           color_bits(mode.blue_position, mode.blue_size);
}

static void draw_pixel(volatile uint8_t *pixel, uint32_t color)
{
    for (uint32_t i = 0; i < unit_of(&mode); i++)
        pixel[i] = (uint8_t)(color >> 8 * i);
}

static void draw_glyph(uint32_t at_row, uint32_t at_column, const uint8_t *glyph)
{
    const uint32_t scale = scale_of(&mode), unit = unit_of(&mode), color = gray();
    uint64_t line = mode.address + (uint64_t)mode.pitch * at_row * FONT_HEIGHT * scale +
                    at_column * FONT_WIDTH * scale * unit;

    for (uint32_t y = 0; y < FONT_HEIGHT * scale; y++) {
        volatile uint8_t *pixels = at_physical(line + (uint64_t)mode.pitch * y);

        for (uint32_t x = 0; x < FONT_WIDTH * scale; x++)
            draw_pixel(pixels + x * unit, glyph[y / scale] & 0x80 >> x / scale ? color : 0);
    }
}

static void draw(uint32_t at_row, uint32_t at_column)
{
    char c = cells[at_row][at_column] ? cells[at_row][at_column] : ' ';
    uint64_t ega = mode.address + at_row * mode.pitch + at_column * EGA_CELL_SIZE;

    if (is_released)
        return;
    switch (mode.kind) {
    case SCREEN_RGB:
        draw_glyph(at_row, at_column, font[c - FONT_FIRST]);
        break;
    case SCREEN_TEXT:
        *(volatile uint16_t *)at_physical(ega) = (uint16_t)(EGA_GRAY | (uint8_t)c);
        break;
    case SCREEN_NONE:
        break;
    }
}

/* Drawing is slow where memory is uncached: only what changes is drawn. */
static void set(uint32_t at_row, uint32_t at_column, char c)
{
    if (cells[at_row][at_column] == c)
        return;
    cells[at_row][at_column] = c;
    draw(at_row, at_column);
}

static void scroll(void)
{
    for (uint32_t r = 0; r < rows(); r++)
        for (uint32_t c = 0; c < columns(); c++)
            set(r, c, r + 1 < rows() ? cells[r + 1][c] : '\0');
}

static void put(char c)
{
    if (c == '\n' || column == columns()) {
        column = 0;
        row++;
    }
    if (c == '\n')
        return;
    for (; row >= rows(); row--) /* only now, so that the last line printed stays at the bottom */
        scroll();
    set(row, column++, c);
}

void screen_write(const char *text)
{
    for (; *text; text++)
        put(*text);
}

static void draw_all(void)
{
    for (uint32_t r = 0; r < rows(); r++)
        for (uint32_t c = 0; c < columns(); c++)
            draw(r, c);
}

void screen_init(const struct screen_mode *new_mode)
{
    uint32_t new_columns = columns_of(new_mode), new_rows = rows_of(new_mode);

    mode = *new_mode;
    more_columns = (new_columns < MAX_COLUMNS ? new_columns : MAX_COLUMNS) - MIN_COLUMNS;
    more_rows = (new_rows < MAX_ROWS ? new_rows : MAX_ROWS) - MIN_ROWS;
    memset(at_physical(mode.address), 0, screen_size(&mode));
    draw_all();
}

void screen_release(void)
{
    is_released = true;
}

void screen_take_back(void)
{
    if (!is_released)
        return;
    is_released = false;
    draw_all();
}
