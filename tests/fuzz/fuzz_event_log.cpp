// Whatever may be in a file that is said to be an event log. The first byte of the input says what
// the rest is:
//     f  the whole file
//     r  records: in a file whose header, check and end are sound, so that they are read

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

#include "mqttwin/trace/event_log.hpp"
#include "mqttwin/wire/topic.hpp"

#include "trace/log_encoder.hpp"
#include "trace/log_format.hpp"

using namespace mqttwin;
using namespace mqttwin::trace;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

std::string sealed(std::string_view records) {
    char end[64];
    LogEncoder out(end);
    out.array(3);
    out.number(static_cast<std::uint8_t>(Kind::end));
    out.number(1);
    out.number(0);
    std::string block =
        "\x82\xA6"
        "format\xAD"
        "mqttwin-trace\xA7"
        "version";
    block += static_cast<char>(format::kVersion);
    block += records;
    block.append(end, out.end());
    LogEncoder check(end);
    check.array(2);
    check.number(static_cast<std::uint8_t>(Kind::check));
    check.number(format::check_of(as_bytes(block), 0));
    return block.append(end, check.end());
}

// A file in memory.
class File {
   public:
    explicit File(std::string_view content) : handle_(memfd_create("log", 0)) {
        require(handle_ >= 0);
        require(write(handle_, content.data(), content.size()) ==
                static_cast<ssize_t>(content.size()));
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { close(handle_); }
    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(handle_); }

   private:
    int handle_;
};

// What Arrow's consumers take for granted.
void check_column(const Array& column, std::int64_t rows) {
    require(column.length == rows);
    for (std::int64_t row = 0; row < rows; ++row) {
        if (column.is_null(row)) continue;
        if (column.type == Type::dictionary) {
            require(column.int_at(row) >= 0 && column.int_at(row) < column.dictionary->length);
            require(wire::valid_utf8(column.text_at(row)));
        } else if (column.type == Type::utf8) {
            require(wire::valid_utf8(column.text_at(row)));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view rest = as_text(ByteView(data, size).subspan(1));
    const std::string content = data[0] == 'f' ? std::string(rest) : sealed(rest);
    const File file(content);
    LogReader reader(file.path(), 7);
    while (const std::optional<Batch> batch = reader.next()) {
        require(batch->columns.size() == LogReader::fields().size());
        for (const Array& column : batch->columns) check_column(column, batch->length);
    }
    if (reader.damage()) {
        require(reader.damage()->offset <= content.size());
        require(!reader.damage()->reason.empty());
    }
    return 0;
}
