// State as a stream of MessagePack values, written and read by the same list of fields.
//
// A class that can be archived has `void archive(Archive&)`, which names its fields once:
//
//     void archive(Archive& a) { a(name_, count_, records_); }
//
// Containers of the standard library are known. Plain data without such a member goes as it lies in
// memory, whole arrays at a time: a million records are one copy, and none of their fields can be
// forgotten. So a stream is good for the build that made it, which whoever stores one has to check;
// and plain data may hold indices, never pointers.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "mqttwin/base/bytes.hpp"

namespace mqttwin {

/// A stream that is no archive, or one of something else. what() says where and why.
class ArchiveError : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
};

class Archive;

template <typename T>
concept Archived = requires(T& value, Archive& a) { value.archive(a); };

class Archive {
   public:
    /// Takes what is written, piece by piece; a piece lives until it returns.
    using Sink = std::function<void(ByteView)>;

    /// Writes. `flush` when it is over.
    explicit Archive(Sink sink);
    /// Reads `bytes`, which outlive it.
    explicit Archive(ByteView bytes);
    ~Archive();
    Archive(const Archive&) = delete;
    Archive& operator=(const Archive&) = delete;

    [[nodiscard]] bool reading() const { return !sink_; }

    template <typename... T>
    void operator()(T&... fields) {
        (field(fields), ...);
    }

    /// What follows is this. Reading, it has to be: so a stream that has lost its thread says so
    /// at once, and where.
    void section(std::string_view name);
    /// Bytes that are there on both sides.
    void block(void* data, std::size_t size);
    /// The same for plain data.
    template <typename T>
    void records(T* first, std::size_t number_of);
    /// The number of elements of something; reading, no more than the stream has bytes for, of
    /// which each takes `least`.
    std::size_t count(std::size_t elements, std::size_t least = 1);
    /// The same where there are as many on both sides. Reading, it fails with `otherwise`.
    void same_count(std::size_t elements, const char* otherwise);

    void flush();
    /// Reading: everything has been read. Throws otherwise.
    void end();
    /// Reading: what is there cannot be.
    [[noreturn]] void fail(const std::string& what) const;

#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define MQTTWIN_CLEAR_PADDING(place) __builtin_clear_padding(place)
#endif
#endif
    /// Whether a stream is a function of what it holds. Where the compiler cannot clear it, what
    /// pads plain data is in there as it happens to be.
#ifdef MQTTWIN_CLEAR_PADDING
    static constexpr bool kExact = true;
#else
#define MQTTWIN_CLEAR_PADDING(place)
    static constexpr bool kExact = false;
#endif

   private:
    static constexpr std::size_t kPiece = std::size_t{1} << 24;  // bytes of one MessagePack value

    template <typename T>
    static constexpr bool kPlain =
        std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && !Archived<T>;

    void number(std::uint64_t& value);
    void number(std::int64_t& value);
    void real(double& value);
    void text(std::string& value);

    template <typename T>
    void field(T& value);
    template <typename T>
    void field(std::vector<T>& values);
    void field(std::vector<bool>& values);
    template <typename T, std::size_t N>
    void field(std::array<T, N>& values);
    template <typename T>
    void field(std::deque<T>& values);
    template <typename T>
    void field(std::optional<T>& value);
    template <typename A, typename B>
    void field(std::pair<A, B>& value);
    template <typename... T>
    void field(std::variant<T...>& value);
    template <typename K, typename V, typename... More>
    void field(std::map<K, V, More...>& values) {
        entries(values);
    }
    template <typename K, typename V, typename... More>
    void field(std::unordered_map<K, V, More...>& values);
    template <typename T>
    void field(std::shared_ptr<const T>& value);
    template <typename Map>
    void entries(Map& values);
    template <std::size_t I, typename... T>
    void alternative(std::variant<T...>& value, std::size_t index);

    struct Reader;
    Sink sink_;
    std::vector<std::uint8_t> buffer_;  // written and not handed on
    ByteView bytes_;
    std::size_t offset_ = 0;
    std::string section_;
};

