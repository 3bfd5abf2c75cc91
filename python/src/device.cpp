// Devices, streams, and waiting for them.
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/variant.h>

#include <algorithm>
#include <memory>
#include <unordered_set>

#include "bindings.h"

namespace upsweep::python {

namespace {

std::string repr(Device d) {
  return std::string("Device(") + (d.type == DeviceType::cpu ? "cpu" : "gpu") +
         ", " + std::to_string(d.index) + ")";
}

std::string repr(Stream s) {
  return "Stream(" + repr(s.device) + ", " + std::to_string(s.index) + ")";
}

std::optional<Device> as_device(nb::handle h) {
  if (nb::isinstance<Device>(h)) return contents<Device>(h);
  if (nb::isinstance<DeviceType>(h)) return Device(nb::cast<DeviceType>(h));
  return std::nullopt;
}

Device to_device(nb::handle h, const char* op) {
  if (auto device = as_device(h)) return *device;
  throw TypeError(std::string("[") + op +
                  "] device must be a Device or a DeviceType, not " +
                  type_of(h) + ".");
}

DeviceType to_device_type(nb::handle h, const char* op) {
  return to_device(h, op).type;
}

// Every stream that Python code may have given work to.
std::vector<Stream>& known_streams() {
  static std::vector<Stream> streams;
  return streams;
}

Stream known(Stream s) {
  auto& streams = known_streams();
  if (std::find(streams.begin(), streams.end(), s) == streams.end()) {
    streams.push_back(s);
  }
  return s;
}

// The same for a device's default stream, which work that names the device may
// use. Does not look for a GPU unless one is named.
void note(Device device) {
  if (device.type == DeviceType::gpu && is_available(device)) {
    known(default_stream(device));
  }
}

void synchronize_without_gil(Stream s) {
  WithoutGil released;
  synchronize(s);
}

// Work that is still under way holds Python objects, so it must end before the
// interpreter does. No one is left to read its errors.
//
// A subinterpreter that is alive when the process ends gets here late, when a
// thread that releases the GIL does not get it back. Waiting for the work does
// not require releasing it.
void leave() {
  known(default_stream(DeviceType::cpu));
  nb::object sys = nb::module_::import_("sys");
  bool is_late = nb::cast<bool>(sys.attr("is_finalizing")());
  // A copy: other threads run while this one waits, and may add to it.
  for (Stream s : std::vector(known_streams())) {
    try {
      is_late ? synchronize(s) : synchronize_without_gil(s);
    } catch (const std::exception&) {
    }
  }
  stop_asking_for_gil(!is_late);
}

// StreamContext for the with statement; it applies to the thread that enters
// it.
class StreamScope {
 public:
  explicit StreamScope(StreamOrDevice s) : stream_(s) {}
  StreamScope(StreamScope&&) = default;
  void enter() {
    contexts_.push_back(std::make_unique<StreamContext>(stream_));
  }
  void exit() {
    if (!contexts_.empty()) contexts_.pop_back();
  }

