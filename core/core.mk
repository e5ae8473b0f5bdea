.PHONY: core
core:
