# Unit tests: tests/unit/DIR/test_X.c becomes the program build/tests/unit/DIR/test_X.
# The unit.mk beside it says in one line which sources of the project it links:
#
#   unit/lib/test_print := lib/print.c
#
# and, where it needs them, unit-flags/lib/test_print (compiler flags) and
# unit-libs/lib/test_print (libraries). tests/run.py fails for a test that no line names.

-include $(wildcard tests/unit/*/unit.mk tests/unit/*/*/unit.mk)

UNIT_BUILD := $(BUILD)/tests/unit
UNIT_TESTS := $(sort $(patsubst unit/%,%,$(filter unit/%,$(.VARIABLES))))
UNIT_PROGRAMS := $(addprefix $(UNIT_BUILD)/,$(UNIT_TESTS))
# -Itests/unit for helpers that several tests share. A failed check must end the
# program: -fno-sanitize-recover. Programs share no objects: each has its own flags.
UNIT_CFLAGS := $(HOST_CFLAGS) -O1 -Itests/unit -fsanitize=address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_COMMON := $(UNIT_BUILD)/sanitizer.o

$(UNIT_COMMON): tests/unit/sanitizer.c
	@mkdir -p $(@D)
	@$(CC) $(UNIT_CFLAGS) -c -o $@ $<

define unit_rule
$(UNIT_BUILD)/$(1): $(patsubst %.c,$(UNIT_BUILD)/$(1).o/%.o,tests/unit/$(1).c $(unit/$(1))) \
		$(UNIT_COMMON)
	@echo "  UNIT    $(1)"
	@$(CC) $(UNIT_CFLAGS) -o $$@ $$^ -lcmocka $(unit-libs/$(1))
$(UNIT_BUILD)/$(1).o/%.o: %.c
	@mkdir -p $$(@D)
	@$(CC) $(UNIT_CFLAGS) $(unit-flags/$(1)) -MMD -MP -c -o $$@ $$<
-include $(patsubst %.c,$(UNIT_BUILD)/$(1).o/%.d,tests/unit/$(1).c $(unit/$(1)))
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_rule,$(test))))

.PHONY: tests unit-programs
unit-programs: $(UNIT_PROGRAMS)
	@:

unit: ## build and run the unit tests alone
	@$(MAKE) --no-print-directory -j$(shell nproc) unit-programs
	@tests/run.py unit/

# Documents that say which test shows what: a run of the whole suite runs each of those.
SHOWN_BY := docs/pacifica.md docs/threat-model.md

# TESTS="boot vault" runs only the tests whose names contain one of the words.
tests: ## run all tests of what is built, or those that TESTS="..." names
	@$(MAKE) --no-print-directory -j$(shell nproc) unit-programs $(BENCH_COUNTED)
	@tests/run.py --json $(BUILD)/tests/results.json $(SHOWN_BY:%=--shows %) $(TESTS)
