policy_image := $(addprefix core/policy/,image.c domains.c devices.c rights.c)
unit/policy/test_image := tests/unit/policy/sample.c $(policy_image)
unit/policy/test_intercepts := tests/unit/policy/sample.c $(policy_image)

unit/policy/test_minisig := core/policy/minisig.c
unit-libs/policy/test_minisig := -lsodium

unit/policy/test_check := core/policy/check.c lib/format.c

unit/policy/test_match := tests/unit/policy/sample.c core/policy/match.c $(policy_image) core/boot/boot_info.c
