#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Reads JSON texts, one at a time. Not for several threads at once.
typedef struct tributary_json_reader tributary_json_reader;

enum {
    /// Nested arrays and objects, the outermost included.
    TRIBUTARY_JSON_MAXIMUM_DEPTH = 512,
    /// Keys that a reader can know.
    TRIBUTARY_JSON_MAXIMUM_KEYS = 32,
};

typedef enum {
    tributary_json_absent = 0,
    tributary_json_object,
    tributary_json_array,
    tributary_json_string,
    tributary_json_number,
    tributary_json_true,
    tributary_json_false,
    tributary_json_null,
} tributary_json_kind;

typedef enum {
    tributary_json_ok = 0,
    tributary_json_no_memory,
    tributary_json_too_large,
    tributary_json_too_deep,
    tributary_json_not_utf8,
    tributary_json_malformed,
    tributary_json_not_an_object,
    tributary_json_unknown_key,
    tributary_json_duplicate_key,
} tributary_json_error;

/// The value of a key: where it stands in the text, without the blanks around it, and a string's decoded bytes.
typedef struct {
    tributary_json_kind kind;
    size_t start;
    size_t length;
    /// Valid until the next read; only of strings.
    const uint8_t *text;
    size_t text_length;
} tributary_json_value;

/// `keys`: those that an object may have, NUL-terminated; they are copied. NULL where there is no memory.
tributary_json_reader *tributary_json_reader_make(const char *const *keys, size_t key_count, size_t maximum_bytes);
void tributary_json_reader_free(tributary_json_reader *reader);

/// Reads a text that is one JSON object, all of it checked, with known keys and each at most once.
tributary_json_error tributary_json_read_object(tributary_json_reader *reader, const uint8_t *bytes, size_t length);

/// The value that the last object read had for a key, by the key's place in the list.
tributary_json_value tributary_json_value_of(const tributary_json_reader *reader, size_t key);

/// Whether a text is one JSON value of any kind, all of it checked. Blanks around it are allowed.
tributary_json_error tributary_json_check_value(tributary_json_reader *reader, const uint8_t *bytes, size_t length);

/// Where in the text the last read failed.
size_t tributary_json_error_offset(const tributary_json_reader *reader);

/// The unknown or repeated key that made the last read fail, decoded; valid until the next read.
const uint8_t *tributary_json_error_key(const tributary_json_reader *reader, size_t *length);

#ifdef __cplusplus
}
#endif
