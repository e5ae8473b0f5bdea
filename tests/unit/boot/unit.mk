unit/boot/test_boot_info := core/boot/boot_info.c
unit/boot/test_multiboot1 := core/boot/multiboot1.c core/boot/loader.c core/boot/boot_info.c \
	lib/format.c
unit/boot/test_multiboot2 := core/boot/multiboot2.c core/boot/loader.c core/boot/boot_info.c \
	lib/format.c
