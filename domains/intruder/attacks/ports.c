/* I/O ports of class platform. A denied port reads all ones and swallows writes. */
#include "domains/intruder/attacks/attack.h"
#include "domains/intruder/attacks/targets.h"
#include "domains/lib/cpu.h"
#include "hw/x86.h"

/* Motorola MC146818A: register B, and its bit that halts updates. */
#define CMOS_MODE    0x0b
#define CMOS_SET     0x80
#define CMOS_CENTURY 0x32

#define FW_CFG_READ   2u
#define FW_CFG_SELECT 8u

static void expect_ones(struct report *report, uint16_t port, uint8_t value)
{
    if (value != 0xff)
        report_breach(report, "port %x reads %x", port, value);
}

/* Writes the value, then looks whether the port answers now. */
static void try_port(struct report *report, uint16_t port, uint8_t value)
{
    expect_ones(report, port, in8(port));
    out8(port, value);
    expect_ones(report, port, in8(port));
}

/* fw_cfg shows QEMU's configuration, byte by byte. */
static void fw_cfg_read(struct report *report)
{
    out16(PORT_FW_CFG_SELECT, 0);
    for (int i = 0; i < 4; i++)
        expect_ones(report, PORT_FW_CFG_DATA, in8(PORT_FW_CFG_DATA));
    report_detail(report, "its data port reads all ones");
}

/*
 * fw_cfg's DMA writes where the guest says and asks neither nested paging nor IOMMU. The
 * device answers by clearing the request's control word.
 */
static void fw_cfg_dma(struct report *report)
{
    uint64_t gpa = own_page();
    uint8_t *mapped = map_physical(report, gpa, PAGE_SIZE);
    volatile uint32_t *request = (volatile uint32_t *)(void *)mapped;

    if (!mapped)
        return;
    request[0] = __builtin_bswap32(FW_CFG_READ | FW_CFG_SELECT);
    request[1] = __builtin_bswap32(4); /* bytes */
    request[2] = 0;
    request[3] = __builtin_bswap32(CORE_BASE);
    out32(PORT_FW_CFG_DMA, __builtin_bswap32((uint32_t)(gpa >> 32)));
    out32(PORT_FW_CFG_DMA + 4, __builtin_bswap32((uint32_t)gpa));
    if (request[0] != __builtin_bswap32(FW_CFG_READ | FW_CFG_SELECT))
        report_breach(report, "the device took a request aimed at core");
    unmap_physical(mapped, PAGE_SIZE);
    report_detail(report, "the request aimed at core was not taken");
}

/* SMI_EN, TCO and sleep: SMI floods, a watchdog reset, power off with keys in memory. */
static void pmbase(struct report *report)
{
    for (uint16_t port = 0x600; port < 0x680; port++)
        expect_ones(report, port, in8(port));
    out32(PORT_SMI_EN, 0xffffffff);
    out16(PORT_TCO_CONTROL, 0);
    out16(PORT_PM1_CONTROL, 0x3c00);
    if (in32(PORT_SMI_EN) != 0xffffffff || in16(PORT_PM1_CONTROL) != 0xffff)
        report_breach(report, "PMBASE answers after a write");
    report_detail(report, "128 ports read all ones; sleep, SMI_EN and TCO writes did nothing");
}

static void apm(struct report *report)
{
    try_port(report, PORT_APM, 0x01);
    try_port(report, PORT_APM + 1, 0x01);
    report_detail(report, "no SMI by B2h");
}

/* Bit 0 resets the CPU; bit 1 clear folds the address space of the whole machine at 1 MiB. */
static void port_92(struct report *report)
{
    try_port(report, PORT_92, 0x00);
    try_port(report, PORT_92, 0x03);
    report_detail(report, "no reset, A20 stays");
}

static void keyboard_controller(struct report *report)
{
    try_port(report, PORT_KBC, 0xd1);
    try_port(report, PORT_KBC_DATA, 0xdd); /* output port without A20 */
    try_port(report, PORT_KBC, 0xfe);      /* pulse the reset line */
    report_detail(report, "no reset, A20 stays");
}

