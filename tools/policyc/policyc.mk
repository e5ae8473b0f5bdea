# policyc, the policy compiler: front (text to model), emit (model to image), verify (image
# against model), sign (minisign's formats), predict (what a TPM will hold).
POLICYC_BUILD := $(BUILD)/policyc.o
POLICYC_FRONT := $(filter-out tools/policyc/front/%.l,$(wildcard tools/policyc/front/*.c))
POLICYC_FRONT_GENERATED := $(POLICYC_BUILD)/parser.c $(POLICYC_BUILD)/lexer.c
POLICYC_PARTS := $(wildcard $(addprefix tools/policyc/,emit/*.c verify/*.c sign/*.c predict/*.c))
POLICYC_KERNELS := $(addprefix core/domain/,start.c linux.c memory_map.c kernel.c elf.c pvh.c multiboot1.c)
# What core will say of an image and of kernels, and how it writes its log.
POLICYC_CORE := $(addprefix core/policy/,check.c image.c domains.c devices.c rights.c minisig.c) \
	$(POLICYC_KERNELS) lib/evlog.c lib/format.c
POLICYC_MAIN := $(wildcard tools/policyc/*.c)
POLICYC_SOURCES := $(POLICYC_FRONT) $(POLICYC_PARTS) $(POLICYC_MAIN)
POLICYC_OBJECTS := $(POLICYC_SOURCES:tools/policyc/%.c=$(POLICYC_BUILD)/%.o) \
	$(POLICYC_FRONT_GENERATED:.c=.o) $(POLICYC_CORE:%.c=$(POLICYC_BUILD)/tree/%.o)
POLICYC_CFLAGS := $(HOST_CFLAGS) -Itools/policyc -Itools/policyc/front -I$(POLICYC_BUILD)

.PHONY: policyc
policyc: $(BUILD)/policyc

$(BUILD)/policyc: $(POLICYC_OBJECTS)
	@echo "  LINK    $@"
	@$(CC) -o $@ $^ -lsodium -ljansson

$(POLICYC_BUILD)/tree/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$(POLICYC_BUILD)/%.o: tools/policyc/%.c $(POLICYC_BUILD)/parser.h
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(POLICYC_CFLAGS) -MMD -MP -c -o $@ $<

$(POLICYC_BUILD)/%.o: $(POLICYC_BUILD)/%.c $(POLICYC_BUILD)/parser.h
	@echo "  CC      $<"
	@$(CC) $(POLICYC_CFLAGS) -MMD -MP -c -o $@ $<

# One run of bison makes both.
$(POLICYC_BUILD)/parser.c $(POLICYC_BUILD)/parser.h &: tools/policyc/front/parser.y
	@mkdir -p $(@D)
	@echo "  BISON   $<"
	@bison --warnings=all -Werror -o $(POLICYC_BUILD)/parser.c --header=$(POLICYC_BUILD)/parser.h $<

$(POLICYC_BUILD)/lexer.c: tools/policyc/front/lexer.l
	@mkdir -p $(@D)
	@echo "  FLEX    $<"
	@flex -o $@ $<

-include $(POLICYC_OBJECTS:.o=.d)
