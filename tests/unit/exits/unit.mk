unit/exits/test_decode := core/exits/decode.c lib/format.c
unit/exits/test_decode_random := core/exits/decode.c
unit-libs/exits/test_decode_random := -lZydis
unit/exits/test_mode := core/exits/mode.c
