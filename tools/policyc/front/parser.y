/*
 * The grammar of policies and machine descriptions. Actions only hand on what was read;
 * build.c keeps it. docs/policy-language.md explains the language.
 */
%code requires {
#include "internal.h"
#define PARSER_LTYPE struct place
}

%{
#include "words.h"
#include <string.h>

/* A rule's place: from its first symbol to its last, as far as they share a line. */
#define YYLLOC_DEFAULT(current, rhs, n)                                            \
    do {                                                                           \
        if ((n) != 0) {                                                            \
            (current) = YYRHSLOC(rhs, 1);                                          \
            if (YYRHSLOC(rhs, n).line == (current).line)                           \
                (current).length = YYRHSLOC(rhs, n).column +                       \
                                   YYRHSLOC(rhs, n).length - (current).column;     \
        } else {                                                                   \
            (current) = YYRHSLOC(rhs, 0);                                          \
        }                                                                          \
    } while (0)

#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"

#define NUMBER(n, place) ((struct number){.value = (n), .at = (place)})
#define TEXT(t, place) ((struct text){.value = (t), .at = (place)})
#define NO_TEXT ((struct text){.value = NULL})
#define FRONT (build->front)
#define POLICY (&build->front->policy)
#define MACHINE (&build->front->machine)

/*
 * After an error: go on at the next word that begins a statement, unless the same word has
 * led here twice. At the end of the file bison gives up by itself.
 */
#define RECOVER()                                                                          \
    do {                                                                                   \
        if (yychar != 0) {                                                                 \
            if (!word_begins(yychar, build->wanted) || build->recovered == build->tokens)  \
                yyclearin;                                                                 \
            yyerrok;                                                                       \
        }                                                                                  \
        build->recovered = build->tokens;                                                  \
    } while (0)
%}

%code {
int lexer_lex(PARSER_STYPE *value, struct place *at, void *scanner);
int lexer_lex_init_extra(struct build *build, void **scanner);
int lexer_lex_destroy(void *scanner);
struct yy_buffer_state *lexer__scan_bytes(const char *bytes, int length, void *scanner);

static int next_token(PARSER_STYPE *value, struct place *at, struct build *build)
{
    build->tokens++;
    build->token = lexer_lex(value, at, build->scanner);
    if (build->token == 0 && build->last.line != 0)
        *at = build->last; /* the text ends too early behind this one */
    else
        build->last = *at;
    return build->token;
}
#define parser_lex next_token

static void parser_error(const struct place *at, struct build *build, const char *message);
}

%define api.pure full
%define api.prefix {parser_}
%define api.token.prefix {TOKEN_}
%define parse.error custom
%define parse.lac full
%locations
%param {struct build *build}
%expect 0

%union {
    uint64_t number;
    const char *text;
    struct extent extent;
    struct text name;
    struct { uint32_t bits; struct place dma; } rights;
}

%token <number> NUMBER "a number" BDF "a PCI address like 00:03.0" PCI_ID "PCI ids like 1af4:1041"
%token <text> NAME "a name" STRING "a string"
%token POLICY "policy" VERSION "version" MACHINE "machine" DOMAIN "domain"
%token ATTEST "attest" REQUIRED "required" OPTIONAL "optional"
%token PRIMARY "primary" MICROVM "microvm" TRUSTED "trusted" UNTRUSTED "untrusted"
%token CORES "cores" INTERRUPTS "interrupts" DIRECT "direct" VIRTUAL "virtual"
%token PAGING "paging" NESTED "nested" SHADOW "shadow" ANY "any"
%token MEMORY "memory" REST "rest" BOOT "boot" LINUX "linux" FLAT "flat" KERNEL "kernel"
%token SLICE "slice" MS "ms" PVH "pvh" MULTIBOOT "multiboot" MODULE "module" KEYBOARD "keyboard"
%token INITRD "initrd" CMDLINE "cmdline" AT "at" DEVICES "devices" MAY "may" LOG "log" CLOCK "clock"
%token CALLS "calls" USER "user" REQUIRES "requires" RDRAND "rdrand" INTERCEPT "intercept"
%token NO "no" <text> MSR "msr" ALLOW "allow" ON "on" STOP "stop" HALT "halt"
%token CHANNEL "channel" SIZE "size" READ "read" WRITE "write" RING "ring" DMA "dma"
%token NEVER "never" REACH "reach" KIB "KiB" MIB "MiB" GIB "GiB"
%token RAM "ram" CLOSED "closed" ROM "rom" PLACE "place" CORE "core"
%token DEVICE_TABLE "device-table" POOL "pool" IOAPIC "ioapic" ENDPOINT "endpoint"
%token LEGACY_SAFE "legacy-safe" PLATFORM "platform" PCI "pci" ID "id" BAR "bar"
%token WIDE "64-bit" PREFETCHABLE "prefetchable" MSI "msi" MSIX "msix" VISIBLE "visible"
%token TABLE "table" COUNT "count" HIDE "hide" PORTS "ports" PIN "pin"

