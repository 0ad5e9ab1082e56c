/** What changes the service: each becomes one request to the supervisor, whose answer is the page. */

import type { ControlRequest } from "../../core/control.ts";
import type { Document } from "../document.ts";
import { complaint, type Endpoint } from "../endpoint.ts";
import type { Sight } from "../sight.ts";

const commandTimeoutMs = 5_000;
const waitTimeoutMs = 120_000;

/** Sends `request` and makes a page of the answer; 502 when the supervisor refuses or stays silent. */
export async function commandAnswer(
  sight: Sight,
  title: string,
  request: ControlRequest,
  timeoutMs: number = commandTimeoutMs,
): Promise<Document> {
  try {
    const answer = await sight.command(request, timeoutMs) ?? null;
    const text = typeof answer === "string"
      ? answer
      : answer === null
      ? "done"
      : JSON.stringify(answer, null, 2);
    const ok = !(typeof answer === "object" && answer !== null && (answer as { ok?: unknown }).ok === false);
    return {
      title,
      status: ok ? 200 : 502,
      sections: [{ kind: "block", key: "answer", title: ok ? "Done" : "Refused", text, data: answer }],
    };
  } catch (error) {
    return complaint(502, title, error instanceof Error ? error.message : String(error));
  }
}

export const reload = {
  method: "POST",
  path: "/reload",
  title: "Reload",
  summary: "Read the manifest again and replace the workers; `wait=1` answers when that is done.",
  tier: "write",
  example: "?wait=1",
  render(sight, { query }) {
    const wait = isOn(query.get("wait"));
    return commandAnswer(sight, "Reload", { type: "reload", wait }, wait ? waitTimeoutMs : commandTimeoutMs);
  },
} satisfies Endpoint;

export const drain = {
  method: "POST",
  path: "/drain",
  title: "Drain",
  summary: "Stop accepting, finish what is in flight, and exit.",
  tier: "write",
  render: (sight) => commandAnswer(sight, "Drain", { type: "drain" }),
} satisfies Endpoint;

export const restartWorker = {
  method: "POST",
  path: "/workers/:id/restart",
  title: "Restart a worker",
  summary: "Replace one worker: the new one is ready before the old one drains.",
  tier: "write",
  render(sight, { params }) {
    const id = /^\d{1,6}$/.test(params.id!) ? Number(params.id) : -1;
    const found = sight.state.children.some((child) => child.role === "worker" && child.id === id);
    if (!found) return complaint(404, "Restart a worker", `There is no worker ${JSON.stringify(params.id)}.`);
    return commandAnswer(sight, "Restart a worker", { type: "restartWorker", id });
  },
} satisfies Endpoint;

function isOn(text: string | null): boolean {
  return text !== null && ["", "1", "true", "yes", "on"].includes(text);
}
