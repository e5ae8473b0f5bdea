# The transport and all above it, on a model of the TPM's interface.
TPM_ON_MODEL := core/attest/tis.c core/attest/command.c core/attest/message.c core/attest/error.c \
	lib/evlog.c tests/models/tis_model.c
unit/core_attest/test_tis := $(TPM_ON_MODEL)
unit-flags/core_attest/test_tis := -Itests
unit/core_attest/test_command := core/attest/command.c core/attest/message.c lib/evlog.c
unit-libs/core_attest/test_command := -lsodium
unit/core_attest/test_log := core/attest/log.c lib/evlog.c
unit-libs/core_attest/test_log := -lsodium
unit/core_attest/test_boot := $(TPM_ON_MODEL) core/attest/boot.c core/attest/enrolled.c core/attest/log.c \
	lib/format.c tests/models/boot_tpm.c tests/models/console_model.c tests/unit/policy/sample.c
unit-flags/core_attest/test_boot := -Itests
unit-libs/core_attest/test_boot := -lsodium
