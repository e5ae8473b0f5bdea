unit/smm_container/test_take := core/smm_container/take.c core/smm_container/smram.c lib/format.c \
	tests/models/smm_model.c tests/models/pci_model.c tests/models/console_model.c core/audit/audit.c
unit-flags/smm_container/test_take := -Itests
# Core gives CPUs the low 32 bits of its addresses: no-pie keeps the test's own that short.
unit-libs/smm_container/test_take := -no-pie -Wl,--wrap=memcmp -lsodium
$(BUILD)/tests/unit/smm_container/test_take: core/smm_container/handlers.S # linked as well
