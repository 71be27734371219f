// Tables that Python fills: what many runs came to.
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "mqttwin/trace/columns.hpp"

#include "bindings.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

using trace::Column;
using trace::Type;

using Description = std::tuple<std::string, std::string, py::list>;

Type type_from(const std::string& kind) {
    if (kind == "boolean") return Type::boolean;
    if (kind == "int64") return Type::int64;
    if (kind == "float64") return Type::float64;
    if (kind == "duration_ns") return Type::duration_ns;
    if (kind == "utf8") return Type::utf8;
    throw py::value_error("kind: must be boolean, int64, float64, duration_ns or utf8, not " +
                          kind);
}

Column column_from(const Description& description) {
    const auto& [name, kind, values] = description;
    Column column(name, type_from(kind));
    column.reserve(values.size());
    for (const py::handle value : values) {
        if (value.is_none()) {
            column.append_null();
            continue;
        }
        switch (column.type()) {
            case Type::boolean:
                column.append_bool(value.cast<bool>());
                break;
            case Type::float64:
                column.append_float(value.cast<double>());
                break;
            case Type::utf8:
                column.append_text(value.cast<std::string>());
                break;
            default:
                column.append_int(value.cast<std::int64_t>());
        }
    }
    return column;
}

trace::Table make_table(const std::vector<Description>& descriptions) {
    std::vector<Column> columns;
    for (const Description& description : descriptions) {
        if (std::get<2>(description).size() != std::get<2>(descriptions.front()).size()) {
            throw py::value_error("columns: must be of one length");
        }
        columns.push_back(column_from(description));
    }
    return trace::Table::of(std::move(columns));
}

}  // namespace
}  // namespace mqttwin

void bind_columns(py::module_& m) { m.def("make_table", &mqttwin::make_table, py::arg("columns")); }
