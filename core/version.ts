/** Weir's own version, as `--version` and the meta pages show it. */
export const weirVersion = "0.1.0";
