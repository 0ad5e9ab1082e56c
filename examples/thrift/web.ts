/** `GET /split/<experiment>?user=…`: the variant as JSON, asked of the Splitter. */
import { type Context, ThriftException } from "../../mod.ts";

interface Assignment {
  experiment: string;
  variant: string;
  bucket: number;
}

export default {
  async fetch(request: Request, ctx: Context): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const experiment = decodeURIComponent(pathname.slice("/split/".length));
    const user = searchParams.get("user") ?? "";
    const splitter = ctx.upstream("split");
    try {
      // It only reads: it may be asked twice.
      const assignment = await splitter.call<Assignment>("split", { experiment, user }, { idempotent: true });
      await splitter.call("seen", { assignment, user });
      return Response.json(assignment);
    } catch (error) {
      if (!(error instanceof ThriftException) || error.name !== "UnknownExperiment") throw error;
      return Response.json({ unknown: error.fields.experiment }, { status: 404 });
    }
  },
};
