# Domains: what runs inside the partitions.
#   build/domains/vault.bin      the trusted signing service, bare-metal
#   build/domains/standin.bin    the intruder without an operating system, for tests
#   build/domains/bench.bin      counts what exits to core cost
#   build/domains/work/bin/      static Linux programs for work's initramfs

DOMAINS := $(BUILD)/domains
DOMAINS_O := $(DOMAINS)/obj

# Bare-metal programs: libsodium and the compiler may use SSE, exception entry must not.
FLAT_CFLAGS := -std=c11 -O2 -g $(WARNINGS) -I. -Iinclude -ffreestanding -fno-pic -fno-pie \
	-mno-red-zone -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables
FLAT_LIB := $(addprefix $(DOMAINS_O)/, \
	domains/lib/start.o domains/lib/exceptions.o domains/lib/flat.o domains/lib/confine.o \
	lib/format.o lib/memory.o)
FLAT_SODIUM := $(addprefix $(DOMAINS_O)/, domains/lib/sodium.o domains/lib/random.o)
SODIUM_A := $(shell $(CC) -print-file-name=libsodium.a 2>/dev/null)

$(FLAT_LIB) $(FLAT_SODIUM): FLAT_EXTRA := -mgeneral-regs-only

$(DOMAINS_O)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(FLAT_CFLAGS) $(FLAT_EXTRA) -MMD -MP -c -o $@ $<
$(DOMAINS_O)/%.o: %.S
	@mkdir -p $(@D)
	@$(CC) $(FLAT_CFLAGS) -MMD -MP -c -o $@ $<

# $(call flat,NAME,OBJECTS,LIBRARIES): NAME.elf for a debugger, NAME.bin for the domain
define flat
$(DOMAINS)/$(1).elf: domains/lib/flat.ld $(2)
	@echo "  DOMAIN  $(1)"
	@$(CC) -nostdlib -static -no-pie -Wl,-T,$$< -Wl,--build-id=none -Wl,-z,noexecstack \
		-Wl,--gc-sections -o $$@ $$(filter %.o,$$^) $(3)
$(DOMAINS)/$(1).bin: $(DOMAINS)/$(1).elf
	@objcopy -O binary $$< $$@
-include $(patsubst %.o,%.d,$(2))
domains: $(DOMAINS)/$(1).bin
endef

# The stack protector guards the one program whose memory must not be overrun.
VAULT_O := $(addprefix $(DOMAINS_O)/domains/vault/, main.o service.o)
$(VAULT_O): FLAT_EXTRA := -fstack-protector-strong
$(eval $(call flat,vault,$(FLAT_LIB) $(FLAT_SODIUM) $(VAULT_O),$(SODIUM_A)))

# Static Linux programs for work.
WORK_CFLAGS := $(HOST_CFLAGS) -I. -fno-pie -fstack-protector-strong
WORK_O := $(DOMAINS)/work/obj

# $(call work,NAME,SOURCES,LIBRARIES)
define work
$(DOMAINS)/work/bin/$(1): $(patsubst %.c,$(WORK_O)/%.o,$(2))
	@echo "  WORK    $(1)"
	@mkdir -p $$(@D)
	@$(CC) -static -no-pie -s -o $$@ $$^ $(3)
-include $(patsubst %.c,$(WORK_O)/%.d,$(2))
domains: $(DOMAINS)/work/bin/$(1)
WORK_TOOLS += $(DOMAINS)/work/bin/$(1)
endef

$(WORK_O)/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(WORK_CFLAGS) -MMD -MP -c -o $@ $<

WORK_CLIENT := domains/work/client.c
$(eval $(call work,vault,domains/work/vault.c domains/work/minisig.c $(WORK_CLIENT),-lsodium))
$(eval $(call work,attest,domains/work/attest.c domains/work/page.c $(WORK_CLIENT),-lsodium))

INTRUDER := $(sort $(wildcard domains/intruder/attacks/*.c)) domains/intruder/report.c
$(eval $(call work,intruder,domains/intruder/linux/intruder.c $(INTRUDER) $(WORK_CLIENT) \
	lib/format.c))

# For tests: a program that tries out domains/lib, and flat domains that start without core.
RUNTIME_O := $(DOMAINS_O)/tests/domains/runtime.o
$(RUNTIME_O): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,runtime,$(FLAT_LIB) $(DOMAINS_O)/domains/lib/random.o $(RUNTIME_O)))
INTERRUPTS_O := $(addprefix $(DOMAINS_O)/tests/domains/, \
	interrupts.o interrupts_virtual.o interrupts_direct.o interrupts_faults.o \
	interrupts_bells.o expect.o)
$(INTERRUPTS_O): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,interrupts,$(FLAT_LIB) $(INTERRUPTS_O)))
SHARE_O := $(addprefix $(DOMAINS_O)/tests/domains/, share.o share_registers.o \
	share_state.o share_spin.o share_turns.o share_pair.o share_second.o expect.o)
$(SHARE_O): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,share,$(FLAT_LIB) $(SHARE_O)))
CORES_O := $(addprefix $(DOMAINS_O)/tests/domains/, cores.o cores_ap.o expect.o)
$(CORES_O): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,cores,$(FLAT_LIB) $(CORES_O)))
$(DOMAINS)/%-bare.elf: tests/domains/bare.S $(DOMAINS)/%.bin
	@$(CC) -m32 -nostdlib -static -no-pie -Iinclude -DFLAT='"$(DOMAINS)/$*.bin"' \
		-Wl,-Ttext=0x4001000,--section-start=.multiboot=0x4000000,--build-id=none -o $@ $<
domains: $(DOMAINS)/runtime-bare.elf $(DOMAINS)/standin-bare.elf \
	$(DOMAINS)/bench-bare.elf $(DOMAINS)/modes-bare.elf

# The intruder without an operating system.
STANDIN := $(sort $(wildcard domains/intruder/standin/*.c domains/intruder/standin/*.S)) $(INTRUDER)
STANDIN_O := $(patsubst %,$(DOMAINS_O)/%.o,$(basename $(STANDIN)))
FLAT_COM2 := $(DOMAINS_O)/domains/lib/com2.o
$(STANDIN_O) $(FLAT_COM2): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,standin,$(FLAT_LIB) $(FLAT_COM2) $(STANDIN_O)))

# For tests: what a system sees of paging and modes.
MODES_O := $(addprefix $(DOMAINS_O)/tests/domains/, modes.o modes_trip.o)
$(MODES_O): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,modes,$(FLAT_LIB) $(FLAT_COM2) $(MODES_O)))

# For tests: every page, in every way.
SWEEP_O := $(DOMAINS_O)/tests/domains/sweep.o
$(SWEEP_O): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,sweep,$(FLAT_LIB) $(SWEEP_O)))

# What exits cost, for policy/bench.policy.
BENCH_O := $(addprefix $(DOMAINS_O)/domains/bench/, main.o measure.o)
$(BENCH_O): FLAT_EXTRA := -mgeneral-regs-only
$(eval $(call flat,bench,$(FLAT_LIB) $(FLAT_COM2) $(BENCH_O)))

.PHONY: domains
domains:

-include domains/work/work.mk
