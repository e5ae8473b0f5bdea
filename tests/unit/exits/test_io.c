/* Port accesses that the IOPM stops: what a device answers, and what nobody answers. */
#include <string.h>

#include "core/audit/audit.h"
#include "hw/x86.h"
#include "models/console_model.h"
#include "models/vcpu_model.h"
#include "models/vdev_model.h"
#include "testing.h"

#define OLD_RAX  0x1122334455667788ull
#define NEXT_RIP (MODEL_CODE + 1)

static struct vcpu *vcpu;

static int start(void **state)
{
    (void)state;
    vcpu_model_reset();
    vcpu = vcpu_model_init(WORK);
    vcpu->vmcb->rip = MODEL_CODE;
    vcpu->vmcb->rax = OLD_RAX;
    return 0;
}

/* EXITINFO1 as a CPU fills it that tells the address's size in bits 9:7, whichever that is. */
static void access_port(uint16_t port, unsigned size, uint32_t flags)
{
    uint64_t info = (uint64_t)port << VMCB_IO_PORT_SHIFT | size << VMCB_IO_SIZE_SHIFT | 7 << 7;

    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_IOIO, info | flags, NEXT_RIP));
}

static void reads_fill_as_much_of_rax_as_they_have(void **state)
{
    static const struct {
        unsigned size;
        uint64_t rax;
    } rows[] = {{1, 0x11223344556677dd}, {2, 0x112233445566ccdd}, {4, 0xaabbccdd}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        start(NULL);
        vdev_model.answers = true;
        vdev_model.reads_as = 0xaabbccdd;
        access_port(0x1234, rows[i].size, VMCB_IO_IN);
        assert_int_equal(vcpu->vmcb->rax, rows[i].rax);
        assert_int_equal(vcpu->vmcb->rip, NEXT_RIP);
        assert_int_equal(vdev_model.address, 0x1234);
        assert_int_equal(vdev_model.size, rows[i].size);
        assert_false(vdev_model.is_write);
        assert_string_equal(console_text, "");
    }
}

static void writes_carry_as_much_of_rax_as_they_have(void **state)
{
    static const uint32_t written[] = {[1] = 0x88, [2] = 0x7788, [4] = 0x55667788};

    (void)state;
    for (unsigned size = 1; size <= 4; size *= 2) {
        start(NULL);
        vdev_model.answers = true;
        access_port(0xffff, size, 0);
        assert_true(vdev_model.is_write);
        assert_int_equal(vdev_model.written, written[size]);
        assert_int_equal(vdev_model.address, 0xffff);
        assert_int_equal(vcpu->vmcb->rax, OLD_RAX);
        assert_int_equal(vcpu->vmcb->rip, NEXT_RIP);
    }
}

static void what_nobody_answers_reads_all_ones(void **state)
{
    static const uint64_t rax[] = {
        [1] = 0x11223344556677ff, [2] = 0x112233445566ffff, [4] = 0xffffffff};

    (void)state;
    for (unsigned size = 1; size <= 4; size *= 2) {
        uint64_t before = audit_count(WORK, VIOLATION_PORT_READ);

        start(NULL);
        access_port(0x510, size, VMCB_IO_IN);
        assert_int_equal(vcpu->vmcb->rax, rax[size]);
        assert_int_equal(vcpu->vmcb->rip, NEXT_RIP);
        assert_int_equal(vcpu->vmcb->eventinj, 0);
        assert_int_equal(audit_count(WORK, VIOLATION_PORT_READ), before + 1);
    }
    assert_string_equal(console_text, "work: denied port-read at 0x510 (0x4)\n");
}

static void what_nobody_answers_drops_writes(void **state)
{
    (void)state;
    access_port(0xcf9, 1, 0);
    assert_int_equal(vcpu->vmcb->rax, OLD_RAX);
    assert_int_equal(vcpu->vmcb->rip, NEXT_RIP);
    assert_string_equal(console_text, "work: denied port-write at 0xcf9 (0x88)\n");
}

static void string_forms_are_faults(void **state)
{
    const uint32_t rep = 1 << 3;

    (void)state;
    for (uint32_t flags = 0; flags < 4; flags++) {
        uint32_t in = flags & 1 ? VMCB_IO_IN : 0;

        start(NULL);
        vdev_model.answers = true;
        access_port(0x510, 1, VMCB_IO_STRING | in | (flags & 2 ? rep : 0));
        assert_int_equal(vcpu->vmcb->eventinj, MODEL_GP);
        assert_int_equal(vcpu->vmcb->rip, MODEL_CODE);
        assert_int_equal(vcpu->vmcb->rax, OLD_RAX);
        assert_int_equal(vdev_model.accesses, 0);
        assert_non_null(strstr(console_text, in ? "port-read at 0x510" : "port-write at 0x510"));
    }
}

static void next_rip_is_cut_outside_of_64_bit_code(void **state)
{
    (void)state;
    vdev_model.answers = true;
    vcpu_model_mode(vcpu, INSN_32);
    assert_true(vcpu_model_exit(vcpu, SVM_EXIT_IOIO, 1 << VMCB_IO_SIZE_SHIFT, 0x100000001));
    assert_int_equal(vcpu->vmcb->rip, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_fill_as_much_of_rax_as_they_have, start),
        cmocka_unit_test_setup(writes_carry_as_much_of_rax_as_they_have, start),
        cmocka_unit_test_setup(what_nobody_answers_reads_all_ones, start),
        cmocka_unit_test_setup(what_nobody_answers_drops_writes, start),
        cmocka_unit_test_setup(string_forms_are_faults, start),
        cmocka_unit_test_setup(next_rip_is_cut_outside_of_64_bit_code, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
