// NSString, NSURL, NSError and NSProcessInfo.
#include "foundation.h"

#include <Foundation/Foundation.hpp>
#include <cstdlib>

namespace upsweep::emulator {

namespace {

Object* string_with(const char* text, NS::StringEncoding) {
  return (new String(text))->autorelease();
}

Object* file_url(String* path) {
  return (new Url(path->utf8()))->autorelease();
}

// UPSWEEP_EMULATOR_MACOS sets the system's version.
class ProcessInfo final : public Object {
 public:
  ProcessInfo() : Object("NSProcessInfo") {}
  bool is_at_least(NS::OperatingSystemVersion wanted) {
    const char* version = std::getenv("UPSWEEP_EMULATOR_MACOS");
    return (version ? std::atol(version) : 15) >= wanted.majorVersion;
  }
};

Object* process_info() {
  static ProcessInfo& info = *new ProcessInfo;
  return &info;
}

const Definition definitions[] = {
    {"NSString",
     {{"UTF8String", method<&String::utf8>()}},
     {{"stringWithCString:encoding:", method<&string_with>()}}},
    {"NSURL", {}, {{"fileURLWithPath:", method<&file_url>()}}},
    {"NSError",
     {{"code", method<&Error::code>()},
      {"localizedDescription", method<&Error::localized_description>()}}},
    {"NSProcessInfo",
     {{"isOperatingSystemAtLeastVersion:",
       method<&ProcessInfo::is_at_least>()}},
     {{"processInfo", method<&process_info>()}}}};

}  // namespace

Object* Error::localized_description() {
  return (new String(text_))->autorelease();
}

std::nullptr_t give(Object** error, long code, const std::string& text) {
  if (error) *error = (new Error(code, text))->autorelease();
  return nullptr;
}

}  // namespace upsweep::emulator