%type <number> size unit kind label interrupts bar_flags verb attest kernel_boot
%type <rights> rights right
%type <extent> extent
%type <name> party object_part intercept_name

%%

file:
    "policy" STRING { build_text(build, &POLICY->name, TEXT($2, @2), "policy"); }
        '{' policy_items '}'
  | "machine" STRING { build_text(build, &MACHINE->name, TEXT($2, @2), "machine"); }
        '{' machine_items '}'
  ;

/* ---- policy ---- */

policy_items: %empty | policy_items policy_item ;

policy_item:
    "version" NUMBER { build_number(build, &POLICY->version, NUMBER($2, @2), "version"); }
  | "machine" STRING { build_text(build, &POLICY->machine, TEXT($2, @2), "machine"); }
  | "attest" attest { build_number(build, &POLICY->attest, NUMBER($2, @2), "attest"); }
  | "domain" NAME { build_domain(build, TEXT($2, @2)); } '{' domain_items '}'
  | "channel" NAME { build_channel(build, TEXT($2, @2)); } '{' channel_items '}'
  | "never" party verb party object_part
        { build_never(build, @$, $3, $2, $4, $5); }
  | error { RECOVER(); }
  | error '{' error '}'
  ;

attest:
    "required" { $$ = BH_ATTEST_REQUIRED; }
  | "optional" { $$ = BH_ATTEST_OPTIONAL; }
  ;

verb:
    "reach" { $$ = VERB_REACH; }
  | "write" { $$ = VERB_WRITE; }
  ;

party:
    NAME { $$ = TEXT($1, @1); }
  | "trusted" { $$ = TEXT("trusted", @1); }
  | "untrusted" { $$ = TEXT("untrusted", @1); }
  ;

object_part:
    %empty { $$ = NO_TEXT; }
  | '.' "memory" { $$ = TEXT("memory", @2); }
  | '.' "devices" { $$ = TEXT("devices", @2); }
  ;

domain_items: %empty | domain_items domain_item ;

domain_item:
    kind label { build_kind(build, NUMBER($1, @1), NUMBER($2, @2)); }
  | "cores" cores
  | "slice" NUMBER "ms" { build_number(build, &build->domain->slice, NUMBER($2, @2), "slice"); }
  | "interrupts" interrupts
        { build_number(build, &build->domain->interrupts, NUMBER($2, @2), "interrupts"); }
  | "memory" "rest" { build_number(build, &build->domain->memory, NUMBER(0, @2), "memory"); }
  | "memory" size { build_memory(build, NUMBER($2, @2)); }
  | "paging" "nested" { build_paging(build, NUMBER(BH_PAGING_NESTED, @2), NUMBER(0, @2)); }
  | "paging" "shadow" size { build_paging(build, NUMBER(BH_PAGING_SHADOW, @2), NUMBER($3, @3)); }
  | "paging" "any" size { build_paging(build, NUMBER(BH_PAGING_ANY, @2), NUMBER($3, @3)); }
  | "boot" kernel_boot { build_number(build, &build->domain->boot, NUMBER($2, @2), "boot"); }
        '{' kernel_items '}'
  | "boot" "flat" STRING "at" NUMBER { build_flat(build, TEXT($3, @3), NUMBER($5, @5), @2); }
  | "devices" devices
  | "may" "log" { build_right(build, BH_RIGHT_LOG, @2); }
  | "may" "clock" { build_right(build, BH_RIGHT_CLOCK, @2); }
  | "may" "attest" { build_right(build, BH_RIGHT_ATTEST, @2); }
  | "may" "keyboard" { build_right(build, BH_RIGHT_KEYBOARD, @2); }
  | "calls" "user" { build_right(build, BH_RIGHT_USERCALL, @2); }
  | "requires" "rdrand" { build->domain->requires_rdrand = @2; }
  | "intercept" intercepts
  | "no" "intercept" no_intercepts
  | "msr" "allow" msrs
  | "on" "stop" "halt"
        { build_number(build, &build->domain->on_stop, NUMBER(BH_ON_STOP_HALT, @3), "on stop"); }
  | error { RECOVER(); }
  | error '{' error '}'
  ;

kind:
    "primary" { $$ = BH_PRIMARY; }
  | "microvm" { $$ = BH_MICROVM; }
  ;

