unit/platform/test_acpi_tables := core/platform/acpi_tables.c
unit/platform/test_features := core/platform/features.c
unit/platform/test_screen :=
