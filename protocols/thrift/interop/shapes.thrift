// Included by interop.thrift.

typedef i64 Id

enum Colour { RED = 1, GREEN, BLUE = 10 }

struct Point {
  1: required i32 x,
  2: required i32 y,
}

exception Refused {
  1: required string why,
  2: i32 code = 7,
}

service Base {
  string ping(),
  void nop(),
}
