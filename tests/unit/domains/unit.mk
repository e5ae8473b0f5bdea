unit/domains/test_random := domains/lib/random.c
unit-flags/domains/test_random := -I.

unit/domains/test_vault := domains/vault/service.c domains/lib/random.c lib/format.c
unit-flags/domains/test_vault := -I.
unit-libs/domains/test_vault := -lsodium -pthread

unit/domains/test_minisig := domains/work/minisig.c domains/vault/service.c domains/lib/random.c \
	lib/format.c
unit-flags/domains/test_minisig := -I.
unit-libs/domains/test_minisig := -lsodium

unit/domains/test_report := domains/intruder/report.c lib/format.c
unit-flags/domains/test_report := -I.
