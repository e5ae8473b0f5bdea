unit/svm/test_svm = $(EXITS_ON_MODEL)
unit-flags/svm/test_svm = $(EXITS_FLAGS)
unit/svm/test_run = $(EXITS_ON_MODEL)
unit-flags/svm/test_run = $(EXITS_FLAGS)
unit/svm/test_asid := core/svm/asid.c core/svm/check/model.c core/svm/check/vmcb.c
