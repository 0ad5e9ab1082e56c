/** Numbers of the types in the binary protocol; the compact one has its own and translates. */

/** See the module's header. */
export const TType = {
  stop: 0,
  bool: 2,
  i8: 3,
  double: 4,
  i16: 6,
  i32: 8,
  i64: 10,
  string: 11,
  struct: 12,
  map: 13,
  set: 14,
  list: 15,
  uuid: 16,
} as const;

/** Numbers of messages. */
export const MessageType = { call: 1, reply: 2, exception: 3, oneway: 4 } as const;

/** Structs and containers within one another; deeper messages are refused. */
export const deepest = 64;
