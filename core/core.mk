# Core: one freestanding ELF64 image. Every .c and .S file below core/ and every .c file in lib/
# belongs to it; a directory needs no rule of its own.

CORE_ELF := $(BUILD)/core/bulkhead.elf
CORE_SRC := $(sort $(wildcard core/*/*.c core/*/*.S lib/*.c))
CORE_FONT := $(BUILD)/fonts/Lat15-VGA16.psf.gz
CORE_OBJ := $(CORE_SRC:%=$(BUILD)/core/obj/%.o) $(BUILD)/core/obj/font.o
CORE_SCRIPT := $(BUILD)/core/core.ld

# Includes are written from the root of the tree ("core/platform/platform.h", "lib/format.h") or
# from include/ ("hw/x86.h"). No SSE in core's own code: the registers belong to the guest.
CORE_INCLUDES := -I. -Iinclude
CORE_CFLAGS := -std=c11 -O2 -g $(WARNINGS) $(CORE_INCLUDES) -ffreestanding -fno-pic -fno-pie \
	-mcmodel=small -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-common -ffunction-sections -fdata-sections \
	-ffile-prefix-map=$(CURDIR)=.
CORE_LDFLAGS := -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--fatal-warnings \
	-Wl,--orphan-handling=error -Wl,-z,noexecstack -Wl,-z,max-page-size=0x1000 \
	-Wl,--build-id=none
# Archives that core is linked with, after its own objects.
CORE_LIBS := $(shell $(CC) -print-file-name=libsodium.a 2>/dev/null)

# The same core, which checks each VMRUN against a model of TLB and clean bits (core/svm/check): only
# core/svm is compiled anew.
CHECK_ELF := $(BUILD)/core/core-check.elf
CHECK_SRC := $(wildcard core/svm/*.c core/svm/*.S core/svm/check/*.c)
CHECK_OBJ := $(CHECK_SRC:%=$(BUILD)/core/check/%.o)

.PHONY: core core-check
core: $(CORE_ELF) ## build the hypervisor

core-check: $(CHECK_ELF) ## build the hypervisor so that it checks itself at each VMRUN

$(BUILD)/core/obj/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "CC $<"
	@$(CC) $(CORE_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/core/obj/%.S.o: %.S
	@mkdir -p $(@D)
	@echo "AS $<"
	@$(CC) $(CORE_INCLUDES) -MMD -MP -c -o $@ $<

$(BUILD)/core/check/%.c.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(CORE_CFLAGS) -DSVM_CHECK -MMD -MP -c -o $@ $<

$(BUILD)/core/check/%.S.o: %.S
	@mkdir -p $(@D)
	@$(CC) $(CORE_INCLUDES) -DSVM_CHECK -MMD -MP -c -o $@ $<

$(CORE_FONT):
	scripts/setup.sh build

$(BUILD)/core/font.c: core/platform/make_font.py | $(CORE_FONT)
	@mkdir -p $(@D)
	@core/platform/make_font.py $(CORE_FONT) $@

$(BUILD)/core/obj/font.o: $(BUILD)/core/font.c core/platform/font.h
	@mkdir -p $(@D)
	@$(CC) $(CORE_CFLAGS) -c -o $@ $<

$(CORE_SCRIPT): core/boot/core.ld.in include/bulkhead/layout.h
	@mkdir -p $(@D)
	@$(CC) -E -P -x assembler-with-cpp $(CORE_INCLUDES) -o $@ $<

$(CORE_ELF): $(CORE_OBJ) $(CORE_SCRIPT) core/boot/check_elf.py
	@echo "LD $@"
	@$(CC) $(CORE_LDFLAGS) -T $(CORE_SCRIPT) -o $@ $(CORE_OBJ) $(CORE_LIBS)
	@core/boot/check_elf.py $@

$(CHECK_ELF): $(CORE_OBJ) $(CHECK_OBJ) $(CORE_SCRIPT) core/boot/check_elf.py
	@echo "LD $@"
	@$(CC) $(CORE_LDFLAGS) -T $(CORE_SCRIPT) -o $@ $(CHECK_OBJ) \
		$(filter-out $(BUILD)/core/obj/core/svm/%,$(CORE_OBJ)) $(CORE_LIBS)
	@core/boot/check_elf.py $@

-include $(CORE_OBJ:.o=.d) $(CHECK_OBJ:.o=.d)
