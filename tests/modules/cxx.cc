// A module in C++.
#include "anyfork.h"

#include <stdexcept>
#include <string>
#include <unistd.h>

namespace {

int answer(anyfork_call *call)
{
    std::string text;
    for (std::size_t at = 0; at < call->count; at++) {
        const anyfork_input &input = call->inputs[at];
        if (input.length > 0)
            text += std::string(static_cast<const char *>(input.octets), input.length);
    }
    return write(call->socket, text.data(), text.size()) < 0;
}

int fails(anyfork_call *call)
{
    try {
        throw std::runtime_error("thrown and caught");
    } catch (const std::exception &error) {
        return anyfork_error(call, error.what());
    }
}

const anyfork_entry entries[] = {
    { "answer", nullptr, answer, nullptr },
    { "fails", nullptr, fails, nullptr },
};

} // namespace

ANYFORK_MODULE("cxx", entries)
