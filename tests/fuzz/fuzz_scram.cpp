// Whatever strangers and files can say to room `auth`. The first byte of the input says to whom the
// rest, lines ended by '\n', is said:
//     s  a server: client-first, client-final
//     c  a client: server-first, server-final
//     u  the reader of users files
//     p  saslprep()

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mqttwin/auth/saslprep.hpp"
#include "mqttwin/auth/scram.hpp"
#include "mqttwin/auth/users.hpp"

using namespace mqttwin;
using namespace mqttwin::auth;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

std::string_view take_line(std::string_view& input) {
    const std::size_t end = input.find('\n');
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
    return line;
}

// The user, password, salt and nonces of RFC 7677: the corpus has its messages, which succeed.
const Record& record() {
    static const Record pencil = parse_record(
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    return pencil;
}

void tell_server(std::string_view input) {
    ScramServer server;
    const ScramFault fault = server.read_first(take_line(input));
    require(static_cast<bool>(fault) == !fault.what.empty());
    if (fault) return;
    require(!server.user_name().empty() && server.user_name().size() <= kMaxUserName);
    const std::string challenge = server.challenge(record(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    require(challenge.starts_with("r=") && challenge.ends_with(",i=4096"));
    const ScramStep step = server.read_final(take_line(input));
    require(step.message.starts_with(step.fault ? "e=" : "v="));
}

void tell_client(std::string_view input) {
    // One salt more to hash is enough work for an input.
    ScramClient client("user", "pencil", "rOprNGfwEbeRWgbNEkqO", {1, 4096});
    require(!client.first().fault);
    const ScramStep step = client.next(take_line(input));
    require(step.message.empty() == static_cast<bool>(step.fault));
    if (!step.fault) client.finish(take_line(input));
}

void read_users(std::string_view input) {
    std::vector<UserLine> users;
    try {
        users = parse_users(input);
    } catch (const UsersError& error) {
        require(!error.reason().empty());
        return;
    }
    // What was read is written so that the same is read again.
    const Users index = Users::parse(input);
    require(index.size() == users.size());
    std::string written;
    for (const UserLine& user : users) {
        const Record* found = index.find(user.name);
        require(found != nullptr && *found == user.record);
        written += to_user_line(user.name, user.record) + "\n";
    }
    const std::vector<UserLine> again = parse_users(written);
    require(again.size() == users.size());
    for (std::size_t i = 0; i < users.size(); ++i) {
        require(again[i].name == users[i].name && again[i].record == users[i].record);
    }
}

void prepare(std::string_view input) {
    for (const Strings strings : {Strings::stored, Strings::query}) {
        const Prepared once = saslprep(input, strings);
        require(once || once.text.empty());
        if (!once || once.text.size() > kMaxUnprepared) continue;
        const Prepared twice = saslprep(once.text, strings);
        require(twice && twice.text == once.text);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0]) {
        case 's':
            tell_server(input);
            break;
        case 'c':
            tell_client(input);
            break;
        case 'u':
            read_users(input);
            break;
        case 'p':
            prepare(input);
            break;
        default:
            break;
    }
    return 0;
}