static void reset_register(struct report *report)
{
    try_port(report, PORT_RESET, 0x02);
    try_port(report, PORT_RESET, 0x06);
    try_port(report, PORT_RESET, 0x0e);
    report_detail(report, "no reset by CF9h");
}

static uint8_t read_cmos(uint8_t index)
{
    out8(PORT_CMOS, index);
    return in8(PORT_CMOS + 1);
}

/*
 * Firmware's settings behind the clock's registers; the index port also masks NMIs of the
 * whole machine. A policy may let the domain read date and time, and no more.
 */
static void cmos(struct report *report)
{
    uint8_t mode;

    for (uint8_t index = 0x0e; index < 0x80; index++) {
        uint8_t value = read_cmos(index | 0x80); /* NMI masked */

        if (value != 0 && value != 0xff && index != CMOS_CENTURY)
            report_breach(report, "register %x reads %x", index, value);
    }
    mode = read_cmos(CMOS_MODE);
    out8(PORT_CMOS + 1, (uint8_t)(mode ^ CMOS_SET)); /* would stop the clock */
    if (read_cmos(CMOS_MODE) != mode)
        report_breach(report, "the clock's mode was %x, became %x", mode, read_cmos(CMOS_MODE));
    expect_ones(report, PORT_CMOS, in8(PORT_CMOS));
    for (uint16_t port = PORT_CMOS + 2; port < PORT_CMOS + 8; port++)
        try_port(report, port, 0x80);
    report_detail(report, "firmware's settings read 0 or all ones, writes are dropped");
}

/* The ISA DMA controller reaches the first 16 MiB of the machine. */
static void isa_dma(struct report *report)
{
    for (uint16_t port = 0; port < 0x10; port++)
        try_port(report, port, 0);
    for (uint16_t port = 0x81; port < 0x90; port++)
        try_port(report, port, 0x10);
    for (uint16_t port = 0xc0; port < 0xe0; port++)
        try_port(report, port, 0);
    report_detail(report, "both controllers and the page registers read all ones");
}

/* Lines forged on core's console would deceive whoever reads it. */
static void core_console(struct report *report)
{
    for (uint16_t port = PORT_COM1; port < PORT_COM1 + 8; port++)
        try_port(report, port, 'X');
    report_detail(report, "COM1 reads all ones");
}

/* Accesses that begin at an allowed port and end at a denied one. */
static void straddling(struct report *report)
{
    struct {
        uint16_t port;
        uint32_t value, expected;
    } reads[] = {{0x2ff, in16(0x2ff), 0xffff},     {0x2fe, in32(0x2fe), 0xffffffff},
                 {0x21, in16(0x21), 0xffff},       {0x43, in16(0x43), 0xffff},

                 {0x2f5, in32(0x2f5), 0xffffffff}, {0xcff, in16(0xcff), 0xffff}};
    size_t count = sizeof(reads) / sizeof(reads[0]);

    for (size_t i = 0; i < count; i++)
        if (reads[i].value != reads[i].expected)
            report_breach(report, "port %x, straddling, reads %x", reads[i].port, reads[i].value);
    report_detail(report, "%zu accesses across the last allowed port read all ones", count);
}

static const struct attack attacks[] = {
    {"fw-cfg-read", fw_cfg_read, "read QEMU's configuration by port 511h"},
    {"fw-cfg-dma", fw_cfg_dma, "have fw_cfg's DMA write into core"},
    {"pmbase", pmbase, "SMI_EN, TCO watchdog, sleep by ports 600h-67Fh"},
    {"apm", apm, "raise SMIs by port B2h"},
    {"port-92", port_92, "reset and A20 by port 92h"},
    {"keyboard-controller", keyboard_controller, "reset and A20 by ports 60h and 64h"},
    {"reset-register", reset_register, "reset the machine by port CF9h"},
    {"cmos", cmos, "firmware settings, NMI mask by ports 70h-77h"},
    {"isa-dma", isa_dma, "program the ISA DMA controllers"},
    {"core-console", core_console, "forge lines on core's console, COM1"},
    {"straddling", straddling, "2- and 4-byte accesses across the last allowed port"},
};
const struct subject port_attacks = {attacks, sizeof(attacks) / sizeof(attacks[0])};
