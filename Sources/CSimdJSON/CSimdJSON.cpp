// simdjson's first stage finds every token and checks the UTF-8 and that strings end; its string decoder checks
// escapes. What lies between, the grammar over the tokens, is here: the library's own front ends check values only
// when they are asked for, refuse numbers that fit no machine type, or lose where a value stood.

#include "CSimdJSON.h"

#include <simdjson.h>

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {

using Implementation = simdjson::internal::dom_parser_implementation;

// Later versions of simdjson have a third argument: whether to replace lone surrogates.
template <class Parser>
auto decode(const Parser &parser, const uint8_t *from, uint8_t *to, int) -> decltype(parser.parse_string(from, to)) {
    return parser.parse_string(from, to);
}

template <class Parser>
auto decode(const Parser &parser, const uint8_t *from, uint8_t *to, long)
    -> decltype(parser.parse_string(from, to, false)) {
    return parser.parse_string(from, to, false);
}

bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

// RFC 8259 §6, whatever the magnitude.
bool is_number(const uint8_t *at, const uint8_t *end) {
    if (at < end && *at == '-') at++;
    if (at == end || !is_digit(*at)) return false;
    if (*at == '0') {
        at++;
    } else {
        while (at < end && is_digit(*at)) at++;
    }
    if (at < end && *at == '.') {
        at++;
        if (at == end || !is_digit(*at)) return false;
        while (at < end && is_digit(*at)) at++;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        if (at == end || !is_digit(*at)) return false;
        while (at < end && is_digit(*at)) at++;
    }
    return at == end;
}

constexpr size_t smallest_capacity = 16 * 1024;

}  // namespace

struct tributary_json_reader {
    std::vector<std::string> keys;
    size_t maximum = 0;

    std::unique_ptr<Implementation> parser;
    size_t capacity = 0;
    // The text and simdjson's padding after it.
    std::unique_ptr<uint8_t[]> text;
    size_t length = 0;
    // Decoded strings of the outermost object, one after the other, and room for one more to check.
    std::unique_ptr<uint8_t[]> strings;
    uint8_t *strings_end = nullptr;

    size_t token = 0;
    size_t tokens = 0;
    size_t failed_at = 0;
    const uint8_t *failed_key = nullptr;
    size_t failed_key_length = 0;
    tributary_json_value values[TRIBUTARY_JSON_MAXIMUM_KEYS];

    tributary_json_error grow(size_t needed) {
        if (needed <= capacity) return tributary_json_ok;
        size_t larger = capacity == 0 ? smallest_capacity : capacity;
        while (larger < needed) larger *= 2;
        if (larger > maximum) larger = maximum;
        const size_t padded = larger + simdjson::SIMDJSON_PADDING;
        text.reset(new (std::nothrow) uint8_t[padded]);
        // A string is never longer decoded than encoded; the decoder writes up to a padding further.
        strings.reset(new (std::nothrow) uint8_t[2 * padded]);
        capacity = 0;
        if (!text || !strings) return tributary_json_no_memory;
        const simdjson::implementation *implementation = simdjson::get_active_implementation();
        if (implementation->create_dom_parser_implementation(larger, 16, parser) != simdjson::SUCCESS) {
            return tributary_json_no_memory;
        }
        capacity = larger;
        return tributary_json_ok;
    }

    tributary_json_error begin(const uint8_t *bytes, size_t count) {
        token = tokens = failed_at = length = 0;
        failed_key = nullptr;
        failed_key_length = 0;
        for (tributary_json_value &value : values) value = tributary_json_value{};
        if (count > maximum) return tributary_json_too_large;
        if (count == 0) return tributary_json_malformed;
        if (tributary_json_error error = grow(count)) return error;
        std::memcpy(text.get(), bytes, count);
        std::memset(text.get() + count, 0, simdjson::SIMDJSON_PADDING);
        length = count;
        strings_end = strings.get();
        const simdjson::error_code error = parser->stage1(text.get(), count, simdjson::stage1_mode::regular);
        if (error == simdjson::UTF8_ERROR) return tributary_json_not_utf8;
        if (error != simdjson::SUCCESS) return tributary_json_malformed;
        tokens = parser->n_structural_indexes;
        return tributary_json_ok;
    }

    size_t start_of(size_t index) const { return index < tokens ? parser->structural_indexes[index] : length; }

    uint8_t byte_of(size_t index) const { return index < tokens ? text[start_of(index)] : 0; }

    // Where the token before `index` ends.
    size_t end_before(size_t index) const {
        size_t end = start_of(index);
        while (end > 0 && is_blank(text[end - 1])) end--;
        return end;
    }

    tributary_json_error fail(tributary_json_error error, size_t at) {
        failed_at = at;
        return error;
    }

    tributary_json_error malformed() { return fail(tributary_json_malformed, start_of(token)); }

    tributary_json_error take_string(bool keep, const uint8_t **decoded, size_t *decoded_length) {
        const size_t start = start_of(token);
        const size_t end = end_before(token + 1);
        if (end < start + 2 || text[end - 1] != '"') return malformed();
        if (!keep && std::memchr(text.get() + start + 1, '\\', end - start - 2) == nullptr) {
            token++;
            return tributary_json_ok;
        }
        uint8_t *const decoded_end = decode(*parser, text.get() + start + 1, strings_end, 0);
        if (decoded_end == nullptr) return malformed();
        if (keep) {
            *decoded = strings_end;
            *decoded_length = size_t(decoded_end - strings_end);
            strings_end = decoded_end;
        }
        token++;
        return tributary_json_ok;
    }

    tributary_json_error take_literal(const char *word, size_t word_length) {
        const size_t start = start_of(token);
        if (end_before(token + 1) - start != word_length || std::memcmp(text.get() + start, word, word_length) != 0) {
            return malformed();
        }
        token++;
        return tributary_json_ok;
    }

