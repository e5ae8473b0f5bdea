/* What a domain takes of what it is offered, without an exit, and what comes meanwhile. */
#include <stdlib.h>

#include "vdev/injection_case.h"

/* It is taken without an exit: what is sent after that is another one. */
static void one_that_is_sent_again_after_it_was_taken_comes_again(void **state)
{
    (void)state;
    assert_true(vlapic_accept(apic, 0x51));
    leave();
    assert_true(vlapic_accept(apic, 0x51)); /* nobody can know yet: one more kick */
    leave();
    assert_int_equal(take(), 0x51);
    leave();
    put(0x80b, 0);
    leave();
    assert_false(vault->vmcb->v_intr & VMCB_V_IRQ); /* they were one */
    vlapic_accept(apic, 0x51);
    leave();
    assert_int_equal(take(), 0x51);
    assert_true(vlapic_accept(apic, 0x51));
    leave();
    assert_true(in_service(0x51));
    put(0x80b, 0);
    leave();
    assert_int_equal(take(), 0x51);
}

/* The manual's rules hold whatever the CPU takes and however often it leaves. */
static void nothing_is_lost_on_the_way(void **state)
{
    unsigned accepted = 0, taken = 0;

    (void)state;
    srand(3);
    for (unsigned i = 0; i < 50000; i++) {
        bool again = false;

        if (rand() % 2) {
            uint8_t vector = (uint8_t)(16 + rand() % 240);

            again = is_offered(vector);
            accepted += vlapic_accept(apic, vector) && !again;
        }
        if ((vault->vmcb->v_intr & VMCB_V_IRQ) && rand() % 2) {
            unsigned vector = take();

            if (rand() % 8 == 0)
                vault->vmcb->exitintinfo = INTR(vector);
            taken++;
            accepted += again; /* core can't know which was first */
        }
        leave();
        vault->vmcb->exitintinfo = 0;
        if (rand() % 2)
            put(0x80b, 0);
    }
    for (unsigned i = 0; i < 500; i++) {
        leave();
        taken += vault->vmcb->v_intr & VMCB_V_IRQ ? take() > 0 : 0;
        leave();
        put(0x80b, 0);
    }
    assert_int_equal(vlapic_pending(apic), VLAPIC_NOTHING);
    assert_int_equal(taken, accepted);
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_that_is_sent_again_after_it_was_taken_comes_again, start),
        cmocka_unit_test_setup(nothing_is_lost_on_the_way, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
