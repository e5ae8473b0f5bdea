.PHONY: domains
domains:
