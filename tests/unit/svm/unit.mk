unit/svm/test_svm = $(EXITS_ON_MODEL)
unit-flags/svm/test_svm = $(EXITS_FLAGS)
