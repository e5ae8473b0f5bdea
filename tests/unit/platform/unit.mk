unit/platform/test_acpi_tables := core/platform/acpi_tables.c
