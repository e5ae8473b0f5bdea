# All of the verifier but its commands, and a machine that attests, made up.
attest_parts := $(addprefix tests/unit/attest/,fabricate.c verdicts.c) tools/policyc/sign/sign.c \
	$(ATTEST_LIB)
attest_tests := test_claims test_files test_quote test_log test_machine test_report test_state
$(foreach test,$(attest_tests),$(eval unit/attest/$(test) := $(attest_parts)))
$(foreach test,$(attest_tests),$(eval unit-libs/attest/$(test) := $(ATTEST_LIBS)))

unit/attest/test_codes := tools/attest/codes.c

unit/attest/test_record := tests/unit/attest/fabricate.c tools/policyc/sign/sign.c $(ATTEST_LIB)
unit-libs/attest/test_record := $(ATTEST_LIBS)

# All of core's evidence but the TPM's registers, on a model of a TPM.
EVIDENCE_ON_MODEL := $(addprefix core/attest/,quote.c maker.c clock.c complain.c pull.c snapshot.c log.c command.c \
	message.c error.c) core/audit/audit.c $(addprefix lib/,evidence.c cbor.c evlog.c format.c) \
	tests/models/tpm_model.c tests/models/time_model.c \
	tests/models/console_model.c tests/unit/attest/evidence_log.c
unit/attest/test_maker := $(EVIDENCE_ON_MODEL)
unit-flags/attest/test_maker := -Itests
unit-libs/attest/test_maker := -lsodium -lcbor
unit/attest/test_turns := $(EVIDENCE_ON_MODEL)
unit-flags/attest/test_turns := -Itests
unit-libs/attest/test_turns := -lsodium -lcbor -lpthread
