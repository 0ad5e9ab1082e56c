/**
 * A file whose content is followed while serving. It looks at the file's date, size and inode every {@link periodMs}
 * instead of waiting for events: events miss what is replaced by renaming, mounted over a network or swapped behind a
 * symbolic link (as Kubernetes does with a ConfigMap), and one `stat` costs microseconds. A change is read once it has
 * looked the same twice, so a file that is being written is not read half-way.
 */

/** How often the file is looked at; a change is read after at most twice this. */
export const periodMs = 300;

/** What the watcher needs of the world. */
export interface WatchedFileOptions {
  /** Called with the text of every new version. What it throws goes to {@link onError}. */
  onText: (text: string) => void;
  /** Called when the file cannot be read or {@link onText} threw; once per version of the file. */
  onError: (error: Error) => void;
  stat?: (path: string) => Promise<{ mtime: Date | null; size: number; ino: number | null }>;
  read?: (path: string) => Promise<string>;
}

/** Follows one file; {@link look} is one look at it, {@link start} looks for ever. */
export class WatchedFile {
  readonly #path: string;
  readonly #options: WatchedFileOptions;
  #handled: string;
  #seen: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /** `mark` is what {@link WatchedFile.mark} said just before the version now in use was read. */
  constructor(path: string, mark: string, options: WatchedFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#handled = mark;
    this.#seen = mark;
  }

  /** A short text that changes when the file does; an Error's message where it cannot be seen. */
  static async mark(
    path: string,
    stat: NonNullable<WatchedFileOptions["stat"]> = Deno.stat,
  ): Promise<string> {
    try {
      const { mtime, size, ino } = await stat(path);
      return `${mtime?.getTime()} ${size} ${ino}`;
    } catch (error) {
      return String(error);
    }
  }

  /** Looks every {@link periodMs} until {@link stop}. */
  start(): void {
    const next = () => {
      if (this.#stopped) return;
      this.#timer = setTimeout(() => this.look().then(next), periodMs);
    };
    next();
  }

  /** Looks once; reads the file when it changed and has settled. Never rejects. */
  async look(): Promise<void> {
    const mark = await WatchedFile.mark(this.#path, this.#options.stat);
    const settled = mark === this.#seen;
    this.#seen = mark;
    if (!settled || mark === this.#handled) return;
    this.#handled = mark;
    try {
      this.#options.onText(await (this.#options.read ?? Deno.readTextFile)(this.#path));
    } catch (error) {
      this.#options.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Ends the watch; a look that is under way may still call back once. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
