/**
 * A declared exception, thrown by handlers and by calls: `throw new ThriftException("NotFound", { key })`. Its name is
 * that of the exception in the IDL.
 */

/** See the module's header. */
export class ThriftException extends Error {
  /** Name of the exception in the IDL. */
  override readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(name: string, fields: Readonly<Record<string, unknown>> = {}) {
    super(typeof fields.message === "string" ? fields.message : name);
    this.name = name;
    this.fields = fields;
  }
}
