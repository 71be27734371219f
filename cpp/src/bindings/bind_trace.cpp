// Room `trace`: what a run gathered, as columns, histograms and logs.
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "mqttwin/trace/arrow.hpp"
#include "mqttwin/trace/columns.hpp"
#include "mqttwin/trace/event_log.hpp"
#include "mqttwin/trace/histogram.hpp"

#include "bindings.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using trace::Array;
using trace::Table;
using trace::Type;

std::vector<py::ssize_t> one_dimension(std::int64_t rows) {
    return {static_cast<py::ssize_t>(rows)};
}

py::dtype dtype_of(Type type) {
    switch (type) {
        case Type::boolean:
            return py::dtype::of<bool>();
        case Type::uint8:
            return py::dtype::of<std::uint8_t>();
        case Type::uint16:
            return py::dtype::of<std::uint16_t>();
        case Type::uint32:
            return py::dtype::of<std::uint32_t>();
        case Type::int64:
            return py::dtype::of<std::int64_t>();
        case Type::float64:
            return py::dtype::of<double>();
        case Type::duration_ns:
            return py::dtype::from_args(py::str("m8[ns]"));
        case Type::timestamp_ns:
            return py::dtype::from_args(py::str("M8[ns]"));
        case Type::utf8:
        case Type::binary:
        case Type::dictionary:
            break;
    }
    throw std::logic_error("no NumPy type for text");
}

// --- columns
// ----------------------------------------------------------------------------------------

/// The arrays of one column, batch after batch.
std::vector<const Array*> pieces_of(const Table& table, int column) {
    std::vector<const Array*> pieces;
    for (const trace::Batch& batch : table.batches()) {
        if (batch.length > 0) pieces.push_back(&batch.columns[static_cast<std::size_t>(column)]);
    }
    return pieces;
}

/// One array's values where they are; the view holds a share in them.
py::array view_of(const Array& piece) {
    const std::size_t width = trace::value_width(piece.type);
    auto* owner = new std::shared_ptr<const void>(piece.values.owner);
    const py::capsule base(owner,
                           [](void* p) { delete static_cast<std::shared_ptr<const void>*>(p); });
    const auto* first = piece.values.data + static_cast<std::size_t>(piece.offset) * width;
    py::array view(dtype_of(piece.type), one_dimension(piece.length), {}, first, base);
    view.attr("flags").attr("writeable") = false;
    return view;
}

py::array joined(const std::vector<const Array*>& pieces, Type type, std::int64_t rows) {
    py::array out(dtype_of(type), one_dimension(rows));
    const std::size_t width = trace::value_width(type);
    auto* to = static_cast<std::uint8_t*>(out.mutable_data());
    for (const Array* piece : pieces) {
        const std::size_t size = static_cast<std::size_t>(piece->length) * width;
        std::memcpy(to, piece->values.data + static_cast<std::size_t>(piece->offset) * width, size);
        to += size;
    }
    return out;
}

py::array booleans(const std::vector<const Array*>& pieces, std::int64_t rows) {
    py::array_t<bool> out(static_cast<py::ssize_t>(rows));
    bool* to = out.mutable_data();
    for (const Array* piece : pieces) {
        for (std::int64_t row = 0; row < piece->length; ++row) *to++ = piece->int_at(row) != 0;
    }
    return out;
}

/// Integers of which some are missing: floats with NaN, as pandas does.
py::array floats_with_nan(const std::vector<const Array*>& pieces, std::int64_t rows) {
    py::array_t<double> out(static_cast<py::ssize_t>(rows));
    double* to = out.mutable_data();
    for (const Array* piece : pieces) {
        for (std::int64_t row = 0; row < piece->length; ++row) {
            if (piece->is_null(row)) {
                *to++ = std::numeric_limits<double>::quiet_NaN();
            } else {
                *to++ = piece->type == Type::float64 ? piece->float_at(row)
                                                     : static_cast<double>(piece->int_at(row));
            }
        }
    }
    return out;
}

/// Times of which some are missing: NumPy's NaT is the smallest integer.
py::array times_with_nat(const std::vector<const Array*>& pieces, Type type, std::int64_t rows) {
    py::array out(dtype_of(type), one_dimension(rows));
    auto* to = static_cast<std::int64_t*>(out.mutable_data());
    for (const Array* piece : pieces) {
        for (std::int64_t row = 0; row < piece->length; ++row) {
            *to++ =
                piece->is_null(row) ? std::numeric_limits<std::int64_t>::min() : piece->int_at(row);
        }
    }
    return out;
}