label:
    "trusted" { $$ = BH_TRUSTED; }
  | "untrusted" { $$ = BH_UNTRUSTED; }
  ;

interrupts:
    "direct" { $$ = BH_DIRECT; }
  | "virtual" { $$ = BH_VIRTUAL; }
  ;

cores:
    NUMBER { build_core(build, NUMBER($1, @1)); }
  | cores ',' NUMBER { build_core(build, NUMBER($3, @3)); }
  ;

kernel_boot:
    "linux" { $$ = BH_BOOT_LINUX; }
  | "pvh" { $$ = BH_BOOT_PVH; }
  | "multiboot" { $$ = BH_BOOT_MULTIBOOT; }
  ;

kernel_items: %empty | kernel_items kernel_item ;

kernel_item:
    "kernel" STRING { build_text(build, &build->domain->kernel, TEXT($2, @2), "kernel"); }
  | "initrd" STRING { build_text(build, &build->domain->initrd, TEXT($2, @2), "initrd"); }
  | "cmdline" STRING { build_text(build, &build->domain->cmdline, TEXT($2, @2), "cmdline"); }
  | "module" STRING { build_module(build, TEXT($2, @2), TEXT("", @2)); }
  | "module" STRING STRING { build_module(build, TEXT($2, @2), TEXT($3, @3)); }
  | error { RECOVER(); }
  ;

devices:
    NAME { texts_add(FRONT, &build->domain->devices, TEXT($1, @1)); }
  | devices ',' NAME { texts_add(FRONT, &build->domain->devices, TEXT($3, @3)); }
  ;

/* msr is the one word that is an intercept's name, too */
intercept_name:
    NAME { $$ = TEXT($1, @1); }
  | "msr" { $$ = TEXT("msr", @1); }
  ;

intercepts:
    intercept_name { texts_add(FRONT, &build->domain->intercept, $1); }
  | intercepts ',' intercept_name { texts_add(FRONT, &build->domain->intercept, $3); }
  ;

no_intercepts:
    intercept_name { texts_add(FRONT, &build->domain->no_intercept, $1); }
  | no_intercepts ',' intercept_name { texts_add(FRONT, &build->domain->no_intercept, $3); }
  ;

msrs:
    NAME { texts_add(FRONT, &build->domain->msrs, TEXT($1, @1)); }
  | msrs ',' NAME { texts_add(FRONT, &build->domain->msrs, TEXT($3, @3)); }
  ;

channel_items: %empty | channel_items channel_item ;

channel_item:
    "size" size { build_number(build, &build->channel->size, NUMBER($2, @2), "size"); }
  | NAME rights { build_end(build, TEXT($1, @1), NUMBER(0, (struct place){0}), NUMBER($2.bits, @2), $2.dma); }
  | NAME "at" NUMBER rights
        { build_end(build, TEXT($1, @1), NUMBER($3, @3), NUMBER($4.bits, @4), $4.dma); }
  | error { RECOVER(); }
  ;

rights:
    right
  | rights right
        {
            $$.bits = $1.bits | $2.bits;
            $$.dma = $2.dma.line != 0 ? $2.dma : $1.dma;
        }
  ;

right:
    "read" { $$.bits = BH_CHANNEL_READ; $$.dma.line = 0; }
  | "write" { $$.bits = BH_CHANNEL_WRITE; $$.dma.line = 0; }
  | "ring" { $$.bits = BH_CHANNEL_RING; $$.dma.line = 0; }
  | "dma" { $$.bits = 0; $$.dma = @1; }
  ;

/* ---- machine description ---- */

machine_items: %empty | machine_items machine_item ;

machine_item:
    "cores" NUMBER { build_number(build, &MACHINE->cores, NUMBER($2, @2), "cores"); }
  | "ram" extent { build_extent(build, MACHINE->ram, &MACHINE->ram_count, $2, "ram"); }
  | "closed" extent
        { build_extent(build, MACHINE->closed, &MACHINE->closed_count, $2, "closed"); }
  | "rom" extent { build_extent(build, MACHINE->rom, &MACHINE->rom_count, $2, "rom"); }
  | "place" "core" extent { build_place(build, &MACHINE->core, $3, "place core"); }
  | "place" "device-table" extent
        { build_place(build, &MACHINE->device_table, $3, "place device-table"); }
  | "place" "pool" extent { build_place(build, &MACHINE->pool, $3, "place pool"); }
  | "ioapic" "id" BDF { build_number(build, &MACHINE->ioapic, NUMBER($3, @3), "ioapic"); }
  | "endpoint" NAME { build_resource(build, CLASS_ENDPOINT, TEXT($2, @2)); } resource
  | "legacy-safe" NAME { build_resource(build, CLASS_LEGACY_SAFE, TEXT($2, @2)); } resource
  | "platform" NAME { build_resource(build, CLASS_PLATFORM, TEXT($2, @2)); } resource
  | error { RECOVER(); }
  | error '{' error '}'
  ;

