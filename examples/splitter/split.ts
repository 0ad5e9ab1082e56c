/**
 * The splitter: "in which experiments and groups is this user?" `GET /split?user=…&country=…` and `POST /split` answer
 * it, `GET /experiments` shows what runs. Experiments come from `experiments.yaml` beside this module, or from the file
 * that the environment variable EXPERIMENTS names; it is followed while serving, and a file with mistakes never
 * replaces a good one. Every answer goes to the stream `decisions`, too: who was put into which groups, and when.
 */
import { resolve } from "node:path";
import type { Context } from "../../mod.ts";
import { answerOf, decisionOf, groupsOf } from "./assign.ts";
import { ExperimentsError, type ExperimentSet, parseExperiments } from "./experiment_set.ts";
import { listing } from "./listing.ts";
import { BadQuestion, type Question, questionOfJson, questionOfQuery } from "./question.ts";
import { WatchedFile } from "./watched_file.ts";

const json = { headers: { "content-type": "application/json" } };

/** What this worker serves right now; undefined before {@link start}. */
let current: { set: ExperimentSet; since: Date } | undefined;
/** The mistakes of the newest file where that was refused. */
let problems: readonly string[] = [];
let watched: WatchedFile | undefined;

/** Loads the experiments before the worker is ready; a file with mistakes keeps the service from starting. */
export async function start(ctx: Context): Promise<void> {
  const path = resolve(import.meta.dirname!, Deno.env.get("EXPERIMENTS") ?? "experiments.yaml");
  const use = (text: string) => {
    const set = parseExperiments(text, path);
    current = { set, since: new Date() };
    problems = [];
    const count = set.layers.reduce((sum, layer) => sum + layer.experiments.length, 0);
    ctx.log.info("experiments loaded", {
      version: set.version,
      layers: set.layers.length,
      experiments: count,
    });
  };
  const mark = await WatchedFile.mark(path);
  use(await Deno.readTextFile(path));
  watched = new WatchedFile(path, mark, {
    onText: use,
    onError(error) {
      problems = error instanceof ExperimentsError ? error.problems : [`${path}: ${error.message}`];
      for (const problem of problems) ctx.log.error(`experiments kept as they were: ${problem}`);
    },
  });
  watched.start();
}

/** Ends the watch. */
export function stop(): void {
  watched?.stop();
}

export default {
  fetch(request: Request, ctx: Context): Response | Promise<Response> {
    const { url, method } = request;
    const pathBegin = url.indexOf("/", 8);
    const mark = url.indexOf("?", pathBegin);
    const path = mark < 0 ? url.slice(pathBegin) : url.slice(pathBegin, mark);
    if (path === "/split") {
      if (method === "GET") {
        return ask(ctx, (set) => questionOfQuery(mark < 0 ? "" : url.slice(mark + 1), set.names));
      }
      if (method === "POST") {
        return request.text().then((text) => ask(ctx, (set) => questionOfJson(text, set.names)));
      }
      return failure(405, "/split takes GET and POST", { allow: "GET, POST" });
    }
    if (path !== "/experiments") {
      return failure(404, `there is no ${path}; there are /split and /experiments`);
    }
    if (method !== "GET") return failure(405, "/experiments takes GET", { allow: "GET" });
    const { set, since } = loaded();
    return Response.json({ ...listing(set), since, problems });
  },
};

function ask(ctx: Context, questionFor: (set: ExperimentSet) => Question): Response {
  const { set } = loaded();
  try {
    const { user, attributes } = questionFor(set);
    ctx.stats.counter("splits");
    const groups = groupsOf(set, user, attributes);
    // Not awaited: the answer does not wait for the disk. What the spool does not take is counted there.
    ctx.stream("decisions").offer(decisionOf(set, user, groups, Date.now()), { key: user });
    return new Response(answerOf(set, user, groups), json);
  } catch (error) {
    if (error instanceof BadQuestion) return failure(400, error.message);
    throw error;
  }
}

function loaded(): NonNullable<typeof current> {
  if (!current) throw new TypeError("Cannot answer: start() has not run");
  return current;
}

function failure(status: number, error: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error }, { status, headers });
}
