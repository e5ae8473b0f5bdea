unit/iommu_dev/test_ivrs := core/iommu_dev/ivrs.c
unit/iommu_dev/test_event := core/iommu_dev/event.c

# The whole of core/iommu_dev but its register accesses, on a model of the hardware.
IOMMU_DEV_ON_MODEL := core/iommu_dev/dma.c core/iommu_dev/amdvi.c core/iommu_dev/unit.c \
	core/iommu_dev/unit_log.c core/iommu_dev/event.c core/iommu_dev/ivrs.c lib/format.c \
	core/iommu_dev/masters.c core/audit/audit.c tests/models/amdvi_model.c tests/models/console_model.c \
	tests/models/pci_model.c tests/unit/iommu_dev/machine.c
unit/iommu_dev/test_close := $(IOMMU_DEV_ON_MODEL)
unit/iommu_dev/test_policy := $(IOMMU_DEV_ON_MODEL)
unit/iommu_dev/test_report := $(IOMMU_DEV_ON_MODEL)
unit/iommu_dev/test_remap := $(IOMMU_DEV_ON_MODEL) core/iommu_dev/remap.c
unit-flags/iommu_dev/test_remap := -Itests
unit-flags/iommu_dev/test_close := -Itests
unit-flags/iommu_dev/test_policy := -Itests
unit-flags/iommu_dev/test_report := -Itests

unit/iommu_dev/test_masters := core/iommu_dev/masters.c tests/models/pci_model.c
unit-flags/iommu_dev/test_masters := -Itests
