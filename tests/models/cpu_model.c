#include "models/cpu_model.h"

#include <string.h>

#include "core/platform/smp.h"
#include "testing.h"

#define XCR0_X87 1u
#define XCR0_SSE 2u
#define XCR0_AVX 4u

struct cpu_model cpu_model;
struct cpu_area cpu_areas[CPU_MAX];
void (*model_on_kick)(uint32_t index);

void cpu_model_reset(void)
{
    memset(&cpu_model, 0, sizeof(cpu_model));
    model_on_kick = NULL;
    cpu_model.features = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    cpu_model.xcr0 = XCR0_X87;
    for (unsigned i = 0; i < CPU_MAX; i++)
        cpu_areas[i].cpu.apic_id = i;
}

static void note(struct model_log *log, uint32_t reg, uint64_t value)
{
    assert_in_range(log->count, 0, MODEL_WRITES - 1);
    log->write[log->count].reg = reg;
    log->write[log->count++].value = value;
}

uint64_t cpu_model_msr(uint32_t number)
{
    return 0xfedcba9876543210u ^ (uint64_t)number * 0x100000001u;
}

/* Ports: the real-time clock's, and for reading the keyboard controller's. */
void out8(uint16_t port, uint8_t value)
{
    assert_int_equal(port, 0x70);
    cpu_model.cmos_index = value;
}

uint8_t in8(uint16_t port)
{
    if (port == 0x60 || port == 0x64)
        return cpu_model.keyboard[port == 0x64];
    assert_int_equal(port, 0x71);
    assert_in_range(cpu_model.cmos_index, 0, sizeof(cpu_model.cmos) - 1);
    return cpu_model.cmos[cpu_model.cmos_index];
}

uint64_t read_msr(uint32_t msr)
{
    cpu_model.msr_reads++;
    if (msr == MSR_TSC_AUX && cpu_model.has_aux)
        return cpu_model.aux;
    return cpu_model_msr(msr);
}

void write_msr(uint32_t msr, uint64_t value)
{
    note(&cpu_model.msr_log, msr, value);
    if (msr == MSR_TSC_AUX) {
        cpu_model.aux = value;
        cpu_model.has_aux = true;
    }
}

struct cpuid cpu_model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    uint32_t n = leaf * 0x01000193 + subleaf;

    return (struct cpuid){n ^ 0x12345678, n ^ 0x9abcdef0, n ^ 0x0fedcba9, n ^ 0x87654321};
}

/* Leaf Dh says what XCR0 may hold and how much room what it holds takes. */
struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid answer = cpu_model_cpuid(leaf, subleaf);

    for (unsigned i = 0; i < 4; i++)
        if (leaf != 0 && cpu_model.cpuid[i].leaf == leaf)
            return cpu_model.cpuid[i].answer;
    if (leaf == 0xd && subleaf == 2) /* AVX state: size, offset */
        return (struct cpuid){256, 576, 0, 0};
    if (leaf == 0xd) {
        answer.eax = (uint32_t)cpu_model.features;
        answer.ebx = cpu_model.xcr0 & XCR0_AVX ? 832 : 576;
        answer.ecx = cpu_model.features & ~7ull ? 2696 : 832;
    }
    if (leaf == CPUID_EXTENDED)
        answer.edx = (answer.edx & ~(uint32_t)CPUID_EXTENDED_EDX_RDTSCP) |
                     (cpu_model.has_rdtscp ? CPUID_EXTENDED_EDX_RDTSCP : 0);
    return answer;
}

uint64_t read_cr4(void)
{
    return cpu_model.cr4;
}

void write_cr4(uint64_t value)
{
    cpu_model.cr4 = value;
}

/* Core would take a #UD or #GP, and that is the end of the machine. */
void write_xcr0(uint64_t value)
{
    assert_true(cpu_model.cr4 & CR4_OSXSAVE);
    assert_true(value & XCR0_X87);
    assert_int_equal(value & ~cpu_model.features, 0);
    assert_true(!(value & XCR0_AVX) || value & XCR0_SSE);
    cpu_model.xcr0 = value;
}

uint64_t read_xcr0(void)
{
    assert_true(cpu_model.cr4 & CR4_OSXSAVE);
    return cpu_model.xcr0;
}

/* Components that XCR0 hasn't switched on stay where they are (APM vol. 4, XSAVE). */
static void move_fpu(void *to, const void *from, uint64_t components)
{
    assert_true(cpu_model.cr4 & CR4_OSXSAVE);
    components &= cpu_model.xcr0;
    if (components & (XCR0_X87 | XCR0_SSE))
        memcpy(to, from, MODEL_LEGACY);
    if (components & XCR0_AVX)
        memcpy((char *)to + MODEL_LEGACY, (const char *)from + MODEL_LEGACY,
               MODEL_FPU - MODEL_LEGACY);
}

void xsave(void *area, uint64_t components)
{
    move_fpu(area, cpu_model.fpu, components);
}

void xrstor(const void *area, uint64_t components)
{
    move_fpu(cpu_model.fpu, area, components);
}

void fxsave(void *area)
{
    memcpy(area, cpu_model.fpu, MODEL_LEGACY);
}

void fxrstor(const void *area)
{
    memcpy(cpu_model.fpu, area, MODEL_LEGACY);
}

void forget_fpu_pointers(void)
{
    cpu_model.fpu_pointer = 0;
}

uint32_t read_pkru(void)
{
    assert_true(cpu_model.cr4 & CR4_PKE);
    return cpu_model.pkru;
}

void write_pkru(uint32_t value)
{
    assert_true(cpu_model.cr4 & CR4_PKE);
    cpu_model.pkru = value;
}

/* Goes on by itself. */
uint64_t read_tsc(void)
{
    return cpu_model.tsc += MODEL_TSC_STEP;
}

uint64_t read_dr(unsigned number)
{
    assert_in_range(number, 0, 3);
    return cpu_model.dr[number];
}

void write_dr(unsigned number, uint64_t value)
{
    assert_in_range(number, 0, 3);
    cpu_model.dr[number] = value;
}

void wbinvd(void)
{
    cpu_model.flushes++;
}

void enable_interrupts(void)
{
    cpu_model.has_interrupts = true;
}

uint32_t apic_read(uint32_t offset)
{
    assert_in_range(offset, 0, sizeof(cpu_model.apic) - 4);
    assert_int_equal(offset % 16, 0);
    return cpu_model.apic[offset / 4];
}

void apic_write(uint32_t offset, uint32_t value)
{
    assert_in_range(offset, 0, sizeof(cpu_model.apic) - 4);
    assert_int_equal(offset % 16, 0);
    note(&cpu_model.apic_log, offset, value);
}

bool apic_send(uint32_t destination, uint32_t command)
{
    note(&cpu_model.apic_sent, destination, command);
    return true;
}

bool smp_kick(uint32_t index)
{
    if (model_on_kick)
        model_on_kick(index);
    return apic_send(cpu_areas[index].cpu.apic_id, APIC_ICR_NMI | APIC_ICR_ASSERT);
}

uint32_t ioapic_read(uint32_t index)
{
    assert_in_range(index, 0, 0xff);
    return cpu_model.ioapic[index];
}

void ioapic_write(uint32_t index, uint32_t value)
{
    assert_in_range(index, 0, 0xff);
    note(&cpu_model.ioapic_log, index, value);
    cpu_model.ioapic[index] = value;
}
