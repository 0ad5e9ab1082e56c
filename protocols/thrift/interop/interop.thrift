/* Every type there is, as far as all implementations of the matrix know it. */
include "shapes.thrift"

struct Inner {
  1: required string name,
  2: optional shapes.Colour colour,
  3: list<shapes.Point> points,
}

union Choice {
  1: string text,
  2: i32 number,
  3: Inner inner,
}

struct Defaults {
  1: i32 number = 42,
  2: string word = "eins",
  3: bool yes = true,
  4: list<i32> numbers = [1, 2, 3],
  5: map<string, i32> sizes = {"small": 1},
  6: optional string absent,
  7: double ratio = 0.5,
}

struct Everything {
  1: bool yes,
  2: byte tiny,
  3: i16 small,
  4: i32 medium,
  5: shapes.Id large,
  6: double real,
  7: string text,
  8: binary bytes,
  9: list<i32> numbers,
  10: set<string> words,
  11: map<string, i64> ids,
  12: shapes.Colour colour,
  13: Inner inner,
  14: Choice choice,
  15: map<i32, list<Inner>> nested,
  16: bool no,
}

/* Numbers far apart. */
struct Sparse {
  1: optional bool near,
  100: optional string far,
  1000: optional bool farther,
  20000: optional i64 farthest,
}

/* What a server has read is not what was sent. */
exception Mismatch {
  1: string seen,
}

exception NotFound {
  1: string key,
  2: i32 code = 404,
}

service Interop extends shapes.Base {
  bool echoBool(1: bool value) throws (1: Mismatch mismatch),
  byte echoByte(1: byte value) throws (1: Mismatch mismatch),
  i16 echoI16(1: i16 value) throws (1: Mismatch mismatch),
  i32 echoI32(1: i32 value) throws (1: Mismatch mismatch),
  i64 echoI64(1: i64 value) throws (1: Mismatch mismatch),
  double echoDouble(1: double value) throws (1: Mismatch mismatch),
  string echoString(1: string value) throws (1: Mismatch mismatch),
  binary echoBinary(1: binary value) throws (1: Mismatch mismatch),
  list<i32> echoNumbers(1: list<i32> value) throws (1: Mismatch mismatch),
  list<string> echoWords(1: list<string> value) throws (1: Mismatch mismatch),
  list<bool> echoBits(1: list<bool> value) throws (1: Mismatch mismatch),
  set<string> echoSet(1: set<string> value) throws (1: Mismatch mismatch),
  map<string, i64> echoMap(1: map<string, i64> value) throws (1: Mismatch mismatch),
  map<i32, list<map<string, set<i64>>>> echoDeep(1: map<i32, list<map<string, set<i64>>>> value)
    throws (1: Mismatch mismatch),
  shapes.Colour echoEnum(1: shapes.Colour value) throws (1: Mismatch mismatch),
  shapes.Id echoTypedef(1: shapes.Id value) throws (1: Mismatch mismatch),
  shapes.Point echoIncluded(1: shapes.Point value) throws (1: Mismatch mismatch),
  Inner echoStruct(1: Inner value) throws (1: Mismatch mismatch),
  Choice echoUnion(1: Choice value) throws (1: Mismatch mismatch),
  Defaults echoDefaults(1: Defaults value) throws (1: Mismatch mismatch),
  Sparse echoSparse(1: Sparse value) throws (1: Mismatch mismatch),
  Everything echoEverything(1: Everything value) throws (1: Mismatch mismatch),

  /* "missing" and "refused" are thrown, "undeclared" is an error of the server, anything else is returned. */
  string fail(1: string how) throws (1: NotFound missing, 2: shapes.Refused refused),
  void failVoid(1: string how) throws (1: NotFound missing),
  string several(1: string text, 2: i32 number, 3: bool yes),
  /* Numbers in another order than that of the declaration. */
  string ordered(1: string text, 3: i32 number, 2: bool yes),

  oneway void shout(1: string text),
  /* "heard" where it was shouted. */
  string heard(1: string text),

  /* What tracking says of this call: id, seq, client, and what meta has. A reply with meta has shard = 3. */
  map<string, string> who(),
}

/* What clients call: servers have no ghost. */
service Further extends Interop {
  string ghost(),
}
