/** What the process's exit status means, for `run` and for every other command. */
export const exitCodes = {
  /** Stopped cleanly; or the command did what it was asked. */
  clean: 0,
  /** The service failed at run time; or a reload was refused. */
  failed: 1,
  /** The manifest or the command line is wrong; nothing was bound. */
  wrong: 2,
  /** No such service runs, or it refused the command. */
  unreachable: 3,
  /** Stopped, but work in flight had to be cut off. */
  cutOff: 4,
} as const;

/** One of {@link exitCodes}. */
export type ExitCode = typeof exitCodes[keyof typeof exitCodes];
