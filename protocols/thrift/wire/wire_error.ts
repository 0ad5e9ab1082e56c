/** What is wrong with bytes, and with values that cannot become bytes. */

/** The bytes do not follow the protocol or the IDL. The one error of everything that reads them. */
export class WireError extends Error {
  override readonly name = "WireError";
  /** True where they are only more than allowed. */
  readonly tooLarge: boolean;

  constructor(text: string, tooLarge = false) {
    super(text);
    this.tooLarge = tooLarge;
  }
}

/** A value that is not of its declared type; says where in the arguments it stands: `user.tags[2]: …`. */
export class ValueError extends TypeError {
  override readonly name = "ValueError";
  readonly path: string;
  readonly problem: string;

  constructor(problem: string, path = "") {
    super(path === "" ? problem : `${path}: ${problem}`);
    this.problem = problem;
    this.path = path;
  }

  /** The same, one level further out. */
  within(step: string): ValueError {
    return new ValueError(
      this.problem,
      this.path === "" || this.path.startsWith("[") ? step + this.path : `${step}.${this.path}`,
    );
  }
}
