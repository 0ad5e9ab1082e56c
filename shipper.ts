/**
 * Entry of the shipper process: sends the records of all streams from their spools to where they go. There is one where the
 * manifest declares streams. Loads neither the YAML parser nor the schema library.
 */
import { runShipper } from "./core/stream/run_shipper.ts";
import { sinks } from "./sinks.ts";

await runShipper({ sinks });
