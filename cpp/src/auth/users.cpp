#include "mqttwin/auth/users.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "mqttwin/auth/saslprep.hpp"
#include "mqttwin/auth/scram.hpp"

#include "crypto.hpp"
#include "user_names.hpp"

namespace mqttwin::auth {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view line) {
    const std::size_t first = line.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(kBlanks) + 1 - first);
}

UserLine parse_line(std::string_view line, std::size_t number) {
    if (line.size() > kMaxUsersLine) {
        throw std::invalid_argument("is longer than " + std::to_string(kMaxUsersLine) + " bytes");
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) throw std::invalid_argument("has no ':' after the name");
    // Perhaps meant, more likely not: nobody would see why that user cannot come in.
    if (trimmed(line.substr(0, colon)).size() != colon) {
        throw std::invalid_argument("has a blank before the ':' (%20 if it is the name's)");
    }
    const std::optional<std::string> name = unquote_name(line.substr(0, colon));
    if (!name) throw std::invalid_argument("has a '%' without two hexadecimal digits in the name");
    return {number, prepared_user_name(*name), parse_record(line.substr(colon + 1))};
}

std::string place(std::string_view file, std::size_t line) {
    return std::string(file) + (line == 0 ? "" : ":" + std::to_string(line)) + ": ";
}

std::string read_text(const std::filesystem::path& path) {
    const auto refuse = [&](const std::string& reason) -> void {
        throw UsersError(path.string(), 0, reason);
    };
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) refuse("cannot be read: " + error.message());
    // A pipe or a device would never end, or never begin.
    if (!std::filesystem::is_regular_file(path, error)) refuse("is not a regular file");
    if (size > kMaxUsersFile) {
        refuse("is larger than " + std::to_string(kMaxUsersFile >> 20U) + " MiB");
    }
    std::ifstream file(path, std::ios::binary);
    if (!file.is_open()) refuse("cannot be opened");
    std::string text(size, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) refuse("cannot be read");
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

}  // namespace

UsersError::UsersError(std::string_view file, std::size_t line, const std::string& reason)
    : std::invalid_argument(place(file, line) + reason), line_(line), reason_(reason) {}

std::string prepared_user_name(std::string_view name) {
    Prepared prepared = saslprep(name, Strings::stored);
    if (!prepared) throw std::invalid_argument("the user name " + std::string(prepared.flaw));
    if (prepared.text.empty()) throw std::invalid_argument("the user name is empty");
    if (prepared.text.size() > kMaxUserName) {
        throw std::invalid_argument("the user name is longer than " + std::to_string(kMaxUserName) +
                                    " bytes");
    }
    return std::move(prepared.text);
}

std::string to_user_line(std::string_view name, const Record& record) {
    return quote_name(prepared_user_name(name)) + ":" + to_text(record);
}

std::vector<UserLine> parse_users(std::string_view text, std::string_view file) {
    std::vector<UserLine> out;
    std::unordered_map<std::string_view, std::size_t> seen;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line[0] == '#') continue;
        try {
            if (out.size() == kMaxUsers) {
                throw std::invalid_argument("is one user more than " + std::to_string(kMaxUsers));
            }
            out.push_back(parse_line(line, number));
        } catch (const std::invalid_argument& error) {
            throw UsersError(file, number, error.what());
        }
    }
    for (const UserLine& user : out) {
        const auto [first, fresh] = seen.emplace(user.name, user.number);
        if (!fresh) {
            throw UsersError(file, user.number,
                             "the user is already on line " + std::to_string(first->second));
        }
    }
    return out;
}

Users Users::parse(std::string_view text, std::string_view file) {
    Users out;
    for (UserLine& user : parse_users(text, file)) {
        out.insert(std::move(user.name), std::move(user.record));
    }
    return out;
}

Users Users::read(const std::filesystem::path& path) {
    return parse(read_text(path), path.string());
}

void Users::add(std::string_view name, Record record) {
    std::string prepared = prepared_user_name(name);
    if (find(prepared) != nullptr) throw std::invalid_argument("the user exists already");
    if (size() == kMaxUsers) throw std::invalid_argument("there are too many users");
    insert(std::move(prepared), std::move(record));
}

void Users::insert(std::string name, Record record) {
    if (empty()) {
        secret_ = hmac_sha256(record.stored_key, record.server_key);
    }
    ++users_by_iterations_[record.iterations];
    records_.emplace(std::move(name), std::move(record));
}

const Record* Users::find(std::string_view name) const {
    const auto found = records_.find(name);
    return found == records_.end() ? nullptr : &found->second;
}

std::uint32_t Users::usual_iterations() const {
    const auto usual =
        std::max_element(users_by_iterations_.begin(), users_by_iterations_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return usual == users_by_iterations_.end() ? kDefaultIterations : usual->first;
}

}  // namespace mqttwin::auth
