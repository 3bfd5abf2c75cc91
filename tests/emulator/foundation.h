// Strings, URLs and errors of Foundation.
#pragma once

#include <string>

#include "objc.h"

namespace upsweep::emulator {

class String final : public Object {
 public:
  explicit String(std::string text)
      : Object("NSString"), text_(std::move(text)) {}
  const char* utf8() { return text_.c_str(); }

 private:
  std::string text_;
};

class Url final : public Object {
 public:
  explicit Url(std::string path) : Object("NSURL"), path(std::move(path)) {}
  const std::string path;
};

class Error final : public Object {
 public:
  Error(long code, std::string text)
      : Object("NSError"), code_(code), text_(std::move(text)) {}
  long code() { return code_; }
  Object* localized_description();

 private:
  long code_;
  std::string text_;
};

// Hands an error to the caller of a method with `error:`; returns nullptr,
// which such a method then returns.
std::nullptr_t give(Object** error, long code, const std::string& text);

}  // namespace upsweep::emulator
