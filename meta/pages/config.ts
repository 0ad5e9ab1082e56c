/** The Plan in force: every value the service runs with, defaults filled in, secrets left out. */

import type { Endpoint } from "../endpoint.ts";
import { outline } from "../outline.ts";

export const config = {
  method: "GET",
  path: "/config",
  title: "Configuration",
  summary: "The effective plan with all defaults; secrets are redacted.",
  tier: "read",
  nav: true,
  async render(sight) {
    const plan = await sight.redactedPlan();
    return {
      title: "Configuration",
      sections: [{
        kind: "block",
        key: "plan",
        title: "Plan in force",
        note: "Durations are milliseconds, sizes bytes, rates per second, shares fractions of one. " +
          "`explain` on the command line tells where each value came from.",
        text: outline(plan),
        data: plan,
      }],
    };
  },
} satisfies Endpoint;
