/** The one error of everything that reads Thrift IDL: what is wrong, and where. */

/** A place in an IDL file; line and column count from 1. */
export interface IdlPlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The IDL is wrong. Its message begins with `file:line:column`. */
export class IdlError extends SyntaxError {
  override readonly name = "IdlError";
  readonly place: IdlPlace;

  constructor(place: IdlPlace, text: string) {
    super(`${place.file}:${place.line}:${place.column}: ${text}`);
    this.place = place;
  }
}
