.PHONY: policyc
policyc:
