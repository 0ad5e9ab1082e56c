// The service of the comparison `thrift`.

service Hello {
  string hello(1: string name),
}
