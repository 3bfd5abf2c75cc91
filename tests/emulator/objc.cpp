// Sending messages, counting references, and pools.
#include "objc.h"

#include <cstdlib>
#include <mutex>
#include <set>
#include <stdexcept>
#include <unordered_set>
#include <vector>

namespace upsweep::emulator {

namespace {

// Never destroyed, because objects are released until the process ends.
struct Runtime {
  std::mutex mutex;
  std::set<std::string, std::less<>> selectors;
  std::map<std::string, Class*, std::less<>> classes;
  std::unordered_set<const void*> alive;
};
Runtime& runtime() {
  static Runtime& instance = *new Runtime;
  return instance;
}

thread_local std::vector<std::vector<Object*>*> pools;

class Pool final : public Object {
 public:
  Pool() : Object("NSAutoreleasePool") { pools.push_back(&objects_); }
  ~Pool() override {
    if (pools.empty() || pools.back() != &objects_) std::abort();
    pools.pop_back();
    for (Object* object : objects_) object->release();
  }

 private:
  std::vector<Object*> objects_;
};
Object* new_pool() { return new Pool; }

const Definition pool("NSAutoreleasePool", {},
                      {{"alloc", method<&new_pool>()}});

const std::map<std::string_view, Method>& common_methods() {
  static const auto& methods = *new std::map<std::string_view, Method>{
      {"init", method<&Object::init>()},
      {"retain", method<&Object::retain>()},
      {"release", method<&Object::release>()},
      {"autorelease", method<&Object::autorelease>()}};
  return methods;
}

[[noreturn]] void unrecognized(Object* self, SEL selector) {
  throw std::runtime_error(self->description() + " " +
                           reinterpret_cast<const char*>(selector) +
                           "]: unrecognized selector");
}

[[noreturn]] void dead(Object*, SEL selector) {
  throw std::runtime_error(std::string("message ") +
                           reinterpret_cast<const char*>(selector) +
                           " to an object that is gone");
}

}  // namespace

Object::Object(const char* class_name)
    : class_(class_name ? &Class::named(class_name) : nullptr) {
  std::lock_guard lock(runtime().mutex);
  runtime().alive.insert(this);
  if (class_) ++class_->live;
}

Object::~Object() {
  std::lock_guard lock(runtime().mutex);
  runtime().alive.erase(this);
  if (class_) --class_->live;
}

Method Object::find(std::string_view selector) const {
  auto found = class_->methods.find(selector);
  if (found != class_->methods.end()) return found->second;
  auto common = common_methods().find(selector);
  return common == common_methods().end() ? nullptr : common->second;
}

std::string Object::description() const { return "-[" + class_->name(); }

Object* Object::retain() {
  ++references_;
  return this;
}

void Object::release() {
  if (--references_ == 0) delete this;
}

Object* Object::autorelease() {
  if (pools.empty()) {
    throw std::runtime_error(description() +
                             " autorelease]: there is no pool in place");
  }
  pools.back()->push_back(this);
  return this;
}

Class::Class(std::string name) : Object(nullptr), name_(std::move(name)) {}

Method Class::find(std::string_view selector) const {
  auto found = class_methods.find(selector);
  return found == class_methods.end() ? nullptr : found->second;
}

Class& Class::named(const std::string& name) {
  {
    std::lock_guard lock(runtime().mutex);
    auto found = runtime().classes.find(name);
    if (found != runtime().classes.end()) return *found->second;
  }
  auto* made = new Class(name);
  std::lock_guard lock(runtime().mutex);
  return *runtime().classes.emplace(name, made).first->second;
}

Definition::Definition(const char* name, Methods methods,
                       Methods class_methods) {
  Class& defined = Class::named(name);
  defined.methods.insert(methods.begin(), methods.end());
  defined.class_methods.insert(class_methods.begin(), class_methods.end());
}

const char* fault(std::string_view name) {
  const char* wanted = std::getenv("UPSWEEP_EMULATOR_FAULT");
  if (!wanted) return nullptr;
  std::string_view text = wanted;
  if (text.substr(0, text.find('=')) != name) return nullptr;
  return text.size() == name.size() ? "" : wanted + name.size() + 1;
}

}  // namespace upsweep::emulator

using namespace upsweep::emulator;

extern "C" {

void* objc_lookUpClass(const char* name) { return &Class::named(name); }

void* objc_getProtocol(const char* name) { return &Class::named(name); }

SEL sel_registerName(const char* name) {
  std::lock_guard lock(runtime().mutex);
  const std::string& kept = *runtime().selectors.insert(name).first;
  return reinterpret_cast<SEL>(const_cast<char*>(kept.c_str()));
}

// The target of trampoline.S.
Method upsweep_emulator_find(Object* receiver, SEL selector) {
  {
    std::lock_guard lock(runtime().mutex);
    if (!runtime().alive.contains(receiver)) {
      return reinterpret_cast<Method>(&dead);
    }
  }
  std::string_view name = reinterpret_cast<const char*>(selector);
  const char* missing = fault("selector");
  Method found = missing && missing == name ? nullptr : receiver->find(name);
  return found ? found : reinterpret_cast<Method>(&unrecognized);
}

// For tests: the number of live objects of a class.
__attribute__((visibility("default"))) long upsweep_emulator_live(
    const char* class_name) {
  return Class::named(class_name).live;
}
}
