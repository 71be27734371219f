// The users that a broker knows, and the file that they are kept in: one a line,
//     name:SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
// Blank lines and lines that begin with '#' are comments; blanks around a line do not count. In a
// name, %3A stands for ':' and %25 for '%', %23 for a '#' and %20 for a blank at an end of it; any
// byte may be written so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mqttwin/auth/record.hpp"
#include "mqttwin/base/archive.hpp"
#include "mqttwin/base/hash.hpp"

namespace mqttwin::auth {

inline constexpr std::size_t kMaxUsers = 1'000'000;
/// Bytes of a line, its end not included.
inline constexpr std::size_t kMaxUsersLine = 2048;
/// Bytes of a file.
inline constexpr std::uintmax_t kMaxUsersFile = std::uintmax_t{512} << 20U;

/// Something in a users file is wrong. what() is "file:line: reason".
class UsersError : public std::invalid_argument {
   public:
    /// Line 0: the file as a whole.
    UsersError(std::string_view file, std::size_t line, const std::string& reason);
    [[nodiscard]] std::size_t line() const { return line_; }
    [[nodiscard]] const std::string& reason() const { return reason_; }

   private:
    std::size_t line_;
    std::string reason_;
};

struct UserLine {
    std::size_t number = 0;  // counted from 1
    std::string name;
    Record record;
};

/// The users of a file's text, in its order. Throws UsersError; `file` is for its message.
std::vector<UserLine> parse_users(std::string_view text, std::string_view file = "users");

/// One line, without an end. Throws std::invalid_argument: nobody can have that name.
std::string to_user_line(std::string_view name, const Record& record);

/// The name as users are found by, see saslprep(). Throws std::invalid_argument.
std::string prepared_user_name(std::string_view name);

class Users {
   public:
    static Users parse(std::string_view text, std::string_view file = "users");
    /// Throws UsersError.
    static Users read(const std::filesystem::path& path);

    /// Throws std::invalid_argument: nobody can have that name, somebody has it, or there are
    /// kMaxUsers.
    void add(std::string_view name, Record record);
    /// By the prepared name. Null when there is none; otherwise valid until something is added.
    [[nodiscard]] const Record* find(std::string_view name) const;
    [[nodiscard]] std::size_t size() const { return records_.size(); }
    [[nodiscard]] bool empty() const { return records_.empty(); }

    /// What most users have: somebody made up does not stand out with it.
    [[nodiscard]] std::uint32_t usual_iterations() const;
    /// A secret for made_up_record() that stays while the first user's record does, so that made-up
    /// salts outlive a restart. Of no users: a constant, because there is no name to find out.
    [[nodiscard]] Key secret() const { return secret_; }
    void archive(Archive& a) { a(records_, users_by_iterations_, secret_); }

   private:
    // Peers choose what is looked for, not what is in here.
    struct NameHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const { return hash_text(name); }
    };

    void insert(std::string name, Record record);

    std::unordered_map<std::string, Record, NameHash, std::equal_to<>> records_;
    std::map<std::uint32_t, std::size_t> users_by_iterations_;
    Key secret_{};
};

}  // namespace mqttwin::auth
