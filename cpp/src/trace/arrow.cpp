#include "mqttwin/trace/arrow.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace mqttwin::trace {
namespace {

const char* format_of(Type type) {
    switch (type) {
        case Type::boolean:
            return "b";
        case Type::uint8:
            return "C";
        case Type::uint16:
            return "S";
        case Type::uint32:
            return "I";
        case Type::int64:
            return "l";
        case Type::float64:
            return "g";
        case Type::duration_ns:
            return "tDn";
        case Type::timestamp_ns:
            return "tsn:";
        case Type::utf8:
            return "U";
        case Type::binary:
            return "Z";
        case Type::dictionary:
            return "i";  // of the indices
    }
    return "n";
}

// What a schema or an array points at: freed by its release callback, and by nothing else. Children
// have bodies of their own, because the consumer may move one out and release it later.
struct SchemaBody {
    std::string name;
    std::string metadata;
    std::vector<ArrowSchema> children;
    std::vector<ArrowSchema*> child_pointers;
    ArrowSchema dictionary{};
};

struct ArrayBody {
    Array array;  // a share in the buffers
    std::array<const void*, 3> buffers{};
    std::vector<ArrowArray> children;
    std::vector<ArrowArray*> child_pointers;
    ArrowArray dictionary{};
};

struct StreamBody {
    Table table;
    std::size_t next = 0;
    std::string error;
};

// As the specification wants it: what was moved out of the structure has no release any more.
template <typename Struct, typename Body>
void release_tree(Struct* self) {
    std::unique_ptr<Body> body(static_cast<Body*>(self->private_data));
    for (Struct& child : body->children) {
        if (child.release != nullptr) child.release(&child);
    }
    if (body->dictionary.release != nullptr) body->dictionary.release(&body->dictionary);
    self->release = nullptr;
    self->private_data = nullptr;
}

extern "C" void mqttwin_release_schema(ArrowSchema* self) {
    release_tree<ArrowSchema, SchemaBody>(self);
}

extern "C" void mqttwin_release_array(ArrowArray* self) {
    release_tree<ArrowArray, ArrayBody>(self);
}

// Attaches a body whose children may or may not have been filled; from here on `out` owns it.
void attach(std::unique_ptr<SchemaBody> body, ArrowSchema* out) {
    for (ArrowSchema& child : body->children) body->child_pointers.push_back(&child);
    out->name = body->name.c_str();
    out->metadata = body->metadata.empty() ? nullptr : body->metadata.data();
    out->n_children = static_cast<std::int64_t>(body->children.size());
    out->children = body->children.empty() ? nullptr : body->child_pointers.data();
    out->dictionary = nullptr;
    out->release = mqttwin_release_schema;
    out->private_data = body.release();
}

void attach(std::unique_ptr<ArrayBody> body, ArrowArray* out) {
    for (ArrowArray& child : body->children) body->child_pointers.push_back(&child);
    out->buffers = body->buffers.data();
    out->n_children = static_cast<std::int64_t>(body->children.size());
    out->children = body->children.empty() ? nullptr : body->child_pointers.data();
    out->dictionary = nullptr;
    out->release = mqttwin_release_array;
    out->private_data = body.release();
}

// Releases what was exported so far when an allocation fails on the way.
template <typename Struct>
class Guard {
   public:
    explicit Guard(Struct* out) : out_(out) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() {
        if (out_ != nullptr && out_->release != nullptr) out_->release(out_);
    }
    void dismiss() { out_ = nullptr; }

