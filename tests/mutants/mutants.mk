.PHONY: mutants
mutants: ## show that the suite fails for each protection that a patch in tests/mutants/ removes
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory all unit-programs
	@tests/mutants/mutants.py
