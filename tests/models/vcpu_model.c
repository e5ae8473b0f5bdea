#include "models/vcpu_model.h"

#include <stdlib.h>
#include <string.h>

#include "core/exits/exits.h"
#include "core/exits/mode.h"
#include "core/platform/timer.h"
#include "core/svm/run.h"
#include "models/console_model.h"
#include "testing.h"

#define PML4 0x1000ull
#define PDPT 0x2000ull

struct image_model image_model;
unsigned model_windows, model_sleeps;
bool model_has_host;
void (*model_on_sleep)(struct vcpu *vcpu);
void (*model_on_window)(struct vcpu *vcpu);

uint64_t model_timer;

/* core/platform/timer.c would set a register. */
void timer_set(uint64_t deadline)
{
    model_timer = deadline;
}

struct vcpu *model_current;
static jmp_buf left, stopped;
static bool has_flushed;

/* What core/svm/vmrun.S defines; svm_loop() is never reached in a unit test. */
const uint8_t svm_doze[1];

void svm_loop(struct vcpu *vcpu, uint64_t *stack)
{
    (void)vcpu;
    (void)stack;
    abort();
}

void svm_resume(struct vcpu *vcpu, uint64_t stack)
{
    assert_ptr_equal(vcpu, model_current);
    (void)stack;
    longjmp(left, 1);
}

void svm_window(struct vmcb *guest, struct vmcb *host, bool sleep, bool interrupts)
{
    assert_ptr_equal(guest, model_current->vmcb);
    assert_ptr_equal(host, model_current->host);
    assert_int_equal(interrupts, model_current->take_interrupts);
    model_windows++;
    if (model_on_window)
        model_on_window(model_current);
    if (!sleep)
        return;
    model_sleeps++;
    if (model_current->shared->stopped || !model_on_sleep)
        longjmp(stopped, 1);
    model_on_sleep(model_current);
}

void svm_call_host(struct vmcb *guest, struct vmcb *host, void (*function)(void *), void *argument)
{
    assert_ptr_equal(guest, model_current->vmcb);
    assert_ptr_equal(host, model_current->host);
    assert_false(model_has_host);
    model_has_host = true;
    function(argument);
    model_has_host = false;
}

/* FS, GS and so on: the VMCB has them all along, and the CPU last those that were loaded. */
void svm_save(struct vmcb *vmcb)
{
    assert_ptr_equal(vmcb, model_current->vmcb);
}

void svm_load(struct vmcb *vmcb)
{
    struct vcpu *current = svm_cpus[model_current->cpu].current;

    assert_ptr_equal(vmcb, current->vmcb);
    model_current = current;
}

static void set_domain(unsigned index, const char *name, enum bh_interrupts interrupts)
{
    struct bh_domain *domain = &image_model.domain[index];

    strcpy(domain->name, name);
    domain->interrupts = (uint8_t)interrupts;
    domain->core[0] = (uint8_t)index;
    domain->ncores = 1;
    domain->paging = BH_PAGING_NESTED;
    domain->table = (uint64_t)memory_model_root();
}

static struct bh_table table(const void *rows, uint32_t count)
{
    return (struct bh_table){(uint32_t)((const char *)rows - (const char *)&image_model), count};
}

void vcpu_model_reset(void)
{
    memset(&image_model, 0, sizeof(image_model));
    memset(svm_cpus, 0, sizeof(svm_cpus));
    svm_features = 0;
    svm_asid_count = MODEL_ASIDS;
    has_flushed = false;
    memory_model_reset();
    cpu_model_reset();
    console_clear();
    model_windows = model_sleeps = 0;
    model_has_host = false;
    model_on_sleep = model_on_window = NULL;
    image_model.header.domains = table(image_model.domain, 2);
    image_model.header.channels = table(image_model.channel, 0);
    image_model.header.functions = table(image_model.function, 4);
    image_model.header.dtes = table(image_model.dte, 0);
    image_model.header.cpuid = table(image_model.cpuid, 16);
    image_model.header.msrs = table(image_model.msr, 16);
    set_domain(WORK, "work", BH_DIRECT);
    set_domain(VAULT, "vault", BH_VIRTUAL);
    memory_model_map(MODEL_CODE, MODEL_CODE_SIZE, MODEL_RAM);
    memory_model_map(PML4, 0x1000, MODEL_RAM);
    memory_model_map(PDPT, 0x1000, MODEL_RAM);
    *(uint64_t *)memory_model_at(PML4) = PDPT | PTE_P | PTE_RW;
    for (unsigned i = 0; i < 4; i++)
        ((uint64_t *)memory_model_at(PDPT))[i] = (uint64_t)i << 30 | PTE_P | PTE_RW | PTE_PS;
}

