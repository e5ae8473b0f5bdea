# Appraisals are counted with the verifier's objects as bhattest has them.
BENCH_BUILD := $(BUILD)/tests/bench
BENCH_OBJECTS := $(patsubst %.c,$(BENCH_BUILD)/%.o,tests/bench/appraise.c tests/attest/bundle.c) \
	$(patsubst %.c,$(ATTEST_BUILD)/%.o,$(filter-out tests/%,$(FUZZ_ATTEST)))

$(BENCH_BUILD)/appraise: $(BENCH_OBJECTS)
	@$(CC) -o $@ $^ $(ATTEST_LIBS)

$(BENCH_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(HOST_CFLAGS) -Itools/attest -MMD -MP -c -o $@ $<
-include $(BENCH_OBJECTS:.o=.d) $(BENCH_MODELS:.o=.d)

# Core's own objects on a host program's models: both are at fixed addresses.
BENCH_MEASURED := $(patsubst %,$(BUILD)/core/obj/%.o,\
	$(addprefix core/attest/,boot.c enrolled.c log.c tis.c command.c message.c error.c) lib/evlog.c)
BENCH_MODELS := $(patsubst %.c,$(BENCH_BUILD)/%.o,tests/bench/measure.c lib/format.c \
	$(addprefix tests/models/,boot_tpm.c tis_model.c console_model.c) tests/unit/policy/sample.c)
$(BENCH_MODELS): HOST_CFLAGS += -Itests -Itests/unit -fno-pie

# The linker puts code in the order of its objects: marks before and after core's.
$(BENCH_BUILD)/measured_%.o:
	@mkdir -p $(@D)
	@echo '.globl measured_$*; measured_$*: nop' | $(CC) -c -x assembler -o $@ -

$(BENCH_BUILD)/measure: $(BENCH_BUILD)/measured_begin.o $(BENCH_MEASURED) \
		$(BENCH_BUILD)/measured_end.o $(BENCH_MODELS)
	@$(CC) -no-pie -o $@ $^ -lcmocka -lsodium -Wl,-z,noexecstack

BENCH_COUNTED := $(addprefix $(BENCH_BUILD)/,count.so workloads nothing)
BENCH_TOOLS := $(addprefix $(BENCH_BUILD)/,appraise measure) $(BENCH_COUNTED)

# PARTS="trips memory" measures only those and leaves the other figures as they are recorded.
.PHONY: bench
bench: ## install what is needed, build, measure; records the figures of docs/performance.md
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory all $(BENCH_TOOLS)
	@tests/bench/bench.py --update $(PARTS)

# What workloads.py runs: a plugin for QEMU, /init of the counted Linux, and what that executes.
$(BENCH_BUILD)/count.so: tests/bench/plugin.c tests/bench/plugin.h tests/bench/marker.h
	@mkdir -p $(@D)
	@$(CC) $(HOST_CFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $<

$(BENCH_BUILD)/workloads: tests/bench/workloads.c tests/bench/marker.h
	@mkdir -p $(@D)
	@$(CC) $(HOST_CFLAGS) -static -o $@ $< -lsodium

$(BENCH_BUILD)/nothing: tests/bench/nothing.S
	@mkdir -p $(@D)
	@$(CC) -static -nostdlib -Wl,--build-id=none -o $@ $<