   private:
    Struct* out_;
};

// Number of pairs, then length and bytes of each key and value, lengths as native int32.
std::string encode_metadata(const Metadata& metadata) {
    std::string out;
    if (metadata.empty()) return out;
    const auto put_size = [&out](std::size_t size) {
        const auto narrow = static_cast<std::int32_t>(size);
        char bytes[4];
        std::memcpy(bytes, &narrow, 4);
        out.append(bytes, 4);
    };
    put_size(metadata.size());
    for (const auto& [key, value] : metadata) {
        put_size(key.size());
        out += key;
        put_size(value.size());
        out += value;
    }
    return out;
}

void export_field(const std::string& name, Type type, bool nullable, ArrowSchema* out) {
    *out = ArrowSchema{};
    auto body = std::make_unique<SchemaBody>();
    SchemaBody* const raw = body.get();
    body->name = name;
    out->format = format_of(type);
    out->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
    attach(std::move(body), out);
    if (type == Type::dictionary) {
        Guard<ArrowSchema> guard(out);
        export_field("", Type::utf8, false, &raw->dictionary);
        out->dictionary = &raw->dictionary;
        guard.dismiss();
    }
}

// An empty vector has no address, yet consumers may look at one offset, or expect a pointer.
const void* address(const Buffer& buffer) {
    alignas(64) static constexpr std::uint8_t kNothing[64] = {};
    return buffer.data != nullptr ? buffer.data : kNothing;
}

void export_array(const Array& array, ArrowArray* out) {
    *out = ArrowArray{};
    auto body = std::make_unique<ArrayBody>();
    ArrayBody* const raw = body.get();
    body->array = array;
    body->buffers[0] = array.null_count > 0 ? array.validity.data : nullptr;
    body->buffers[1] = address(array.values);
    body->buffers[2] = address(array.heap);
    out->length = array.length;
    out->null_count = array.null_count;
    out->offset = array.offset;
    out->n_buffers = array.type == Type::utf8 || array.type == Type::binary ? 3 : 2;
    attach(std::move(body), out);
    if (array.type == Type::dictionary) {
        Guard<ArrowArray> guard(out);
        export_array(*array.dictionary, &raw->dictionary);
        out->dictionary = &raw->dictionary;
        guard.dismiss();
    }
}

StreamBody& body_of(ArrowArrayStream* self) {
    return *static_cast<StreamBody*>(self->private_data);
}

// No exception may cross the C interface.
template <typename Action>
int guarded(ArrowArrayStream* self, Action&& action) {
    StreamBody& body = body_of(self);
    try {
        body.error.clear();
        action(body);
        return 0;
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    } catch (const std::exception& problem) {
        body.error = problem.what();
        return EIO;
    }
}

extern "C" int mqttwin_stream_schema(ArrowArrayStream* self, ArrowSchema* out) {
    return guarded(self, [out](StreamBody& body) { export_schema(body.table, out); });
}

extern "C" int mqttwin_stream_next(ArrowArrayStream* self, ArrowArray* out) {
    return guarded(self, [out](StreamBody& body) {
        if (body.next == body.table.batches().size()) {
            *out = ArrowArray{};  // no release: the end of the stream
            return;
        }
        export_batch(body.table, body.next, out);
        ++body.next;
    });
}

extern "C" const char* mqttwin_stream_error(ArrowArrayStream* self) {
    const StreamBody& body = body_of(self);
    return body.error.empty() ? nullptr : body.error.c_str();
}

extern "C" void mqttwin_release_stream(ArrowArrayStream* self) {
    delete static_cast<StreamBody*>(self->private_data);
    self->release = nullptr;
    self->private_data = nullptr;
}

}  // namespace

void export_schema(const Table& table, ArrowSchema* out) {
    *out = ArrowSchema{};
    auto body = std::make_unique<SchemaBody>();
    SchemaBody* const raw = body.get();
    body->metadata = encode_metadata(table.metadata());
    body->children.resize(table.fields().size());
    out->format = "+s";
    attach(std::move(body), out);
    Guard<ArrowSchema> guard(out);
    for (std::size_t c = 0; c < table.fields().size(); ++c) {
        const Field& field = table.fields()[c];
        export_field(field.name, field.type, field.nullable, &raw->children[c]);
    }
    guard.dismiss();
}

void export_batch(const Table& table, std::size_t batch, ArrowArray* out) {
    const Batch& source = table.batches()[batch];
    *out = ArrowArray{};
    auto body = std::make_unique<ArrayBody>();
    ArrayBody* const raw = body.get();
    body->children.resize(source.columns.size());
    out->length = source.length;
    out->n_buffers = 1;  // a validity bitmap, absent
    attach(std::move(body), out);
    Guard<ArrowArray> guard(out);
    for (std::size_t c = 0; c < source.columns.size(); ++c) {
        export_array(source.columns[c], &raw->children[c]);
    }
    guard.dismiss();
}

void export_stream(const Table& table, ArrowArrayStream* out) {
    auto body = std::make_unique<StreamBody>();
    body->table = table;
    *out = ArrowArrayStream{};
    out->get_schema = mqttwin_stream_schema;
    out->get_next = mqttwin_stream_next;
    out->get_last_error = mqttwin_stream_error;
    out->release = mqttwin_release_stream;
    out->private_data = body.release();
}

}  // namespace mqttwin::trace
