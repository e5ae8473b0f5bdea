# policyc without its commands, built once for all tests of it.
policyc_tested := lib/evlog.c $(POLICYC_FRONT) $(POLICYC_FRONT_GENERATED) $(POLICYC_PARTS) \
	$(POLICYC_KERNELS) \
	$(addprefix tools/policyc/,dump_read.c dump_text.c dump_json.c)
policyc_objects := $(patsubst %.c,$(BUILD)/tests/unit/policyc/objects/%.o,$(policyc_tested))
policyc_archive := $(BUILD)/tests/unit/policyc/policyc.a
policyc_flags := -I. -Itools/policyc -Itools/policyc/front -I$(POLICYC_BUILD)
policyc_core := $(addprefix core/policy/,check.c image.c domains.c devices.c rights.c) \
	lib/format.c

$(policyc_archive): $(policyc_objects)
	@ar rcsD $@ $^

$(BUILD)/tests/unit/policyc/objects/%.o: %.c $(POLICYC_BUILD)/parser.h
	@mkdir -p $(@D)
	@$(CC) $(UNIT_CFLAGS) $(policyc_flags) -MMD -MP -c -o $@ $<

-include $(policyc_objects:.o=.d)

policyc_tests := test_front test_tables test_rows test_property test_hostile test_sign test_grub \
	test_elf
$(foreach test,$(policyc_tests),$(eval unit-flags/policyc/$(test) := $(policyc_flags)))
$(foreach test,$(policyc_tests),$(eval unit-libs/policyc/$(test) := $(policyc_archive) -lsodium))
$(addprefix $(BUILD)/tests/unit/policyc/,$(policyc_tests)): $(policyc_archive)

unit/policyc/test_front :=
unit/policyc/test_tables := $(addprefix tests/unit/policyc/,bits.c sample.c)
unit/policyc/test_rows := $(unit/policyc/test_tables) $(policyc_core)
unit/policyc/test_property := tests/unit/policyc/bits.c $(policyc_core)
unit/policyc/test_hostile := tests/unit/policyc/bits.c
unit/policyc/test_sign := core/policy/minisig.c
unit/policyc/test_grub :=
unit/policyc/test_elf :=
