unit/vdev/test_apic_filter := core/vdev/apic_filter.c
unit/vdev/test_apic_wish := core/vdev/apic_filter.c
unit/vdev/test_vlapic := core/vdev/vlapic.c core/vdev/vtimer.c
unit/vdev/test_vtimer := core/vdev/vlapic.c core/vdev/vtimer.c

# The devices behind the handlers of exits, on models of the hardware behind them.
VDEV_ON_MODEL = $(filter-out %/vdev_model.c,$(EXITS_ON_MODEL)) $(wildcard core/vdev/*.c) \
	core/iommu_dev/remap.c tests/models/dma_model.c tests/models/pci_model.c

define vdev_test
unit/vdev/$(1) = $$(VDEV_ON_MODEL)
unit-flags/vdev/$(1) = $$(EXITS_FLAGS)
endef
$(foreach test,test_apic test_pci test_pci_bars test_ioapic test_ioapic_cores test_msi test_msi_random test_keyboard test_rtc test_injection test_offers test_bell test_x2apic,$(eval $(call vdev_test,$(test))))
