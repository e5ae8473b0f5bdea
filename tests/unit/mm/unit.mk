unit/mm/test_p2m := core/mm/p2m.c tests/models/memory_model.c
unit-flags/mm/test_p2m := -Itests
