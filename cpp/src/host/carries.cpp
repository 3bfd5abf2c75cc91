// Appending elements and records to records.
#include "carries.h"

#include <type_traits>

#include "../monoid/record.h"

namespace upsweep {

namespace {

template <class M>
struct Methods {
  using R = typename RecordMonoid<M>::Type;
  using Value = typename M::Value;

  static CarryRecord identity() {
    CarryRecord record{};
    record.prefix = record.total = record_of(R::initial());
    record.decided = 1;
    if constexpr (!M::kAssociative) {
      RecordRange<R>::store(record, {});
    }
    return record;
  }

  static void append_element(CarryRecord& record, const void* element) {
    append_to_total(record, element, 0, 1);
    if constexpr (M::kAssociative) {
      record.prefix = record.total;
    } else {
      if (!record.decided) return;
      auto prefix = from_record<typename M::Prefix>(record.prefix);
      M::advance(prefix, load_element<Value>(element));
      record.prefix = record_of(prefix);
    }
  }

  static void append_to_total(CarryRecord& record, const void* elements,
                              int64_t step, int64_t count) {
    auto* from = static_cast<const Value*>(elements);
    if constexpr (M::kAssociative) {
      auto total = from_record<typename M::Prefix>(record.total);
      for (int64_t i = 0; i < count; ++i) {
        M::advance(total, load_element<Value>(from + i * step));
      }
      record.total = record_of(total);
    } else {
      auto total = from_record<typename R::Aggregate>(record.total);
      auto range = RecordRange<R>::load(record);
      for (int64_t i = 0; i < count; ++i) {
        auto x = widened(load_element<Value>(from + i * step));
        R::accumulate(total, x);
        R::include(range, total, x);
      }
      record.total = record_of(total);
      RecordRange<R>::store(record, range);
    }
  }

  static void append(CarryRecord& record, const CarryRecord& next) {
    if constexpr (M::kAssociative) {
      auto total = from_record<typename M::Prefix>(record.total);
      M::combine(total, from_record<typename M::Prefix>(next.total));
      record.prefix = record.total = record_of(total);
    } else {
      using Aggregate = typename R::Aggregate;
      auto total = from_record<Aggregate>(record.total);
      auto next_total = from_record<Aggregate>(next.total);
      auto next_range = RecordRange<R>::load(next);
      if (record.decided) {
        record.decided = try_apply(record.prefix, next_total, next_range);
      }
      auto range = RecordRange<R>::load(record);
      R::append_range(range, total, next_range);
      append_aggregate(total, next_total);
      record.total = record_of(total);
      RecordRange<R>::store(record, range);
    }
  }

  static void store_value(const CarryRecord& record, void* to) {
    auto prefix = from_record<typename M::Prefix>(record.prefix);
    *static_cast<Value*>(to) = M::value(prefix);
  }

 private:
  static constexpr bool kIsRealProduct =
      std::is_same_v<R, Product<double>> && !M::kAssociative;

  static typename R::Value widened(Value x) {
    if constexpr (std::is_same_v<typename R::Value, Value>) {
      return x;
    } else {
      return widen(x);
    }
  }

  // A total that is zero, infinite or NaN is a special class.
  template <class Aggregate>
  static void append_aggregate(Aggregate& total, const Aggregate& next) {
    if constexpr (kIsRealProduct) {
      if (!R::is_live(total) || !R::is_live(next)) {
        total = {{canonical(R::special_class(total) * R::special_class(next))},
                 0};
        return;
      }
    }
    R::combine(total, next);
  }

  template <class Aggregate, class Range>
  static bool try_apply(Number& number, const Aggregate& aggregate,
                        const Range& range) {
    auto prefix = from_record<typename R::Prefix>(number);
    if constexpr (kIsRealProduct) {
      // The dtype may be narrower than the monoid's.
      if (R::is_live(prefix) &&
          !R::keeps_within(prefix, range, Limits<Value>::min,
                           Limits<Value>::max)) {
        return false;
      }
    }
    if (!R::try_apply(prefix, aggregate, range)) return false;
    number = record_of(prefix);
    return true;
  }
};

template <class M>
constexpr CarryMethods kMethods = {
    Methods<M>::identity,        Methods<M>::append_element,
    Methods<M>::append_to_total, Methods<M>::append,
    Methods<M>::store_value,     M::kAssociative};

template <class T>
const CarryMethods& methods_of(Op op) {
  constexpr bool kIsBool = std::is_same_v<T, bool>;
  constexpr bool kIsInteger = std::is_integral_v<T>;
  switch (op) {
    case Op::prod:
      if constexpr (!kIsBool) {
        return kMethods<Product<T>>;
      } else {
        break;  // the product is the minimum
      }
    case Op::sum:
      if constexpr (!kIsBool) return kMethods<Sum<T>>;
      break;
    case Op::logaddexp:
      if constexpr (!kIsInteger) return kMethods<LogAddExp<T>>;
      break;
    case Op::max:
      return kMethods<Extremum<T, true>>;
    case Op::min:
      break;
  }
  return kMethods<Extremum<T, false>>;
}

}  // namespace

CarryRecord first_record(const Initial& initial, Op op, Dtype dtype,
                         int64_t line) {
  const CarryMethods& methods = carry_methods(op, dtype);
  CarryRecord record = methods.identity();
  if (initial.kind == Initial::Kind::identity) return record;
  int64_t at = initial.offset + (initial.per_line ? line : 0);
  const void* from = initial.storage->data();
  if (initial.kind == Initial::Kind::carry) {
    return static_cast<const CarryRecord*>(from)[at];
  }
  auto itemsize = static_cast<int64_t>(dtype.size());
  methods.append_element(record,
                         static_cast<const char*>(from) + at * itemsize);
  return record;
}

const CarryMethods& carry_methods(Op op, Dtype dtype) {
  return visit_dtype(dtype, [&](auto value) -> const CarryMethods& {
    return methods_of<decltype(value)>(op);
  });
}

}  // namespace upsweep
