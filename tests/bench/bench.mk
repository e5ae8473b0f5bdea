# Appraisals are counted with the verifier's objects as bhattest has them.
BENCH_BUILD := $(BUILD)/tests/bench
BENCH_OBJECTS := $(patsubst %.c,$(BENCH_BUILD)/%.o,tests/bench/appraise.c tests/attest/bundle.c) \
	$(patsubst %.c,$(ATTEST_BUILD)/%.o,$(filter-out tests/%,$(FUZZ_ATTEST)))

$(BENCH_BUILD)/appraise: $(BENCH_OBJECTS)
	@$(CC) -o $@ $^ $(ATTEST_LIBS)

$(BENCH_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(HOST_CFLAGS) -Itools/attest -MMD -MP -c -o $@ $<
-include $(BENCH_OBJECTS:.o=.d)

.PHONY: bench
bench: ## install what is needed, build, measure; renews the tables of docs/performance.md
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory all $(BENCH_BUILD)/appraise
	@tests/bench/bench.py --update
