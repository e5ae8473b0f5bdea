/*
 * GRUB's scripts: what can be predicted gives the PCR values that follow from the commands and
 * files written out here; what can't is refused at its line, with a remedy.
 */
#include "predict/grub.h"
#include "predict/words.h"
#include "testing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIND      "search --no-floppy --set=root --file /g\nconfigfile /g\n"
#define LOAD      "multiboot2 /core\nmodule2 /m name=m\n"
#define CORE_FILE 0xc0
#define MODULE    0x30
#define SCRIPT    0x60 /* and on */

static struct grub_measured measured;

static bool predict(const char *embedded, const char *first, const char *second)
{
    const char *const text[] = {first, second};
    struct grub_module module = {.name = "m"};
    struct grub_boot boot = {
        .embedded = {.path = "find.cfg", .text = embedded, .size = strlen(embedded)},
        .module = &module,
        .modules = 1};

    memset(boot.core, CORE_FILE, sizeof(boot.core));
    memset(module.sha256, MODULE, sizeof(module.sha256));
    for (unsigned i = 0; i < 2 && text[i] != NULL; i++) {
        struct grub_script *script = &boot.script[boot.scripts++];

        *script = (struct grub_script){
            .path = i == 0 ? "1.cfg" : "2.cfg", .text = text[i], .size = strlen(text[i])};
        memset(script->sha256, SCRIPT + (int)i, sizeof(script->sha256));
    }
    return grub_predict(&boot, &measured);
}

static void must_predict(const char *embedded, const char *first, const char *second)
{
    if (!predict(embedded, first, second))
        fail_msg("refused: %s", measured.fault);
}

/* PCR 8 from the strings, PCR 9 from the bytes that fill the digests; both end with 0. */
static void expect_commands(const char *const *strings)
{
    uint8_t pcr[PCR_SIZE];

    pcr_reset(pcr, PCR_STATIC);
    for (; *strings != NULL; strings++)
        pcr_measure(pcr, *strings, strlen(*strings));
    assert_memory_equal(measured.pcr8, pcr, sizeof(pcr));
}

static void expect_files(const uint8_t *fills, const char *const *names)
{
    uint8_t pcr[PCR_SIZE], digest[PCR_SIZE];
    unsigned count = 0;

    pcr_reset(pcr, PCR_STATIC);
    for (; fills[count] != 0; count++) {
        memset(digest, fills[count], sizeof(digest));
        pcr_extend(pcr, digest);
        assert_string_equal(measured.file[count].name, names[count]);
        assert_memory_equal(measured.file[count].sha256, digest, sizeof(digest));
    }
    assert_int_equal(measured.files, count);
    assert_memory_equal(measured.pcr9, pcr, sizeof(pcr));
}

/* As seen at the TPM (machine/test_predict compares with GRUB itself). */
static void commands_and_files_are_measured_in_order(void **state)
{
    static const char *const commands[] = {"search --no-floppy --set=root --file /g",
                                           "configfile /g",
                                           "set timeout=0",
                                           "multiboot2 /core quiet",
                                           "quiet",
                                           "module2 /m name=m",
                                           "name=m",
                                           "boot",
                                           NULL};
    static const uint8_t fills[] = {SCRIPT, SCRIPT, CORE_FILE, MODULE, 0};
    static const char *const names[] = {"grub.cfg", "grub.cfg", "core", "m"};

    (void)state;
    must_predict(FIND, "set timeout=0\nmultiboot2 /core quiet\nmodule2 /m name=m\nboot\n", NULL);
    expect_commands(commands);
    expect_files(fills, names);
}

static void scripts_lead_to_scripts(void **state)
{
    static const uint8_t fills[] = {SCRIPT, SCRIPT + 1, CORE_FILE, MODULE, 0};
    static const char *const names[] = {"grub.cfg", "grub.cfg-2", "core", "m"};

    (void)state;
    must_predict("configfile /a", "configfile /b", LOAD "boot");
    expect_files(fills, names);
}