    tributary_json_error take_array(size_t depth) {
        token++;
        if (byte_of(token) == ']') {
            token++;
            return tributary_json_ok;
        }
        while (true) {
            tributary_json_kind kind;
            if (tributary_json_error error = take_value(depth, &kind)) return error;
            const uint8_t next = byte_of(token);
            if (next != ',' && next != ']') return malformed();
            token++;
            if (next == ']') return tributary_json_ok;
        }
    }

    tributary_json_error take_object(size_t depth) {
        token++;
        if (byte_of(token) == '}') {
            token++;
            return tributary_json_ok;
        }
        while (true) {
            if (byte_of(token) != '"') return malformed();
            if (tributary_json_error error = take_string(false, nullptr, nullptr)) return error;
            if (byte_of(token) != ':') return malformed();
            token++;
            tributary_json_kind kind;
            if (tributary_json_error error = take_value(depth, &kind)) return error;
            const uint8_t next = byte_of(token);
            if (next != ',' && next != '}') return malformed();
            token++;
            if (next == '}') return tributary_json_ok;
        }
    }

    // A value that stands inside `depth` arrays and objects.
    tributary_json_error take_value(size_t depth, tributary_json_kind *kind) {
        switch (byte_of(token)) {
        case '{':
        case '[':
            if (depth >= TRIBUTARY_JSON_MAXIMUM_DEPTH) return fail(tributary_json_too_deep, start_of(token));
            *kind = byte_of(token) == '{' ? tributary_json_object : tributary_json_array;
            return *kind == tributary_json_object ? take_object(depth + 1) : take_array(depth + 1);
        case '"':
            *kind = tributary_json_string;
            return take_string(false, nullptr, nullptr);
        case 't':
            *kind = tributary_json_true;
            return take_literal("true", 4);
        case 'f':
            *kind = tributary_json_false;
            return take_literal("false", 5);
        case 'n':
            *kind = tributary_json_null;
            return take_literal("null", 4);
        default:
            *kind = tributary_json_number;
            if (token >= tokens) return malformed();
            if (!is_number(text.get() + start_of(token), text.get() + end_before(token + 1))) return malformed();
            token++;
            return tributary_json_ok;
        }
    }

    tributary_json_error take_key(tributary_json_value **value) {
        if (byte_of(token) != '"') return malformed();
        const size_t at = start_of(token);
        uint8_t *const before = strings_end;
        const uint8_t *key = nullptr;
        size_t key_length = 0;
        if (tributary_json_error error = take_string(true, &key, &key_length)) return error;
        strings_end = before;
        failed_key = key;
        failed_key_length = key_length;
        for (size_t index = 0; index < keys.size(); index++) {
            if (keys[index].size() != key_length || std::memcmp(keys[index].data(), key, key_length) != 0) continue;
            if (values[index].kind != tributary_json_absent) return fail(tributary_json_duplicate_key, at);
            *value = &values[index];
            return tributary_json_ok;
        }
        return fail(tributary_json_unknown_key, at);
    }

    tributary_json_error take_field() {
        tributary_json_value *value = nullptr;
        if (tributary_json_error error = take_key(&value)) return error;
        if (byte_of(token) != ':') return malformed();
        token++;
        value->start = start_of(token);
        if (byte_of(token) == '"') {
            if (tributary_json_error error = take_string(true, &value->text, &value->text_length)) return error;
            value->kind = tributary_json_string;
        } else if (tributary_json_error error = take_value(1, &value->kind)) {
            return error;
        }
        value->length = end_before(token) - value->start;
        return tributary_json_ok;
    }

    tributary_json_error read_object() {
        if (byte_of(0) != '{') return fail(tributary_json_not_an_object, start_of(0));
        token = 1;
        bool more = byte_of(token) != '}';
        if (!more) token++;
        while (more) {
            if (tributary_json_error error = take_field()) return error;
            const uint8_t next = byte_of(token);
            if (next != ',' && next != '}') return malformed();
            token++;
            more = next == ',';
        }
        return token == tokens ? tributary_json_ok : malformed();
    }
};

tributary_json_reader *tributary_json_reader_make(const char *const *keys, size_t key_count, size_t maximum_bytes) {
    if (key_count > TRIBUTARY_JSON_MAXIMUM_KEYS || maximum_bytes > UINT32_MAX / 4) return nullptr;
    try {
        auto reader = std::make_unique<tributary_json_reader>();
        for (size_t index = 0; index < key_count; index++) reader->keys.emplace_back(keys[index]);
        reader->maximum = maximum_bytes;
        return reader.release();
    } catch (...) {
        return nullptr;
    }
}

void tributary_json_reader_free(tributary_json_reader *reader) { delete reader; }

tributary_json_error tributary_json_read_object(tributary_json_reader *reader, const uint8_t *bytes, size_t length) {
    if (tributary_json_error error = reader->begin(bytes, length)) return error;
    return reader->read_object();
}

tributary_json_value tributary_json_value_of(const tributary_json_reader *reader, size_t key) {
    return reader->values[key];
}

tributary_json_error tributary_json_check_value(tributary_json_reader *reader, const uint8_t *bytes, size_t length) {
    if (tributary_json_error error = reader->begin(bytes, length)) return error;
    tributary_json_kind kind;
    if (tributary_json_error error = reader->take_value(0, &kind)) return error;
    return reader->token == reader->tokens ? tributary_json_ok : reader->malformed();
}

size_t tributary_json_error_offset(const tributary_json_reader *reader) { return reader->failed_at; }

const uint8_t *tributary_json_error_key(const tributary_json_reader *reader, size_t *length) {
    *length = reader->failed_key_length;
    return reader->failed_key;
}
