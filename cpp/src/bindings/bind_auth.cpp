// Room `auth`: records of passwords, and the client side of SCRAM-SHA-256.
//
// What is refused is a ValueError that says why. Whatever hashes a password lets go of the GIL.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "mqttwin/auth/record.hpp"
#include "mqttwin/auth/saslprep.hpp"
#include "mqttwin/auth/scram.hpp"
#include "mqttwin/auth/users.hpp"

#include "bindings.hpp"

namespace py = pybind11;

namespace mqttwin {
namespace {

void refuse(const auth::ScramFault& fault) {
    if (fault) throw py::value_error(std::string(fault.what));
}

// The room's client asserts the order of its calls; from Python, another one is a ValueError.
class ScramClient {
   public:
    ScramClient(const std::string& user, const std::string& password,
                const std::optional<std::string>& nonce, std::uint32_t max_iterations)
        : client_(user, password, nonce ? checked(*nonce) : random_nonce(),
                  {auth::kMinIterations, max_iterations}) {}

    py::bytes first() {
        expect(0);
        return sent(client_.first());
    }
    py::bytes next(const std::string& server_first) {
        expect(1);
        auth::ScramStep step;
        {
            const py::gil_scoped_release release;
            step = client_.next(server_first);
        }
        return sent(step);
    }
    void finish(const std::string& server_final) {
        expect(2);
        refuse(client_.finish(server_final));
        ++done_;
    }

   private:
    static std::string random_nonce() {
        auth::Nonce nonce{};
        const py::bytes drawn = py::module_::import("secrets").attr("token_bytes")(nonce.size());
        const std::string_view bytes = drawn;
        std::copy(bytes.begin(), bytes.end(), nonce.begin());
        return auth::nonce_text(nonce);
    }
    static const std::string& checked(const std::string& nonce) {
        if (!auth::is_nonce(nonce)) {
            throw py::value_error("the nonce must be up to " + std::to_string(auth::kMaxNonce) +
                                  " printable ASCII characters without commas");
        }
        return nonce;
    }
    // Nothing is expected after a fault: done_ stands still while the step is taken.
    void expect(int step) {
        if (taken_ != step || done_ != step) {
            throw py::value_error("an exchange is first(), next(), finish(), once and in order");
        }
        ++taken_;
    }
    py::bytes sent(const auth::ScramStep& step) {
        refuse(step.fault);
        ++done_;
        return step.message;
    }

    auth::ScramClient client_;
    int taken_ = 0;
    int done_ = 0;
};

// (line, name, iterations) of each user. A ValueError has the arguments line and reason.
std::vector<std::tuple<std::size_t, std::string, std::uint32_t>> read_users(
    const std::string& text) {
    std::vector<std::tuple<std::size_t, std::string, std::uint32_t>> out;
    try {
        for (const auth::UserLine& user : auth::parse_users(text)) {
            out.emplace_back(user.number, user.name, user.record.iterations);
        }
    } catch (const auth::UsersError& error) {
        PyErr_SetObject(PyExc_ValueError, py::make_tuple(error.line(), error.reason()).ptr());
        throw py::error_already_set();
    }
    return out;
}

}  // namespace
}  // namespace mqttwin

void bind_auth(py::module_& m) {
    using namespace mqttwin;

    py::class_<ScramClient>(m, "ScramClient")
        .def(py::init<const std::string&, const std::string&, const std::optional<std::string>&,
                      std::uint32_t>(),
             py::arg("user"), py::arg("password"), py::kw_only(), py::arg("nonce") = py::none(),
             py::arg("max_iterations") = auth::kMaxIterations)
        .def("first", &ScramClient::first)
        .def("next", &ScramClient::next, py::arg("server_first"))
        .def("finish", &ScramClient::finish, py::arg("server_final"));

    m.def(
        "saslprep",
        [](const std::string& text, bool stored) {
            const auth::Prepared out =
                auth::saslprep(text, stored ? auth::Strings::stored : auth::Strings::query);
            if (!out) throw py::value_error("the text " + std::string(out.flaw));
            return out.text;
        },
        py::arg("text"), py::kw_only(), py::arg("stored"));
    m.def(
        "make_user_record",
        [](const std::string& password, const py::bytes& salt, std::uint32_t iterations) {
            const std::string bytes = salt;
            const py::gil_scoped_release release;
            return auth::to_text(auth::make_record(password, bytes, iterations));
        },
        py::arg("password"), py::arg("salt"), py::arg("iterations") = auth::kDefaultIterations);
    m.def(
        "user_line",
        [](const std::string& name, const std::string& record) {
            return auth::to_user_line(name, auth::parse_record(record));
        },
        py::arg("name"), py::arg("record"));
    m.def(
        "verify_user_record",
        [](const std::string& record, const std::string& password) {
            const auth::Record parsed = auth::parse_record(record);
            const py::gil_scoped_release release;
            return auth::verify_password(parsed, password);
        },
        py::arg("record"), py::arg("password"));
    m.def("read_users", &read_users, py::arg("text"));
}
