// Carry: arithmetic on records, line by line.
#include "upsweep/carry.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "array_access.h"
#include "carry_access.h"
#include "core/shape.h"
#include "host/carries.h"
#include "result.h"

namespace upsweep {

namespace {

StoragePtr new_records(const char* name, const Shape& shape) {
  auto count = static_cast<size_t>(checked_size(name, shape, float64));
  return find_backend(DeviceType::cpu)
      ->allocate(DeviceType::cpu, count * sizeof(CarryRecord));
}

CarryRecord* records_in(const StoragePtr& storage) {
  return static_cast<CarryRecord*>(storage->data());
}

void require(bool same, const char* what) {
  if (same) return;
  throw std::invalid_argument(std::string("[Carry.then] next has another ") +
                              what + " than this carry.");
}

}  // namespace

Carry::Carry(Op op, Dtype dtype, bool reverse, Shape shape,
             std::shared_ptr<Storage> storage)
    : op_(op),
      dtype_(dtype),
      reverse_(reverse),
      shape_(std::move(shape)),
      storage_(std::move(storage)) {}

Carry::Carry(Op op, Dtype dtype, bool reverse, Shape shape,
             const CarryRecord* records, int64_t count)
    : Carry(op, dtype, reverse, std::move(shape), nullptr) {
  if (count != checked_size("Carry", shape_, float64)) {
    throw std::invalid_argument("[Carry] There are " + std::to_string(count) +
                                " records for lines of shape " +
                                to_string(shape_) + ".");
  }
  if (result_dtype(op, dtype) != dtype) {
    throw TypeError(std::string("[Carry] ") + scan_name(op) + " has no " +
                    dtype.name() + " results.");
  }
  storage_ = new_records("Carry", shape_);
  std::copy_n(records, count, records_in(storage_));
  storage_->ready().signal();
}

int64_t Carry::size() const { return element_count(shape_); }

const CarryRecord* Carry::records() const {
  storage_->ready().wait();
  return records_in(storage_);
}

Carry Carry::then(const Carry& next) const {
  require(op_ == next.op_, "op");
  require(dtype_ == next.dtype_, "dtype");
  require(reverse_ == next.reverse_, "direction");
  require(shape_ == next.shape_, "shape");
  const CarryMethods& methods = carry_methods(op_, dtype_);
  const CarryRecord *first = records(), *second = next.records();
  StoragePtr out = new_records("Carry.then", shape_);
  for (int64_t i = 0, n = size(); i < n; ++i) {
    CarryRecord& record = records_in(out)[i] = first[i];
    methods.append(record, second[i]);
  }
  out->ready().signal();
  return {op_, dtype_, reverse_, shape_, std::move(out)};
}

bool Carry::is_decided() const {
  const CarryRecord* all = records();
  for (int64_t i = 0, n = size(); i < n; ++i) {
    if (!all[i].decided) return false;
  }
  return true;
}

array Carry::value() const {
  if (!is_decided()) {
    throw std::invalid_argument(
        "[Carry.value] A line is undecided: a result may have left the range "
        "of the dtype on the way, which only its elements can tell. Use "
        "carry(a, op, initial=...) instead of then().");
  }
  const CarryMethods& methods = carry_methods(op_, dtype_);
  const CarryRecord* all = records();
  StoragePtr out = find_backend(DeviceType::cpu)
                       ->allocate(DeviceType::cpu,
                                  static_cast<size_t>(size()) * dtype_.size());
  for (int64_t i = 0, n = size(); i < n; ++i) {
    methods.store_value(all[i], static_cast<char*>(out->data()) +
                                    i * static_cast<int64_t>(dtype_.size()));
  }
  out->ready().signal();
  return make_array(std::move(out), shape_, dtype_);
}

std::pair<array, array> Carry::mantissa_exponent() const {
  if (op_ != Op::prod || dtype_.kind() != Dtype::Kind::real) {
    throw std::invalid_argument(
        "[Carry.mantissa_exponent] op must be prod and the dtype real, not " +
        std::string(op_name(op_)) + " and " + dtype_.name() + ".");
  }
  const CarryRecord* all = records();
  auto n = static_cast<size_t>(size());
  std::vector<double> mantissas(n);
  std::vector<int64_t> exponents(n);
  for (size_t i = 0; i < n; ++i) {
    const CarryRecord::Number& total = all[i].total;
    // A sum with 0 would lose the sign of -0.
    double mantissa = total.re_low == 0 ? total.re : total.re + total.re_low;
    int shift = 0;
    if (mantissa != 0 && std::isfinite(mantissa)) {
      mantissa = std::frexp(mantissa, &shift);
      exponents[i] = shift + std::clamp(total.exponent, -kMaxCarryExponent,
                                        kMaxCarryExponent);
    }
    mantissas[i] = mantissa;
  }
  return {array(mantissas.data(), shape_), array(exponents.data(), shape_)};
}

}  // namespace upsweep
