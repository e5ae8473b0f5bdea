unit/mm/test_p2m := core/mm/p2m.c tests/models/memory_model.c
unit-flags/mm/test_p2m := -Itests
unit/mm/test_guest := core/mm/guest.c core/mm/p2m.c tests/models/memory_model.c
unit-flags/mm/test_guest := -Itests
