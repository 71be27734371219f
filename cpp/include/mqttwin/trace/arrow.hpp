// Tables through the Arrow C data interface and C stream interface, without Arrow.
//
// https://arrow.apache.org/docs/format/CDataInterface.html and CStreamInterface.html; the three
// structs below are theirs, with their include guards, so that other libraries' copies agree.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mqttwin/trace/columns.hpp"

extern "C" {

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

// NOLINTBEGIN(modernize-*): a C interface
struct ArrowSchema {
    const char* format;
    const char* name;
    const char* metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema** children;
    struct ArrowSchema* dictionary;
    void (*release)(struct ArrowSchema*);
    void* private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void** buffers;
    struct ArrowArray** children;
    struct ArrowArray* dictionary;
    void (*release)(struct ArrowArray*);
    void* private_data;
};
#endif  // ARROW_C_DATA_INTERFACE

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
    int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
    const char* (*get_last_error)(struct ArrowArrayStream*);
    void (*release)(struct ArrowArrayStream*);
    void* private_data;
};
// NOLINTEND(modernize-*)
#endif  // ARROW_C_STREAM_INTERFACE

}  // extern "C"

namespace mqttwin::trace {

// Each fills `out`, which must not hold anything yet; whoever receives it calls out->release.
// What was exported keeps the buffers alive on its own, the table may go away first.

/// A struct type with one child a field, the table's metadata on top.
void export_schema(const Table& table, ArrowSchema* out);
/// A struct array of one batch.
void export_batch(const Table& table, std::size_t batch, ArrowArray* out);
/// All batches, one after the other: what __arrow_c_stream__ wraps in a capsule.
void export_stream(const Table& table, ArrowArrayStream* out);

}  // namespace mqttwin::trace
