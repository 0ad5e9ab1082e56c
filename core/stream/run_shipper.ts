/**
 * The life of the shipper process: joins the supervisor, ships the streams of its plan until it is told to drain, and says
 * then what is left. Workers know nothing of it: they write to the spool whether it lives or not. Its entry is shipper.ts
 * at the root, which passes in where records can go.
 */
import type { Channel, ChannelMessage } from "../channel.ts";
import { systemClock } from "../clock.ts";
import type { Drain, Drained, Failed, LogLevel, PlanMessage } from "../control.ts";
import { createLogging, type Logging } from "../log/mod.ts";
import type { Plan } from "../manifest/plan.ts";
import { localStatsMemory, openStatsFile, type SlotWriter } from "../stats/mod.ts";
import { joinSupervisor } from "../supervisor/join_supervisor.ts";
import { keepBeating } from "../supervisor/keep_beating.ts";
import { sendSnapshots } from "../worker/send_snapshots.ts";
import type { MakeSink } from "./contract.ts";
import { type Shipper, startShipper } from "./shipper.ts";

/** What a shipper is made from. */
export interface ShipperParts {
  /** Loads what sends records, by the key of a stream that names it (`kafka`); only called for those that a plan uses. */
  readonly sinks: Readonly<Record<string, () => Promise<MakeSink>>>;
}

/** Joins, ships and drains; where it cannot start, says so and exits. The whole life of a shipper process. */
export async function runShipper({ sinks }: ShipperParts): Promise<void> {
  const early: ChannelMessage[] = [];
  let hear: (message: ChannelMessage) => unknown = (message) => void early.push(message);
  const { channel, plan: told } = await joinSupervisor((message) => hear(message));
  const plan = told.plan as Plan;
  let logging: Logging | undefined;
  try {
    const stats = openSlot(told);
    logging = createLogging(plan.logs, {
      process: { service: plan.service, role: "shipper", id: told.worker.id, pid: Deno.pid },
      clock: systemClock,
      directory: told.runtimeFolder,
      stats,
      terminal: told.terminal ?? false,
    });
    const logger = logging.logger.bind(logging);
    const publish = stats.streams.set.bind(stats.streams);
    const shipper = startShipper({ plan, sinks, publish, stats, clock: systemClock, logger });
    const own = { channel, stats, logging, shipper };
    hear = (message) => obey(own, message);
    for (const message of early) obey(own, message);
    keepBeating(stats, plan.workers.hang);
    stats.state("ready");
    if (told.stats.path === null) sendSnapshots(channel, stats, told.worker.slot);
    channel.send({ type: "ready", addresses: {} });
  } catch (error) {
    logging?.logger("streams").error("cannot start", { error });
    await logging?.close();
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    await channel.send({ type: "failed", error: text } satisfies Failed);
    Deno.exit(1);
  }
}

interface Own {
  channel: Channel;
  stats: SlotWriter;
  logging: Logging;
  shipper: Shipper;
}

function openSlot({ stats, worker }: PlanMessage): SlotWriter {
  const memory = stats.path === null ? localStatsMemory(worker.slot + 1) : openStatsFile(stats.path);
  // Not its number: slots of equal ids are one worker to those who read them.
  const identity = { role: "shipper", id: "shipper", generation: worker.generation };
  return memory.slot(worker.slot).writer(identity);
}

function obey(own: Own, message: ChannelMessage): void {
  switch (message.type) {
    case "drain":
      drain(own, message as unknown as Drain);
      return;
    case "reopenLogs":
      return own.logging.reopen();
    case "logLevel": {
      const { logger, level, ttlMs } = message as unknown as LogLevel;
      try {
        return own.logging.setLevel(logger, level, ttlMs);
      } catch (error) {
        return own.logging.logger("streams").warn("level not set", { error });
      }
    }
  }
}

/** Ships what is left within the limit. What stays is on disk: it is no failure, but it is said. */
async function drain({ channel, stats, logging, shipper }: Own, { drainMs }: Drain): Promise<void> {
  stats.state("draining");
  const streams = await shipper.drain(drainMs).catch((error) => {
    logging.logger("streams").error("drain failed", { error });
    return {};
  });
  await logging.close();
  stats.close();
  await channel.send({ type: "drained", left: 0, streams } satisfies Drained);
  Deno.exit(0);
}