static void quotes_and_comments_are_understood(void **state)
{
    static const char *const commands[] = {"configfile /a b",
                                           "echo a  $b \\ c#d '\" e ",
                                           "multiboot2 /core a b it's",
                                           "\"a b\" it\\'s",
                                           "module2 /m name=m",
                                           "name=m",
                                           "boot",
                                           NULL};

    (void)state;
    must_predict("configfile '/a b' # $x\n",
                 "\t# `anything`\n\n echo  'a  $b \\'\tc#d \"'\"'\"' e \"\" #'\n"
                 "multiboot2 \"/core\" 'a b' \"it's\"\nmodule2 /m na'me'=m\nboot",
                 NULL);
    expect_commands(commands);
}

static const struct {
    const char *embedded, *script, *fault; /* NULL: as above */
} refusals[] = {
    {NULL, LOAD "if true; then\n", "1.cfg:3: it has a character"},
    {NULL, LOAD "menuentry Bulkhead {\n", "1.cfg:3: it has a character"},
    {NULL, LOAD "insmod all_video\nboot", "1.cfg:3: what GRUB does at `insmod` can't be predicted"},
    {NULL, LOAD "echo $root\nboot", "1.cfg:3: it has a character"},
    {NULL, LOAD "echo \"$root\"\nboot", "1.cfg:3: between double quotes it has a $"},
    {NULL, LOAD "echo \"a\\b\"\nboot", "1.cfg:3: between double quotes it has a $, ` or \\"},
    {NULL, LOAD "echo 'a\nb'\nboot", "1.cfg:3: a quote isn't closed"},
    {NULL, LOAD "echo \"a\nboot", "1.cfg:3: a quote isn't closed"},
    {NULL, LOAD "echo a\\\nboot", "1.cfg:3: it has a character"},
    {NULL, LOAD "echo a; boot", "1.cfg:3: it has a character"},
    {NULL, LOAD "echo *\nboot", "1.cfg:3: it has a character"},
    {NULL, LOAD "boot\r\n", "1.cfg:3: it has a character that isn't printable ASCII"},
    {NULL, LOAD "echo \xc3\xa4\nboot", "1.cfg:3: it has a character that isn't printable ASCII"},
    {NULL, LOAD "timeout=0\nboot", "1.cfg:3: what GRUB does at `timeout=0` can't be predicted"},
    {NULL, LOAD "'' x\nboot", "1.cfg:3: what GRUB does at `` can't be predicted"},
    {NULL, LOAD "set superusers=me\nboot", "1.cfg:3: this may change what GRUB does. Of variables"},
    {NULL, LOAD "set timeout=0 default=0\nboot", "1.cfg:3: this may change what GRUB does"},
    {NULL, LOAD "set\nboot", "1.cfg:3: this may change what GRUB does"},
    {NULL, LOAD, "1.cfg:3: nothing is booted. End it with `boot`"},
    {NULL, LOAD "boot\necho\n", "1.cfg:4: GRUB doesn't come to what is behind boot"},
    {NULL, LOAD "boot now\n", "1.cfg:3: boot takes nothing"},
    {NULL, "boot\n", "1.cfg:1: nothing is loaded to boot"},
    {NULL, "module2 /m name=m\n", "1.cfg:1: no kernel is loaded that takes modules"},
    {NULL, "multiboot2 /core\nboot\n", "1.cfg:3: GRUB never loads the module m. Add a module2"},
    {NULL, LOAD "multiboot2 /core\nboot", "1.cfg:3: core is loaded already"},
    {NULL, LOAD "module2 /m name=m\nboot", "1.cfg:3: two modules are called m"},
    {NULL, LOAD "module2 /m name=n\nboot", "1.cfg:3: no file is given for the module n. Add --fil"},
    {NULL, LOAD "module2 /m m\nboot", "1.cfg:3: core finds modules by their names. Write `module2"},
    {NULL, LOAD "module2 --nounzip /m name=m\nboot", "1.cfg:3: core finds modules by their names"},
    {NULL, LOAD "module2 /n name=n x\nboot", "1.cfg:3: core finds modules by their names"},
    {NULL, "multiboot2 --quirk-bad-kludge /core\n", "1.cfg:1: multiboot2 takes a path first"},
    {NULL, "multiboot2\n", "1.cfg:1: multiboot2 takes a path first"},
    {NULL, "multiboot2 /core 'a\\b'\n", "1.cfg:1: GRUB hands on a \\ in its own way"},
    {NULL, "configfile /g\n", "1.cfg:1: GRUB has been through this script already"},
    {NULL, "configfile /h\n", "1.cfg:1: /h is script 2, but fewer were given. Give all scripts"},
    {NULL, "configfile /g /h\n", "1.cfg:1: configfile takes one path"},
    {NULL, "search --file /g --hint hd0\n", "1.cfg:1: search can't be predicted with --hint"},
    {NULL, "search --fs-uuid 1234\n", "1.cfg:1: search can't be predicted with --fs-uuid"},
    {NULL, "search /g\n", "1.cfg:1: search can be predicted for a file only"},
    {NULL, "search --file\n", "1.cfg:1: search can be predicted for a file only"},
    {"configfile /g\necho\n", NULL, "find.cfg:2: GRUB doesn't come to what is behind"},
    {"search --file /g\n" LOAD "boot\n", NULL, "find.cfg:5: GRUB never gets to the script 1.cfg"},
    {"", NULL, "find.cfg:1: nothing is booted"},
};