template <typename T>
void Archive::field(T& value) {
    if constexpr (Archived<T>) {
        value.archive(*this);
    } else if constexpr (std::is_same_v<T, std::string>) {
        text(value);
    } else if constexpr (std::is_enum_v<T>) {
        auto raw = static_cast<std::uint64_t>(value);
        number(raw);
        value = static_cast<T>(raw);
    } else if constexpr (std::is_floating_point_v<T>) {
        double wide = value;
        real(wide);
        value = static_cast<T>(wide);
    } else if constexpr (std::signed_integral<T>) {
        std::int64_t wide = value;
        number(wide);
        if (!std::in_range<T>(wide)) fail("a number is out of range");
        value = static_cast<T>(wide);
    } else if constexpr (std::is_same_v<T, bool>) {
        std::uint64_t wide = value ? 1 : 0;
        number(wide);
        value = wide != 0;
    } else if constexpr (std::unsigned_integral<T>) {
        std::uint64_t wide = value;
        number(wide);
        if (!std::in_range<T>(wide)) fail("a number is out of range");
        value = static_cast<T>(wide);
    } else {
        static_assert(kPlain<T>, "give it a member archive(Archive&)");
        MQTTWIN_CLEAR_PADDING(&value);
        block(&value, sizeof value);
    }
}

template <typename T>
void Archive::records(T* first, std::size_t number_of) {
    static_assert(kPlain<T>, "give it a member archive(Archive&)");
    for (T* value = first; value != first + number_of; ++value) MQTTWIN_CLEAR_PADDING(value);
    block(first, number_of * sizeof(T));
}

template <typename T>
void Archive::field(std::vector<T>& values) {
    if constexpr (kPlain<T>) {
        values.resize(count(values.size(), sizeof(T)));
        records(values.data(), values.size());
    } else {
        values.resize(count(values.size()));
        for (T& value : values) field(value);
    }
}

template <typename T, std::size_t N>
void Archive::field(std::array<T, N>& values) {
    if constexpr (kPlain<T>) {
        MQTTWIN_CLEAR_PADDING(&values);
        block(values.data(), sizeof values);
    } else {
        for (T& value : values) field(value);
    }
}

template <typename T>
void Archive::field(std::deque<T>& values) {
    values.resize(count(values.size()));
    for (T& value : values) field(value);
}

template <typename T>
void Archive::field(std::optional<T>& value) {
    bool there = value.has_value();
    field(there);
    if (!there) {
        value.reset();
        return;
    }
    if (!value) value.emplace();
    field(*value);
}

template <typename A, typename B>
void Archive::field(std::pair<A, B>& value) {
    field(value.first);
    field(value.second);
}

template <std::size_t I, typename... T>
void Archive::alternative(std::variant<T...>& value, std::size_t index) {
    if constexpr (I < sizeof...(T)) {
        if (index != I) return alternative<I + 1>(value, index);
        if (reading()) value.template emplace<I>();
        field(std::get<I>(value));
    } else {
        fail("there is no such alternative");
    }
}

template <typename... T>
void Archive::field(std::variant<T...>& value) {
    std::uint64_t index = value.index();
    number(index);
    alternative<0>(value, index);
}

template <typename Map>
void Archive::entries(Map& values) {
    const std::size_t size = count(values.size());
    if (!reading()) {
        for (auto& [key, value] : values) {
            auto copy = key;
            field(copy);
            field(value);
        }
        return;
    }
    values.clear();
    for (std::size_t i = 0; i < size; ++i) {
        typename Map::key_type key{};
        field(key);
        field(values[std::move(key)]);
    }
}

// In the order of the keys: a stream is a function of what it holds.
template <typename K, typename V, typename... More>
void Archive::field(std::unordered_map<K, V, More...>& values) {
    std::map<K, V> sorted;
    if (!reading()) sorted = std::map<K, V>(values.begin(), values.end());
    entries(sorted);
    if (!reading()) return;
    values.clear();
    values.insert(sorted.begin(), sorted.end());
}

#undef MQTTWIN_CLEAR_PADDING

// Shared values are not shared any more afterwards.
template <typename T>
void Archive::field(std::shared_ptr<const T>& value) {
    bool there = value != nullptr;
    field(there);
    if (!there) {
        value.reset();
    } else if (reading()) {
        T own{};
        field(own);
        value = std::make_shared<const T>(std::move(own));
    } else {
        field(const_cast<T&>(*value));  // writing does not change it
    }
}

}  // namespace mqttwin
