// What callers in tests are told there is; no server has the last one.
include "everything.thrift"

service More extends everything.Test {
  void nobody(),
}