static void what_cannot_be_predicted_is_refused(void **state)
{
    unsigned wrong = 0;

    (void)state;
    must_predict(FIND, LOAD "boot\n", NULL);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const char *script = refusals[i].script != NULL ? refusals[i].script : LOAD "boot\n";
        bool is_good =
            predict(refusals[i].embedded != NULL ? refusals[i].embedded : FIND, script, NULL);

        if (!is_good && strncmp(measured.fault, refusals[i].fault, strlen(refusals[i].fault)) == 0)
            continue;
        print_error("%s\n  expected: %s\n  got:      %s\n", script, refusals[i].fault,
                    is_good ? "a prediction" : measured.fault);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* `word` as often as it takes, on one line. */
static bool predict_long(const char *word, unsigned count)
{
    size_t size = strlen("echo") + count * (strlen(word) + 1) + sizeof(LOAD "\nboot\n");
    char *script = malloc(size);
    bool is_good;

    strcpy(script, LOAD "echo");
    for (unsigned i = 0; i < count; i++) {
        strcat(script, " ");
        strcat(script, word);
    }
    strcat(script, "\nboot\n");
    is_good = predict(FIND, script, NULL);
    free(script);
    return is_good;
}

static void long_lines_are_refused(void **state)
{
    (void)state;
    assert_true(predict_long("x", WORDS_MAX - 1));
    assert_false(predict_long("x", WORDS_MAX));
    assert_true(predict_long("'xxxxxxxxxxxxxxxxxxxxxxx'", 39));
    assert_false(predict_long("'xxxxxxxxxxxxxxxxxxxxxxx'", 40));
    assert_false(predict_long("x", 100000));
}

/* Any text at all: an end, and no byte beside it (the address sanitizer watches). */
static void any_text_is_survived(void **state)
{
    static const char pieces[][16] = {
        "multiboot2 ", "module2 ", "name=m", "/core", "/g", "search ", "--file ", "boot",
        "\n",          " ",        "'",      "\"",    "\\", "#",       "$",       "configfile "};
    uint32_t random = 4248;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char text[256] = "";
        char *exact;

        for (unsigned j = 0; j < 12; j++) {
            random = random * 1664525u + 1013904223u;
            strcat(text, pieces[random >> 28]);
        }
        exact = strdup(text);
        predict(i % 2 != 0 ? exact : FIND, i % 2 != 0 ? LOAD "boot" : exact, NULL);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_files_are_measured_in_order),
        cmocka_unit_test(scripts_lead_to_scripts),
        cmocka_unit_test(quotes_and_comments_are_understood),
        cmocka_unit_test(what_cannot_be_predicted_is_refused),
        cmocka_unit_test(long_lines_are_refused),
        cmocka_unit_test(any_text_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
