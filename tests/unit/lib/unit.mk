unit/lib/test_format := lib/format.c
unit/lib/test_memory := lib/memory.c
unit/lib/test_evlog := lib/evlog.c tests/unit/policy/sample.c
# Beside the C library's functions of the same names.
unit-flags/lib/test_memory := -Dmemcpy=own_memcpy -Dmemmove=own_memmove -Dmemset=own_memset \
	-Dmemcmp=own_memcmp -Dstrlen=own_strlen -Dstrcmp=own_strcmp -fno-builtin
# libcbor reads back what was written.
unit/lib/test_cbor := lib/cbor.c
unit-libs/lib/test_cbor := -lcbor
unit/lib/test_evidence := lib/evidence.c lib/cbor.c
unit-libs/lib/test_evidence := -lcbor