resource: '{' resource_items '}' ;

resource_items: %empty | resource_items resource_item ;

resource_item:
    "pci" BDF "id" PCI_ID { build_pci(build, NUMBER($2, @2), $4); }
  | "bar" NUMBER bar_flags "at" extent { build_bar(build, NUMBER($2, @2), $5, $3); }
  | "msi" NUMBER { build_msi(build, NUMBER($2, @2), false); }
  | "msi" NUMBER "64-bit" { build_msi(build, NUMBER($2, @2), true); }
  | "msix" NUMBER { build_msix(build, NUMBER($2, @2)); }
  | "msix" NUMBER "table" "bar" NUMBER "at" NUMBER "count" NUMBER
        { build_msix(build, NUMBER($2, @2)); build_msix_table(build, @3, $5, $7, $9); }
  | "visible" { build->resource->visible = @1; }
  | "hide" extent
        {
            build_extent(build, build->resource->hidden, &build->resource->hidden_count, $2,
                         "hide");
        }
  | "ports" port_ranges
  | "memory" extent
        {
            build_extent(build, build->resource->memory, &build->resource->memory_count, $2,
                         "memory");
        }
  | "pin" NUMBER { build_pin(build, NUMBER($2, @2)); }
  | error { RECOVER(); }
  ;

bar_flags:
    %empty { $$ = 0; }
  | bar_flags "64-bit" { $$ = $1 | BH_BAR_64; }
  | bar_flags "prefetchable" { $$ = $1 | BH_BAR_PREFETCH; }
  ;

port_ranges: port_range | port_ranges ',' port_range ;

port_range:
    NUMBER { build_ports(build, NUMBER($1, @1), NUMBER($1, @1)); }
  | NUMBER '-' NUMBER { build_ports(build, NUMBER($1, @1), NUMBER($3, @3)); }
  ;

/* ---- common ---- */

extent:
    NUMBER "size" size { $$ = (struct extent){.base = $1, .size = $3, .at = @$}; }
  ;

size:
    NUMBER
  | NUMBER unit { $$ = build_scale(build, NUMBER($1, @$), $2); }
  ;

unit:
    "KiB" { $$ = 10; }
  | "MiB" { $$ = 20; }
  | "GiB" { $$ = 30; }
  ;

%%

#define SHOWN 6

static int yyreport_syntax_error(const yypcontext_t *context, struct build *build)
{
    yysymbol_kind_t expected[SHOWN + 1];
    int count = yypcontext_expected_tokens(context, expected, SHOWN + 1);
    yysymbol_kind_t symbol = yypcontext_token(context);
    const struct place *at = yypcontext_location(context);
    const char *list = "";
    unsigned since = build->tokens - build->error_token;
    bool follows_error = since == 0 || (since == 1 && !build->error_begins);

    build->front->is_incomplete = true;
    build->error_token = build->tokens;
    build->error_begins = word_begins(build->token, build->wanted);
    if (follows_error)
        return 0;
    for (int i = 0; i < count && count <= SHOWN; i++) {
        const char *name = yysymbol_name(expected[i]);
        bool is_word = strchr(name, ' ') == NULL && name[0] != '\'';

        list = front_format(build->front, is_word ? "%s%s`%s`" : "%s%s%s", list,
                            i == 0 ? "" : i + 1 == count ? " or " : ", ", name);
    }
    if (count <= 0 || count > SHOWN)
        list = "a statement";
    report(build->front, CHECK_syntax, *at, list,
           symbol == YYSYMBOL_YYEOF ? "the end of the file" : build_quote(build, *at), NULL);
    return 0;
}

/* Bison's own complaint, when its stack can't grow: all lists are left-recursive, so it is out
 * of memory, not too deep in the text. */
static void parser_error(const struct place *at, struct build *build, const char *message)
{
    (void)at;
    (void)build;
    (void)message;
    out_of_memory();
}

void parse_source(struct front *front, unsigned index, enum wanted wanted)
{
    const struct source *source = &front->source[index];
    struct build build = {.front = front, .source = index, .wanted = wanted,
                          .line = 1, .column = 1, .error_token = UINT32_MAX - 1};

    build.domain = &build.spare_domain;
    build.channel = &build.spare_channel;
    build.resource = &build.spare_resource;
    lexer_lex_init_extra(&build, &build.scanner);
    lexer__scan_bytes(source->text, (int)source->size, build.scanner);
    parser_parse(&build);
    lexer_lex_destroy(build.scanner);
}
