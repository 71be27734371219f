// A stream in one piece and in pieces of any size: the same frames, the same fault, no memory kept.
//
// Input: a byte for the limit, a byte that seeds the sizes of pieces, the stream.

#include <cstdlib>
#include <vector>

#include "mqttwin/base/random.hpp"
#include "mqttwin/wire/framer.hpp"

using namespace mqttwin;
using namespace mqttwin::wire;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

struct Seen {
    std::vector<std::vector<std::uint8_t>> frames;
    Fault fault;
};

template <class NextSize>
Seen feed(ByteView stream, std::uint32_t limit, NextSize next_size) {
    Seen seen;
    static BlobPool pool;  // its memory is slow to get under the sanitizers
    FramerState state;
    while (!stream.empty() && !seen.fault) {
        const std::size_t size = std::min<std::size_t>(next_size(), stream.size());
        const std::vector<std::uint8_t> chunk(stream.begin(),
                                              stream.begin() + static_cast<std::ptrdiff_t>(size));
        stream = stream.subspan(size);
        FrameReader reader(pool, state, chunk, limit);
        Frame frame;
        while (reader.next(frame)) {
            require(frame.size() <= limit);
            auto& copy = seen.frames.emplace_back();
            copy.push_back(frame.first);
            copy.push_back(static_cast<std::uint8_t>(frame.header_length));
            copy.insert(copy.end(), frame.body.begin(), frame.body.end());
        }
        seen.fault = reader.fault();
        require(!seen.fault || state.partial == BlobId::none);
    }
    release_framer(pool, state);
    require(pool.live() == 0);
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::uint32_t limit = data[0] < 128 ? data[0] + 2U : kMaximumPacketSize;
    Stream random(StreamKey{data[1]}, 0);
    const ByteView stream(data + 2, size - 2);

    const Seen whole = feed(stream, limit, [&] { return size; });
    const Seen bytewise = feed(stream, limit, [] { return 1; });
    const Seen pieces = feed(stream, limit, [&] { return 1 + random.below(9); });
    for (const Seen* other : {&bytewise, &pieces}) {
        require(other->frames == whole.frames);
        require(other->fault.reason == whole.fault.reason);
        require(other->fault.clause == whole.fault.clause);
        require(other->fault.offset == whole.fault.offset);
    }
    return 0;
}
