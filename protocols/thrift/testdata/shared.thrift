// Included by everything.thrift.
namespace py shared
namespace * shared

typedef i64 Id
enum Colour { RED = 1, GREEN, BLUE = 10 }
exception Refused { 1: required string why, 2: i32 code = 7 }
service Base {
  string ping(),
  void nop(),
}
