# The instruction decoder against Zydis, outside of the unit tests' time: ten million random
# instructions, and all that is in Debian's kernel, its C library, core and domains.
DECODE_BUILD := $(BUILD)/tests/decode
DECODE_RUNS ?= 10000000
DECODE_LIBC := /lib/x86_64-linux-gnu/libc.so.6

$(DECODE_BUILD)/compare: tests/decode/compare.c core/exits/decode.c tests/unit/exits/zydis.c \
		core/exits/decode.h tests/unit/exits/zydis.h
	@mkdir -p $(@D)
	@echo "  UNIT    decode/compare"
	@$(CC) $(HOST_CFLAGS) -Itests/unit -o $@ $(filter %.c,$^) -lZydis
unit-programs: $(DECODE_BUILD)/compare

$(BUILD)/full-kernel/vmlinuz:
	@scripts/setup.sh test

# A bzImage holds the kernel packed by xz (Documentation/x86/boot.rst, payload_offset).
$(DECODE_BUILD)/vmlinux: $(BUILD)/full-kernel/vmlinuz
	@mkdir -p $(@D)
	@tests/decode/unpack.py $< $@

.PHONY: decode-compare
decode-compare: $(DECODE_BUILD)/compare $(DECODE_BUILD)/vmlinux core domains ## compare the instruction decoder with Zydis, DECODE_RUNS random instructions and real ones
	@$< $(DECODE_RUNS) $(DECODE_BUILD)/vmlinux $(DECODE_LIBC) $(BUILD)/core/bulkhead.elf \
		$(wildcard $(BUILD)/domains/*.elf)
