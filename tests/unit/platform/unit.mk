unit/platform/test_acpi_tables := core/platform/acpi_tables.c
unit/platform/test_features := core/platform/features.c
unit/platform/test_screen :=
unit/platform/test_interrupts := core/platform/interrupts.c core/platform/timer.c lib/format.c \
	tests/models/console_model.c tests/models/cpu_model.c
unit-flags/platform/test_interrupts := -iquote tests/models/shadow -Itests
