unit/vdev/test_apic_filter := core/vdev/apic_filter.c