py::object text_object(std::string_view text, Type type) {
    if (type == Type::binary) return py::bytes(text.data(), text.size());
    PyObject* decoded =
        PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
    if (decoded == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(decoded);
}

/// A list; a dictionary's entries become one object each, however often they occur.
py::list texts(const std::vector<const Array*>& pieces, std::int64_t rows) {
    py::list out(static_cast<std::size_t>(rows));
    std::size_t at = 0;
    const Array* dictionary = nullptr;
    std::vector<py::object> entries;
    for (const Array* piece : pieces) {
        if (piece->type == Type::dictionary && piece->dictionary.get() != dictionary) {
            dictionary = piece->dictionary.get();
            entries.assign(static_cast<std::size_t>(dictionary->length), py::object());
        }
        for (std::int64_t row = 0; row < piece->length; ++row) {
            if (piece->is_null(row)) {
                out[at++] = py::none();
            } else if (piece->type == Type::dictionary) {
                py::object& entry = entries[static_cast<std::size_t>(piece->int_at(row))];
                if (!entry) entry = text_object(piece->text_at(row), Type::utf8);
                out[at++] = entry;
            } else {
                out[at++] = text_object(piece->text_at(row), piece->type);
            }
        }
    }
    return out;
}

py::object column_of(const Table& table, const std::string& name) {
    const int column = table.find(name);
    if (column < 0) throw py::key_error(name);
    const Type type = table.fields()[static_cast<std::size_t>(column)].type;
    const auto pieces = pieces_of(table, column);
    bool nulls = false;
    for (const Array* piece : pieces) nulls = nulls || piece->null_count != 0;

    switch (type) {
        case Type::utf8:
        case Type::binary:
        case Type::dictionary:
            return texts(pieces, table.rows());
        case Type::boolean:
            return nulls ? floats_with_nan(pieces, table.rows()) : booleans(pieces, table.rows());
        case Type::duration_ns:
        case Type::timestamp_ns:
            if (nulls) return times_with_nat(pieces, type, table.rows());
            break;
        default:
            if (nulls) return floats_with_nan(pieces, table.rows());
    }
    if (pieces.size() == 1) return view_of(*pieces.front());
    return joined(pieces, type, table.rows());
}

// --- tables
// -----------------------------------------------------------------------------------------

constexpr const char* kStreamCapsule = "arrow_array_stream";

py::capsule arrow_stream(const Table& table, const py::object& /*requested_schema*/) {
    auto stream = std::make_unique<ArrowArrayStream>();
    stream->release = nullptr;
    trace::export_stream(table, stream.get());
    py::capsule capsule(stream.get(), kStreamCapsule, [](PyObject* object) {
        auto* held = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(object, kStreamCapsule));
        if (held == nullptr) {
            PyErr_WriteUnraisable(object);
            return;
        }
        if (held->release != nullptr) held->release(held);  // a consumer has taken it otherwise
        delete held;
    });
    static_cast<void>(stream.release());
    return capsule;
}

void bind_table(py::module_& m) {
    py::class_<Table>(m, "Table")
        .def("__arrow_c_stream__", &arrow_stream, py::arg("requested_schema") = py::none())
        .def_property_readonly("num_rows", &Table::rows)
        .def_property_readonly("column_names",
                               [](const Table& table) {
                                   std::vector<std::string> names;
                                   for (const auto& field : table.fields()) {
                                       names.push_back(field.name);
                                   }
                                   return names;
                               })
        .def_property_readonly("metadata",
                               [](const Table& table) {
                                   return std::map<std::string, std::string>(
                                       table.metadata().begin(), table.metadata().end());
                               })
        .def("column", &column_of, py::arg("name"));
}

// --- histograms
// -------------------------------------------------------------------------------------

py::tuple buckets_of(const trace::Histogram& histogram) {
    std::vector<std::int64_t> low;
    std::vector<std::int64_t> high;
    std::vector<std::int64_t> count;
    histogram.for_each([&](std::int64_t from, std::int64_t to, std::uint64_t n) {
        low.push_back(from);
        high.push_back(to);
        count.push_back(static_cast<std::int64_t>(n));
    });
    const auto array = [](const std::vector<std::int64_t>& values) {
        return py::array_t<std::int64_t>(static_cast<py::ssize_t>(values.size()), values.data());
    };
    return py::make_tuple(array(low), array(high), array(count));
}

void bind_histogram(py::module_& m) {
    using trace::Histogram;

    py::class_<Histogram>(m, "Histogram")
        .def(py::init<>())
        .def(
            "record",
            [](Histogram& histogram, std::int64_t value, std::uint64_t times) {
                histogram.record(value, times);
            },
            py::arg("value"), py::arg("times") = 1)
        .def_property_readonly("count", &Histogram::count)
        .def_property_readonly("min", &Histogram::min)
        .def_property_readonly("max", &Histogram::max)
        .def_property_readonly("mean", &Histogram::mean)
        .def("percentile", &Histogram::percentile, py::arg("q"))
        .def("fraction_above", &Histogram::fraction_above, py::arg("value"))
        .def("buckets", &buckets_of)
        .def("merge", &Histogram::merge, py::arg("other"))
        .def("to_bytes",
             [](const Histogram& histogram) {
                 const auto bytes = histogram.serialise();
                 return py::bytes(as_text(bytes).data(), bytes.size());
             })
        .def_static(
            "from_bytes",
            [](const py::bytes& data) {
                auto histogram = Histogram::deserialise(as_bytes(std::string_view(data)));
                if (!histogram) throw std::invalid_argument("not a serialised histogram");
                return *std::move(histogram);
            },
            py::arg("data"));
}

py::tuple read_log(const std::string& path) {
    trace::LogContents contents;
    {
        const py::gil_scoped_release without_gil;
        contents = trace::read_event_log(path);
    }
    std::map<std::string, std::string> header(contents.header.more.begin(),
                                              contents.header.more.end());
    header["seed"] = std::to_string(contents.header.seed);
    header["scenario"] = contents.header.scenario;
    std::string damage;
    if (contents.damage) {
        damage =
            contents.damage->reason + " (byte " + std::to_string(contents.damage->offset) + ")";
    }
    return py::make_tuple(std::move(contents.events), header, damage);
}

}  // namespace
}  // namespace mqttwin

void bind_trace(py::module_& m) {
    mqttwin::bind_table(m);
    mqttwin::bind_histogram(m);
    m.def("read_event_log", &mqttwin::read_log, py::arg("path"));
}
