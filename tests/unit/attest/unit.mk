# All of the verifier but its commands, and a machine that attests, made up.
attest_parts := tests/unit/attest/fabricate.c tests/unit/attest/verdicts.c $(ATTEST_LIB)
attest_tests := test_quote test_machine
$(foreach test,$(attest_tests),$(eval unit/attest/$(test) := $(attest_parts)))
$(foreach test,$(attest_tests),$(eval unit-libs/attest/$(test) := $(ATTEST_LIBS)))

unit/attest/test_codes := tools/attest/codes.c

unit/attest/test_record := tests/unit/attest/fabricate.c tools/policyc/sign/sign.c $(ATTEST_LIB)
unit-libs/attest/test_record := $(ATTEST_LIBS)
