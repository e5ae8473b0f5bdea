# work, the untrusted Linux domain: Debian's kernel as it is (scripts/setup.sh puts
# it into build/kernel/) and an initramfs with busybox.
#   name=work.kernel   build/kernel/vmlinuz
#   name=work.initrd   build/domains/work/initrd
# Static programs that fragments included earlier add to WORK_TOOLS come into its /bin.

WORK_KERNEL := $(BUILD)/kernel/vmlinuz
WORK_INITRD := $(BUILD)/domains/work/initrd

domains: $(WORK_INITRD)

$(WORK_KERNEL):
	scripts/setup.sh build

# A tool that is taken off the list changes no file's time: the list is kept in one.
WORK_TOOL_LIST := $(BUILD)/domains/work/tools.list
$(WORK_TOOL_LIST): FORCE
	@mkdir -p $(@D)
	@echo '$(WORK_TOOLS)' | cmp -s - $@ || echo '$(WORK_TOOLS)' >$@

$(WORK_INITRD): domains/work/initramfs.py domains/work/init $(wildcard domains/work/etc/*) \
		$(WORK_KERNEL) $(WORK_TOOL_LIST) $(WORK_TOOLS)
	@echo "  INITRD  work"
	@domains/work/initramfs.py --kernel $(BUILD)/kernel -o $@ $(WORK_TOOLS)

.PHONY: FORCE
FORCE:
