unit/exits/test_decode := core/exits/decode.c lib/format.c
unit/exits/test_decode_random := core/exits/decode.c tests/unit/exits/zydis.c
unit-libs/exits/test_decode_random := -lZydis

# All handlers of exits, on models of the CPU, the domain's memory and the devices behind them.
EXITS_ON_MODEL := $(wildcard core/exits/*.c) $(wildcard core/svm/*.c) core/vdev/vlapic.c \
	core/vdev/vtimer.c core/mm/guest.c core/mm/p2m.c \
	core/audit/audit.c lib/format.c tests/models/console_model.c tests/models/cpu_model.c \
	tests/models/memory_model.c tests/models/quote_model.c tests/models/shadow_model.c \
	tests/models/time_model.c tests/models/vcpu_model.c tests/models/vdev_model.c
EXITS_FLAGS := -iquote tests/models/shadow -Itests

define exits_test
unit/exits/$(1) := $$(EXITS_ON_MODEL)
unit-flags/exits/$(1) := $$(EXITS_FLAGS)
endef
$(foreach test,test_assists test_cr test_msr test_io test_call test_call_attest test_cpuid test_mode test_npf \
	test_pf test_shadow_mode test_event test_exception test_fetch test_instructions test_life test_moves \
	test_operand test_segments test_stores test_tables,$(eval $(call exits_test,$(test))))