struct vcpu *vcpu_model_init(unsigned index)
{
    struct vcpu *vcpu;

    exits_init_domain(&image_model.header, index);
    vcpu = vcpu_model_init_id(index, 0);
    *vcpu->shared = (struct svm_domain){0};
    return vcpu;
}

struct vcpu *vcpu_model_init_id(unsigned index, unsigned id)
{
    struct vcpu *vcpu =
        svm_init_vcpu(&image_model.header, index, id, image_model.domain[index].core[id]);

    vcpu->handler = exits_handler(vcpu); /* as domains_run() does */
    vcpu->attend = exits_attend;
    exits_init_vcpu(vcpu);
    vcpu_model_mode(vcpu, INSN_64);
    return vcpu;
}

void vcpu_model_mode(struct vcpu *vcpu, enum insn_mode mode)
{
    struct vmcb *vmcb = vcpu->vmcb;

    vmcb->cs.base = 0;
    mode_start(vcpu, (mode == INSN_16 ? 0 : CR0_PE) | (mode == INSN_64 ? CR0_PG : 0), PML4, CR4_PAE,
               mode == INSN_64 ? EFER_LME | EFER_LMA : 0);
    vmcb->cs.attributes = mode == INSN_64   ? VMCB_SEG_CODE64
                          : mode == INSN_32 ? VMCB_SEG_CODE32
                                            : VMCB_SEG_CODE32 & ~VMCB_SEG_D;
}

unsigned vcpu_model_code(struct vcpu *vcpu, uint64_t offset, const char *text)
{
    uint8_t *to = memory_model_at(MODEL_CODE);
    unsigned length = 0;

    for (; *text; text += text[2] ? 3 : 2)
        to[offset + length++] = (uint8_t)strtoul(text, NULL, 16);
    vcpu->vmcb->rip = MODEL_CODE - vcpu->vmcb->cs.base + offset;
    return length;
}

/* As vmrun.S does before VMRUN; who leaves an exit comes back here, too. */
static bool attend(struct vcpu *vcpu)
{
    if (setjmp(stopped))
        return false;
    setjmp(left);
    while (__atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST)) {
        has_flushed |= (vcpu->requests & SVM_REQUEST_FLUSH) != 0;
        assert_ptr_equal(svm_attend(vcpu), vcpu);
    }
    return true;
}

bool vcpu_model_flushed(struct vcpu *vcpu)
{
    bool flushed = has_flushed || (vcpu->requests & SVM_REQUEST_FLUSH);

    has_flushed = false;
    vcpu->requests &= (uint16_t)~SVM_REQUEST_FLUSH;
    return flushed;
}

bool vcpu_model_attend(struct vcpu *vcpu)
{
    model_current = vcpu;
    return attend(vcpu);
}

bool vcpu_model_exit(struct vcpu *vcpu, uint64_t code, uint64_t info1, uint64_t info2)
{
    model_current = vcpu;
    vcpu->vmcb->exitcode = code;
    vcpu->vmcb->exitinfo1 = info1;
    vcpu->vmcb->exitinfo2 = info2;
    vcpu->vmcb->clean = VMCB_CLEAN_ALL; /* as vmrun.S leaves it */
    vcpu->vmcb->eventinj = 0x1234567;   /* a CPU clears the valid bit and nothing else */
    if (!setjmp(left))
        vcpu->handler(vcpu);
    return attend(vcpu);
}
