# Fuzz targets: tests/fuzz/X.c is built twice. build/tests/fuzz/X, by gcc with sanitizers and
# driver.c, is what the test suite runs; build/tests/fuzz/libfuzzer/X, by `make fuzz` with clang, is
# guided by coverage. tests/attest/sweep.c is built like the first.
FUZZ_TARGETS := attest decode events evidence kernel log record reference report rules signature tpm
FUZZ_BUILD := $(BUILD)/tests/fuzz
FUZZ_FLAGS := -I. -Itools/attest -Itests/unit
FUZZ_SECONDS ?= 60

# The code under test: the verifier's library, what it shares with core, core's TPM responses, its
# readers of domains' kernels.
FUZZ_ATTEST := $(sort $(filter-out tools/attest/tpm_%,$(ATTEST_LIB)) tests/attest/bundle.c)
FUZZ_CORE := core/attest/command.c core/attest/message.c lib/evlog.c
FUZZ_KERNEL := core/domain/elf.c core/domain/kernel.c core/domain/multiboot1.c core/domain/pvh.c
FUZZ_DECODE := core/exits/decode.c tests/unit/exits/zydis.c
fuzz_code = $(if $(filter tpm,$(1)),$(FUZZ_CORE),$(if $(filter kernel,$(1)),$(FUZZ_KERNEL),$(if \
	$(filter decode,$(1)),$(FUZZ_DECODE),$(FUZZ_ATTEST))))
fuzz_sources = tests/fuzz/$(1).c $(call fuzz_code,$(1))
fuzz_libs = $(if $(filter decode,$(1)),-lZydis,$(if $(filter tpm kernel,$(1)),,$(ATTEST_LIBS)))
fuzz_objects = $(patsubst %.c,$(FUZZ_BUILD)/objects/%.o,$(1))

FUZZ_PROGRAMS := $(addprefix $(FUZZ_BUILD)/,$(FUZZ_TARGETS) sweep)
unit-programs: $(FUZZ_PROGRAMS)

$(FUZZ_BUILD)/objects/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(UNIT_CFLAGS) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<
-include $(patsubst %.c,$(FUZZ_BUILD)/objects/%.d,$(sort $(FUZZ_ATTEST) $(FUZZ_CORE) $(FUZZ_KERNEL) $(FUZZ_DECODE) \
	$(wildcard tests/fuzz/*.c) tests/attest/sweep.c))

define fuzz_rule
$(FUZZ_BUILD)/$(1): $(call fuzz_objects,$(call fuzz_sources,$(1)) tests/fuzz/driver.c)
	@echo "  FUZZ    $(1)"
	@$(CC) $(UNIT_CFLAGS) -o $$@ $$^ $(call fuzz_libs,$(1))
$(FUZZ_BUILD)/libfuzzer/$(1): $(call fuzz_sources,$(1))
	@mkdir -p $$(@D)
	@echo "  FUZZ    $(1) (clang)"
	@clang $(UNIT_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $$@ $$(filter %.c,$$^) $(call fuzz_libs,$(1))
endef
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(target))))

$(FUZZ_BUILD)/sweep: $(call fuzz_objects,tests/attest/sweep.c $(FUZZ_ATTEST)) $(UNIT_COMMON)
	@echo "  UNIT    attest/sweep"
	@$(CC) $(UNIT_CFLAGS) -o $@ $^ $(ATTEST_LIBS)

.PHONY: fuzz
fuzz: $(addprefix $(FUZZ_BUILD)/libfuzzer/,$(FUZZ_TARGETS)) ## fuzz parsers with clang, FUZZ_SECONDS each
	@tests/attest/bundle.py $(FUZZ_BUILD)/bundle
	@for target in $(FUZZ_TARGETS); do \
		mkdir -p $(FUZZ_BUILD)/found/$$target; \
		echo "fuzz: $$target, $(FUZZ_SECONDS) s"; \
		$(FUZZ_BUILD)/libfuzzer/$$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$(FUZZ_BUILD)/found/$$target- \
			$(FUZZ_BUILD)/found/$$target $(FUZZ_BUILD)/bundle/corpus/$$target; \
	done
