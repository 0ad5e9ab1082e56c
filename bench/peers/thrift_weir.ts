/** The handler of the comparison `thrift`. */
export default { hello: ({ name }: { name: string }): string => `hello ${name}` };
