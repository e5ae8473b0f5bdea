.PHONY: bench
bench: ## install what is needed, build, measure; renews the tables of docs/performance.md
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory all
	@tests/bench/bench.py --update
