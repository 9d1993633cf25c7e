// Writes the little JSON that a manifest needs.
#pragma once

#include <string>

// A string in quotes. Bytes that are no UTF-8 become U+FFFD: Paddle allows any name, JSON does not.
std::string json_string(const std::string& bytes);

// A duration or another finite number.
std::string json_number(double number);
