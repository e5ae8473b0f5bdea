unit/domain/test_memory_map := core/domain/memory_map.c
unit/domain/test_efi_map := core/domain/efi_map.c
unit/domain/test_linux := core/domain/linux.c core/domain/memory_map.c core/domain/start.c
unit/domain/test_acpi_filter := core/domain/acpi_filter.c
KERNEL_READERS := core/domain/elf.c core/domain/kernel.c core/domain/multiboot1.c core/domain/pvh.c
unit/domain/test_kernel := $(KERNEL_READERS)
unit/domain/test_told := $(KERNEL_READERS) core/domain/memory_map.c
