// Where a test has a capture written to, and a reader of its blocks.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "mqttwin/trace/event_log.hpp"

namespace mqttwin::trace {

/// Memory, of which there may be little.
class MemorySink final : public LogSink {
   public:
    explicit MemorySink(std::string& out, std::size_t room = SIZE_MAX) : out_(out), room_(room) {}
    void write(ByteView block) override {
        if (out_.size() + block.size() > room_) error_ = "no room";
        if (error_.empty()) out_ += as_text(block);
    }
    void close() override {}
    [[nodiscard]] const std::string& error() const override { return error_; }

   private:
    std::string& out_;
    std::size_t room_;
    std::string error_;
};

struct Block {
    std::uint32_t type = 0;
    std::string content;  // with its type and lengths

    [[nodiscard]] std::uint32_t word(std::size_t at) const {
        std::uint32_t value = 0;
        std::memcpy(&value, content.data() + at, 4);
        return value;
    }
    /// Up to the end of options, which must be there.
    [[nodiscard]] std::map<unsigned, std::string> options(std::size_t at) const {
        std::map<unsigned, std::string> found;
        while (at + 4 <= content.size() - 4) {
            const std::uint32_t head = word(at);
            if (head == 0) return found;
            const std::size_t length = head >> 16;
            found[head & 0xFFFF] = content.substr(at + 4, length);
            at += 4 + (length + 3) / 4 * 4;
        }
        ADD_FAILURE() << "options without an end";
        return found;
    }
};

inline std::vector<Block> blocks_of(std::string_view file) {
    std::vector<Block> blocks;
    std::size_t at = 0;
    while (at < file.size()) {
        Block block;
        block.content = file.substr(at);
        if (block.content.size() < 12) {
            ADD_FAILURE() << "a torn block";
            break;
        }
        block.type = block.word(0);
        const std::uint32_t length = block.word(4);
        if (length % 4 != 0 || length < 12 || length > block.content.size()) {
            ADD_FAILURE() << "a block of length " << length;
            break;
        }
        block.content.resize(length);
        EXPECT_EQ(block.word(length - 4), length);
        blocks.push_back(block);
        at += length;
    }
    return blocks;
}

}  // namespace mqttwin::trace
