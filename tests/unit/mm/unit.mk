unit/mm/test_p2m := core/mm/p2m.c tests/models/memory_model.c
unit-flags/mm/test_p2m := -Itests
unit/mm/test_guest := core/mm/guest.c core/mm/p2m.c tests/models/memory_model.c
unit-flags/mm/test_guest := -Itests

SHADOW_ENGINE := $(wildcard core/mm/shadow*.c) core/mm/p2m.c lib/memory.c \
	tests/models/memory_model.c tests/models/mmu_model.c
unit/mm/test_shadow := $(SHADOW_ENGINE) tests/unit/mm/shadow_fixture.c
unit-flags/mm/test_shadow := -Itests
unit/mm/test_shadow_sync := $(SHADOW_ENGINE) tests/unit/mm/shadow_fixture.c
unit-flags/mm/test_shadow_sync := -Itests
unit/mm/test_shadow_random := $(SHADOW_ENGINE) tests/unit/mm/shadow_world.c
unit-flags/mm/test_shadow_random := -Itests
unit/mm/test_shadow_device := $(SHADOW_ENGINE) tests/unit/mm/shadow_fixture.c
unit-flags/mm/test_shadow_device := -Itests
