unit/attest/test_codes := tools/attest/codes.c
