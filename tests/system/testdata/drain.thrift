service Drain {
  string say(1: string text),
  binary big(1: i32 bytes),
}
