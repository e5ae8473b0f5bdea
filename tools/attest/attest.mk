# bhattest, the verifier. ATTEST_LIB is all but main.c and the commands: what decides, without
# input or output of its own but for reading files; tests link it with their own flags.
ATTEST_BUILD := $(BUILD)/attest.o
ATTEST_COMMANDS := $(addprefix tools/attest/,main.c command.c input.c) $(wildcard tools/attest/cmd_*.c) \
	$(wildcard tools/attest/enroll*.c)
# What core's side has, too: its writers, to write again what was read, and its signature check.
ATTEST_SHARED := lib/cbor.c lib/evidence.c lib/evlog.c core/policy/minisig.c
# What speaks to a TPM, through tpm2-tss, and what enrolment signs with.
ATTEST_TPM := $(wildcard tools/attest/tpm_*.c) tools/policyc/sign/sign.c
ATTEST_LIB := $(filter-out $(ATTEST_COMMANDS) $(ATTEST_TPM),$(wildcard tools/attest/*.c)) \
	$(ATTEST_SHARED)
ATTEST_SOURCES := $(ATTEST_COMMANDS) $(ATTEST_TPM) $(ATTEST_LIB)
ATTEST_OBJECTS := $(ATTEST_SOURCES:%.c=$(ATTEST_BUILD)/%.o)
ATTEST_LIBS := -lcrypto -lsodium -ljansson -lcbor
ATTEST_TPM_LIBS := -ltss2-esys -ltss2-mu -ltss2-rc -ltss2-tctildr
ATTEST_CFLAGS := $(HOST_CFLAGS)

.PHONY: bhattest
bhattest: $(BUILD)/bhattest

$(BUILD)/bhattest: $(ATTEST_OBJECTS)
	@echo "  LINK    $@"
	@$(CC) -o $@ $^ $(ATTEST_LIBS) $(ATTEST_TPM_LIBS)

$(ATTEST_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(ATTEST_CFLAGS) -MMD -MP -c -o $@ $<

-include $(ATTEST_OBJECTS:.o=.d)
