#include "models/shadow_model.h"

#include "testing.h"

struct shadow_model shadow_model;

bool shadow_init(struct shadow *s, const struct shadow_config *config)
{
    *s = (struct shadow){.config = *config};
    shadow_model.inits++;
    shadow_model.config = *config;
    return !shadow_model.refuses;
}

static void note(const struct shadow *s, unsigned vcpu, const struct shadow_guest *g)
{
    assert_non_null(s);
    assert_in_range(vcpu, 0, s->config.vcpus - 1);
    shadow_model.guest = *g;
}

uint64_t shadow_root(struct shadow *s, unsigned vcpu, const struct shadow_guest *g)
{
    note(s, vcpu, g);
    return MODEL_ROOT + 0x1000ull * shadow_model.roots++;
}

struct shadow_result shadow_fault(struct shadow *s, unsigned vcpu, const struct shadow_guest *g,
                                  uint64_t linear, uint32_t error)
{
    note(s, vcpu, g);
    shadow_model.linear = linear;
    shadow_model.error = error;
    return shadow_model.result[shadow_model.faults++ ? 1 : 0];
}

struct shadow_result shadow_walk(const struct shadow *s, const struct shadow_guest *g,
                                 uint64_t linear, uint32_t error)
{
    assert_non_null(s->config.p2m);
    shadow_model.guest = *g;
    shadow_model.linear = linear;
    shadow_model.error = error;
    return shadow_model.result[shadow_model.walks++ ? 1 : 0];
}

void shadow_invlpg(struct shadow *s, unsigned vcpu, const struct shadow_guest *g, uint64_t linear)
{
    note(s, vcpu, g);
    shadow_model.invlpgs++;
    shadow_model.linear = linear;
}

void shadow_compare(struct shadow *s)
{
    assert_non_null(s);
    shadow_model.compares++;
}

void shadow_reset(struct shadow *s)
{
    assert_non_null(s);
    shadow_model.resets++;
}
