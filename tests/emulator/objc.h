// The Objective-C runtime, as far as metal-cpp uses it: classes with methods
// found by selector, reference counts, autorelease pools. It throws where a
// real runtime would leave the behaviour undefined.
#pragma once

#include <objc/runtime.h>

#include <atomic>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace upsweep::emulator {

using Method = void (*)();

// The functions of every object.
class Class;

// A receiver of messages. metal-cpp knows only its address.
class Object {
 public:
  explicit Object(const char* class_name);
  virtual ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  // nullptr if there is no such method.
  virtual Method find(std::string_view selector) const;
  virtual std::string description() const;

  Object* init() { return this; }
  Object* retain();
  void release();
  Object* autorelease();

 private:
  Class* class_;
  std::atomic<long> references_{1};
};

class Class final : public Object {
 public:
  explicit Class(std::string name);
  Method find(std::string_view selector) const override;
  std::string description() const override { return "+[" + name_; }

  const std::string& name() const { return name_; }
  long live = 0;  // objects
  std::map<std::string, Method, std::less<>> methods;
  std::map<std::string, Method, std::less<>> class_methods;

  static Class& named(const std::string& name);

 private:
  std::string name_;
};

// Turns a member function, or a function of its arguments, into a method.
template <auto F>
struct Call;
template <class C, class R, class... A, R (C::*F)(A...)>
struct Call<F> {
  static R call(C* self, SEL, A... a) { return (self->*F)(a...); }
};
template <class R, class... A, R (*F)(A...)>
struct Call<F> {
  static R call(Object*, SEL, A... a) { return F(a...); }
};
template <auto F>
Method method() {
  return reinterpret_cast<Method>(&Call<F>::call);
}

// Defines a class's methods, at static initialisation.
struct Definition {
  using Methods = std::initializer_list<std::pair<const char*, Method>>;
  Definition(const char* name, Methods methods, Methods class_methods = {});
};

// Whether UPSWEEP_EMULATOR_FAULT asks for a failure, and with which value
// ("fault" or "fault=value"); an empty value if it gives none.
const char* fault(std::string_view name);

}  // namespace upsweep::emulator
