/* Every type there is, for tests against other implementations. */
include "shared.thrift"

const i32 LIMIT = 42
const map<string, i32> SIZES = { "small": 1, "large": LIMIT }

struct Inner {
  1: required string name,
  2: optional shared.Colour colour = shared.Colour.GREEN,
  3: list<Inner> children,
}

union Choice { 1: string text; 2: i32 number; 3: Inner inner }

struct Everything {
  1: bool yes,
  2: byte tiny,
  3: i16 small,
  4: i32 medium = LIMIT,
  5: shared.Id large,
  6: double real,
  7: string text,
  8: binary bytes,
  9: list<i32> numbers,
  10: set<string> words,
  11: map<string, i64> ids,
  12: shared.Colour colour,
  13: Inner inner,
  14: Choice choice,
  15: list<bool> bits,
  16: map<i32, list<Inner>> nested,
  17: bool no,
  100: string far,
  18: list<map<string, set<i64>>> deep,
}

exception NotFound { 1: string key, 2: Inner inner }

service Test extends shared.Base {
  Everything echo(1: Everything value),
  string hello(1: string name),
  i64 add(1: i64 left, 2: i64 right = 5),
  string fail(1: string how) throws (1: NotFound missing, 2: shared.Refused refused),
  list<string> split(1: string text, 2: string by),
  oneway void shout(1: string text),
  string heard(),
  map<string, string> who(),
  binary reverse(1: binary bytes),
  string wait(1: i32 ms),
}
