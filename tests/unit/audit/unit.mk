unit/audit/test_audit := core/audit/audit.c lib/format.c tests/models/console_model.c
unit-flags/audit/test_audit := -Itests