 private:
  StreamOrDevice stream_;
  std::vector<std::unique_ptr<StreamContext>> contexts_;  // one per enter
};

// The arrays in nested containers, in order. Containers may be nested to any
// depth, and contain one another or themselves: each is visited once.
std::vector<array> arrays_in(nb::handle trees) {
  std::vector<array> arrays;
  std::unordered_set<PyObject*> seen;
  std::vector<nb::object> left{nb::borrow(trees)};  // a stack
  while (!left.empty()) {
    nb::object tree = std::move(left.back());
    left.pop_back();
    size_t end = left.size();
    if (is_array(tree)) {
      arrays.push_back(as_array(tree));
    } else if (!seen.insert(tree.ptr()).second) {
      continue;
    } else if (nb::isinstance<nb::dict>(tree)) {
      for (auto [key, value] : nb::borrow<nb::dict>(tree)) {
        left.push_back(nb::borrow(value));
      }
    } else if (nb::isinstance<nb::list>(tree) ||
               nb::isinstance<nb::tuple>(tree)) {
      for (nb::handle entry : tree) left.push_back(nb::borrow(entry));
    }
    std::reverse(left.begin() + static_cast<std::ptrdiff_t>(end), left.end());
  }
  return arrays;
}

void bind_classes(nb::module_& m) {
  nb::enum_<DeviceType>(m, "DeviceType", "The two kinds of device.")
      .value("cpu", DeviceType::cpu)
      .value("gpu", DeviceType::gpu)
      .export_values();

  nb::class_<Device>(m, "Device", R"(
Where work runs: ``Device(upsweep.cpu)``, ``Device(upsweep.gpu, 0)``.

Making one does not check that the device exists; :func:`is_available` does.)")
      .def(
          "__init__",
          [](Device* self, nb::handle type, nb::handle index) {
            if (!nb::isinstance<DeviceType>(type)) {
              throw TypeError("[Device] type must be a DeviceType, not " +
                              type_of(type) + ".");
            }
            int64_t i = to_int64(index, "Device", "index");
            if (i < 0 || i != static_cast<int>(i)) {
              throw std::invalid_argument("[Device] There is no device " +
                                          std::to_string(i) + ".");
            }
            new (self) Device(nb::cast<DeviceType>(type), static_cast<int>(i));
          },
          nb::arg("type"), nb::arg("index") = 0,
          nb::sig("def __init__(self, type: DeviceType, index: int = 0) -> "
                  "None"))
      .def_prop_ro(
          "type", [](Device d) { return d.type; },
          nb::sig("def type(self) -> DeviceType"), "cpu or gpu.")
      .def_prop_ro(
          "index", [](Device d) { return d.index; },
          nb::sig("def index(self) -> int"),
          "Which of the devices of its type.")
      .def(
          "__eq__",
          [](Device d, nb::handle other) {
            auto device = as_device(other);
            return device && *device == d;
          },
          nb::arg().none(),
          nb::sig("def __eq__(self, other: object, /) -> bool"),
          "Equal type and index; a DeviceType counts as its first device.")
      .def(
          "__hash__",
          [](Device d) {
            // Equal to its DeviceType, so it must have the same hash.
            return d.index == 0 ? nb::hash(nb::cast(d.type))
                                : nb::hash(nb::make_tuple(d.type, d.index));
          },
          nb::sig("def __hash__(self) -> int"))
      .def(
          "__repr__", [](Device d) { return repr(d); },
          nb::sig("def __repr__(self) -> str"));

  nb::class_<Stream>(m, "Stream", R"(
A queue of work on one device; :func:`new_stream` makes one.

Work on one stream runs in the order it was given. Across streams, work waits
for its inputs.)")
      .def_prop_ro(
          "device", [](Stream s) { return s.device; },
          nb::sig("def device(self) -> Device"), "Where the work runs.")
      .def_prop_ro(
          "index", [](Stream s) { return s.index; },
          nb::sig("def index(self) -> int"), "Which of the device's streams.")
      .def(
          "__eq__",
          [](Stream s, nb::handle other) {
            return nb::isinstance<Stream>(other) &&
                   contents<Stream>(other) == s;
          },
          nb::arg().none(),
          nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def(
          "__hash__",
          [](Stream s) {
            return nb::hash(
                nb::make_tuple(s.device.type, s.device.index, s.index));
          },
          nb::sig("def __hash__(self) -> int"))
      .def(
          "__repr__", [](Stream s) { return repr(s); },
          nb::sig("def __repr__(self) -> str"));

  nb::class_<StreamScope>(m, "StreamContext",
                          "What :func:`stream` gives the with statement.")
      .def("__enter__", &StreamScope::enter,
           nb::sig("def __enter__(self) -> None"))
      .def(
          "__exit__", [](StreamScope& s, nb::args) { s.exit(); },
          nb::sig("def __exit__(self, *args: object) -> None"));
}

void bind_defaults(nb::module_& m) {
  m.def("default_device", &default_device,
        nb::sig("def default_device() -> Device"),
        "The device for operations that name none.");
  m.def(
      "set_default_device",
      [](nb::handle device) {
        Device wanted = to_device(device, "set_default_device");
        set_default_device(wanted);
        note(wanted);
      },
      nb::arg("device"),
      nb::sig("def set_default_device(device: Device | DeviceType) -> None"),
      R"(
Sets the device for operations that name none, in the whole process.

Raises:
    ValueError: The device does not exist.)");
  m.def(
      "default_stream",
      [](nb::handle device) {
        return known(default_stream(to_device(device, "default_stream")));
      },
      nb::arg("device"),
      nb::sig("def default_stream(device: Device | DeviceType) -> Stream"), R"(
The stream for operations that name only the device.

Raises:
    ValueError: The device does not exist.)");
  m.def(
      "set_default_stream",
      [](nb::handle s) {
        if (!nb::isinstance<Stream>(s)) {
          throw TypeError("[set_default_stream] stream must be a Stream, not " +
                          type_of(s) + ".");
        }
        set_default_stream(contents<Stream>(s));
      },
      nb::arg("stream"),
      nb::sig("def set_default_stream(stream: Stream) -> None"),
      "Sets the default stream of its device, in the whole process.");
  m.def(
      "new_stream",
      [](nb::handle device) {
        return known(new_stream(to_device(device, "new_stream")));
      },
      nb::arg("device"),
      nb::sig("def new_stream(device: Device | DeviceType) -> Stream"), R"(
A new, empty stream, which lasts as long as the process.

Raises:
    ValueError: The device does not exist.)");
  m.def(
      "stream",
      [](nb::handle s) {
        return std::make_unique<StreamScope>(
            to_stream(to_stream_or_device(s, "stream")));
      },
      nb::arg("s"),
      nb::sig("def stream(s: Stream | Device | DeviceType) -> StreamContext"),
      R"(
A context in which operations of the calling thread that name no stream run on
this one, or on the default stream of a device::

    with upsweep.stream(upsweep.new_stream(upsweep.cpu)):
        b = upsweep.cumprod(a)

Raises:
    ValueError: The device or the stream does not exist.)");
}

void bind_waiting(nb::module_& m) {
  m.def(
      "synchronize",
      [](nb::handle s) {
        synchronize_without_gil(
            to_stream(to_stream_or_device(s, "synchronize")));
      },
      nb::arg("stream") = nb::none(),
      nb::sig("def synchronize(stream: None | Stream | Device | DeviceType = "
              "None) -> None"),
      R"(
Waits until the work given to the stream so far is done: the given one, the
default stream of the given device, or that of the default device.

Raises:
    Exception: The first error of that work that no earlier call has raised.)");
  m.def(
      "eval",
      [](nb::args trees) {
        for (const array& a : arrays_in(trees)) wait(a);
      },
      nb::sig("def eval(*args: object) -> None"), R"(
Waits for arrays, given directly or in nested lists, tuples and dicts; ignores
other objects in them.

Raises:
    Exception: The first error of the work that produces them.)");
  m.def(
      "async_eval", [](nb::args trees) { async_eval(arrays_in(trees)); },
      nb::sig("def async_eval(*args: object) -> None"),
      "Returns at once: work starts when an operation is called. It exists so "
      "that code written for MLX runs unchanged.");
  nb::module_::import_("atexit").attr("register")(nb::cpp_function(&leave));
}

void bind_queries(nb::module_& m) {
  m.def(
      "is_available",
      [](nb::handle device) {
        return is_available(to_device(device, "is_available"));
      },
      nb::arg("device"),
      nb::sig("def is_available(device: Device | DeviceType) -> bool"),
      "Whether the device exists and can run work.");
  m.def(
      "device_count",
      [](nb::handle type) {
        return device_count(to_device_type(type, "device_count"));
      },
      nb::arg("device_type"),
      nb::sig("def device_count(device_type: DeviceType) -> int"),
      "The number of devices of that type.");
  m.def(
      "device_info",
      [](nb::handle device) {
        nb::dict info;
        Device of = device.is_none() ? default_device()
                                     : to_device(device, "device_info");
        for (const auto& [name, value] : device_info(of)) {
          info[name.c_str()] = nb::cast(value);
        }
        return info;
      },
      nb::arg("device") = nb::none(),
      nb::sig("def device_info(device: None | Device | DeviceType = None) -> "
              "dict[str, str | int]"),
      R"(
Properties of a device, by default the default device: device_name, architecture
and memory_size in bytes; for the cpu the instruction set that the kernels use
(isa) and the number of threads; for a gpu max_buffer_length and
max_recommended_working_set_size in bytes.

Raises:
    ValueError: The device does not exist.)");
}

}  // namespace

StreamOrDevice to_stream_or_device(nb::handle h, const char* op) {
  if (h.is_none()) return {};
  if (nb::isinstance<Stream>(h)) return contents<Stream>(h);
  if (auto device = as_device(h)) {
    note(*device);
    return *device;
  }
  throw TypeError(std::string("[") + op +
                  "] stream must be None, a Stream or a Device, not " +
                  type_of(h) + ".");
}

void init_device(nb::module_& m) {
  bind_classes(m);
  bind_defaults(m);
  bind_waiting(m);
  bind_queries(m);
}

}  // namespace upsweep::python
