// Just enough of a JSON reader (RFC 8259) to check what the encoder writes: one flat object.
#pragma once

#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mqttwin::fleet {

/// Members of a flat object by name: numbers and literals as their text, texts in quotes and
/// unescaped. Throws std::runtime_error where it is no such object.
class TinyJson {
   public:
    explicit TinyJson(std::string_view text) : text_(text) {
        expect('{');
        if (peek() == '}') {
            ++at_;
        } else {
            do {
                const std::string name = quoted();
                expect(':');
                const std::string value = peek() == '"' ? '"' + quoted() + '"' : word();
                if (!members_.emplace(name, value).second) fail("twice the same name");
            } while (take(','));
            expect('}');
        }
        while (at_ < text_.size() && text_[at_] == ' ') ++at_;
        if (at_ != text_.size()) fail("something after the object");
    }

    [[nodiscard]] std::size_t size() const { return members_.size(); }
    [[nodiscard]] const std::string& operator[](const std::string& name) const {
        return members_.at(name);
    }
    [[nodiscard]] double number(const std::string& name) const {
        return std::strtod(members_.at(name).c_str(), nullptr);
    }

   private:
    [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) {
        if (peek() != c) return false;
        ++at_;
        return true;
    }
    void expect(char c) {
        if (!take(c)) fail("unexpected character");
    }
    std::string word() {
        const std::size_t end = text_.find_first_of(",} ", at_);
        std::string found(text_.substr(at_, end - at_));
        at_ += found.size();
        if (found == "true" || found == "false" || found == "null") return found;
        // A number begins with a digit or a minus and a digit, and is read to its end.
        char* rest = nullptr;
        std::strtod(found.c_str(), &rest);
        const char first = found.empty() ? '\0' : found[found[0] == '-' ? 1 : 0];
        if (first < '0' || first > '9' || *rest != '\0') fail("not a number");
        return found;
    }
    std::string quoted() {
        expect('"');
        std::string found;
        while (!take('"')) {
            const char c = peek();
            if (static_cast<unsigned char>(c) < 0x20) fail("control character");
            ++at_;
            found += c == '\\' ? escaped() : c;
        }
        return found;
    }
    char escaped() {
        const char c = peek();
        ++at_;
        if (c == 'n') return '\n';
        if (c == 'r') return '\r';
        if (c == 't') return '\t';
        if (c == 'u') {
            at_ += 4;
            return static_cast<char>(
                std::strtol(std::string(text_.substr(at_ - 4, 4)).c_str(), nullptr, 16));
        }
        if (c != '"' && c != '\\') fail("unknown escape");
        return c;
    }
    [[noreturn]] void fail(const char* what) const {
        throw std::runtime_error(std::string(what) + " at " + std::to_string(at_) + " of " +
                                 std::string(text_));
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::map<std::string, std::string> members_;
};

}  // namespace mqttwin::fleet
