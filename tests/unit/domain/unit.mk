unit/domain/test_memory_map := core/domain/memory_map.c
unit/domain/test_efi_map := core/domain/efi_map.c
unit/domain/test_linux := core/domain/linux.c core/domain/memory_map.c core/domain/start.c
unit/domain/test_acpi_filter := core/domain/acpi_filter.c
