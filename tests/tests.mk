.PHONY: tests
tests:
