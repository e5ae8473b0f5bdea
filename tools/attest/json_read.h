/* What files in JSON hold, checked for type and size. Each returns false and says why in `fault`.
 */
#ifndef ATTEST_JSON_READ_H
#define ATTEST_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile.h"
#include "signed.h"

/* An object whose "format" is that; NULL if it isn't. To be freed by json_decref. */
json_t *read_format(const char *json, size_t size, const char *format, char fault[FAULT_SIZE]);

/* Members of an object. Numbers fit 63 bits; hexadecimal must give just `size` bytes. */
bool read_text(const json_t *object, const char *key, char *text, size_t size,
               char fault[FAULT_SIZE]);
bool read_hex(const json_t *object, const char *key, void *bytes, size_t size,
              char fault[FAULT_SIZE]);
/* Of any length up to `room`. */
bool read_hex_any(const json_t *object, const char *key, void *bytes, size_t room, size_t *size,
                  char fault[FAULT_SIZE]);
bool read_number(const json_t *object, const char *key, uint64_t *number, char fault[FAULT_SIZE]);
/* "profile": one that something can be enrolled or predicted in. */
bool read_launch(const json_t *object, enum profile *profile, char fault[FAULT_SIZE]);
const json_t *read_object(const json_t *object, const char *key, char fault[FAULT_SIZE]);
const json_t *read_array(const json_t *object, const char *key, size_t longest,
                         char fault[FAULT_SIZE]);

#endif
