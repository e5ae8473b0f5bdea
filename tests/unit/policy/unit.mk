policy_image := $(addprefix core/policy/,image.c domains.c devices.c rights.c)
unit/policy/test_image := tests/unit/policy/sample.c $(policy_image)
unit-flags/policy/test_image := -I.

unit/policy/test_minisig := core/policy/minisig.c
unit-flags/policy/test_minisig := -I.
unit-libs/policy/test_minisig := -lsodium

unit/policy/test_check := core/policy/check.c lib/format.c
unit-flags/policy/test_check := -I.

unit/policy/test_match := tests/unit/policy/sample.c core/policy/match.c $(policy_image) core/boot/boot_info.c
unit-flags/policy/test_match := -I.
