import assert from "node:assert/strict";
import { type Action, type Actual, type ChildView, type Goal, reconcile } from "./reconcile.ts";

const now = 100_000;

const goal: Goal = {
  phase: "run",
  generation: 1,
  workers: 2,
  governor: true,
  shipper: false,
  next: null,
  limits: { startMs: 30_000, hangMs: 2000, silentMs: 250, memoryBytes: 1000 },
};

/** A ready, healthy worker; `serial` doubles as id. */
function child(serial: number, change: Partial<ChildView> = {}): ChildView {
  return {
    serial,
    role: "worker",
    id: serial,
    generation: 1,
    state: "ready",
    startedAt: now - 50_000,
    readyAt: now - 49_000,
    deadline: Infinity,
    silentMs: 0,
    rssBytes: 1,
    requests: 0,
    maxAgeMs: Infinity,
    maxRequests: Infinity,
    doomed: "",
    listening: true,
    lastShipper: false,
    stack: "none",
    killed: false,
    ...change,
  };
}

const governor = child(9, { role: "governor", id: 1, listening: false });
const shipper = child(8, { role: "shipper", id: 1, listening: false });

interface Case {
  name: string;
  goal?: Partial<Goal>;
  children: ChildView[];
  actual?: Partial<Actual>;
  wanted: Action[];
}

const cases: Case[] = [
  {
    name: "starts the first worker alone when nothing is there",
    children: [],
    wanted: [{ type: "start", role: "worker", id: 1, generation: 1 }],
  },
  {
    name: "waits while a worker starts",
    children: [child(1, { state: "starting", startedAt: now })],
    wanted: [],
  },
  {
    name: "starts the next worker when the first is ready",
    children: [child(1)],
    wanted: [{ type: "start", role: "worker", id: 2, generation: 1 }],
  },
  {
    name: "starts the governor when the workers are there",
    children: [child(1), child(2)],
    wanted: [{ type: "start", role: "governor", id: 1, generation: 1 }],
  },
  {
    name: "starts no governor where there is none to be",
    goal: { governor: false },
    children: [child(1), child(2)],
    wanted: [],
  },
  {
    name: "starts a governor first that the workers need, and then the workers beside it",
    goal: { governorFirst: true },
    children: [],
    wanted: [{ type: "start", role: "governor", id: 1, generation: 1 }],
  },
  {
    name: "does not wait for the governor that the workers need",
    goal: { governorFirst: true },
    children: [{ ...governor, state: "starting", startedAt: now }],
    wanted: [{ type: "start", role: "worker", id: 1, generation: 1 }],
  },
  {
    name: "starts workers while the governor that they need is in back-off",
    goal: { governorFirst: true },
    children: [],
    actual: { seats: [{ role: "governor", id: 1, notBefore: now + 1 }] },
    wanted: [{ type: "start", role: "worker", id: 1, generation: 1 }],
  },
  {
    name: "starts governor and shipper when the workers are there",
    goal: { shipper: true },
    children: [child(1), child(2)],
    wanted: [
      { type: "start", role: "governor", id: 1, generation: 1 },
      { type: "start", role: "shipper", id: 1, generation: 1 },
    ],
  },
  {
    name: "starts no shipper before the workers, nor beside a governor that they need first",
    goal: { governorFirst: true, shipper: true },
    children: [],
    wanted: [{ type: "start", role: "governor", id: 1, generation: 1 }],
  },
  {
    name: "starts a shipper again when its back-off is over, whatever the governor does",
    goal: { shipper: true },
    children: [child(1), child(2)],
    actual: {
      seats: [{ role: "shipper", id: 1, notBefore: now }, { role: "governor", id: 1, notBefore: now + 1 }],
    },
    wanted: [{ type: "start", role: "shipper", id: 1, generation: 1 }],
  },
  {
    name: "leaves the seat of the shipper empty in its back-off",
    goal: { shipper: true },
    children: [child(1), child(2), governor],
    actual: { seats: [{ role: "shipper", id: 1, notBefore: now + 1 }] },
    wanted: [],
  },
  {
    name: "starts no second shipper while one drains or dies",
    goal: { shipper: true },
    children: [child(1), child(2), governor, { ...shipper, state: "draining" }],
    wanted: [],
  },
  {
    name: "marks a silent shipper as hung, and steers nothing",
    goal: { shipper: true },
    children: [child(1), child(2), governor, { ...shipper, silentMs: 2100 }],
    wanted: [{ type: "hang", serial: 8, cause: "hang 2.1 s" }],
  },
  {
    name: "drains a shipper that nobody wants",
    children: [child(1), child(2), governor, shipper],
    wanted: [{ type: "drain", serial: 8, cause: "reload" }],
  },
  {
    name: "drains the shipper of the old generation at once where the next one ships the same streams",
    goal: { workers: 1, generation: 2, governor: false, shipper: true },
    children: [
      child(1, { state: "draining", listening: false }),
      child(2, { id: 1, generation: 2 }),
      shipper,
    ],
    wanted: [{ type: "drain", serial: 8, cause: "reload" }],
  },
  {
    name: "keeps a shipper whose streams the next one does not know until the last of their workers is gone",
    goal: { workers: 1, generation: 2, governor: false, shipper: true },
    children: [
      child(1, { state: "draining", listening: false, killed: true }),
      child(2, { id: 1, generation: 2 }),
      { ...shipper, lastShipper: true },
    ],
    wanted: [],
  },
  {
    name: "drains that shipper when they are gone",
    goal: { workers: 1, generation: 2, governor: false },
    children: [child(2, { id: 1, generation: 2 }), { ...shipper, lastShipper: true }],
    wanted: [{ type: "drain", serial: 8, cause: "reload" }],
  },
  {
    name: "starts the shipper of the new generation when the old one is gone",
    goal: { workers: 1, generation: 2, governor: false, shipper: true },
    children: [child(2, { id: 1, generation: 2 })],
    wanted: [{ type: "start", role: "shipper", id: 1, generation: 2 }],
  },
  {
    name: "drains the shipper when the workers are gone, before the governor",
    goal: { phase: "drain", shipper: true },
    children: [shipper, governor, child(1, { killed: true })],
    wanted: [{ type: "drain", serial: 8, cause: "drain" }],
  },
  {
    name: "waits at a stop for a shipper that is starting, and not for long",
    goal: { phase: "drain", shipper: true },
    children: [{ ...shipper, state: "starting", startedAt: now - 2900 }, governor],
    wanted: [],
  },
  {
    name: "ends a shipper at a stop that does not come to its start",
    goal: { phase: "drain", shipper: true },
    children: [{ ...shipper, state: "starting", startedAt: now - 3100 }, governor],
    wanted: [{ type: "kill", serial: 8, cause: "drain" }],
  },
  {
    name: "keeps shipper and governor while a worker drains",
    goal: { phase: "drain", shipper: true },
    children: [shipper, governor, child(1, { state: "draining" })],
    wanted: [],
  },
  {
    name: "keeps the governor while the shipper drains",
    goal: { phase: "drain", shipper: true },
    children: [{ ...shipper, state: "draining" }, governor],
    wanted: [],
  },
  {
    name: "kills the shipper that drains when it is to stop at once",
    goal: { phase: "stop", shipper: true },
    children: [{ ...shipper, state: "draining" }],
    wanted: [{ type: "kill", serial: 8, cause: "stop" }],
  },
  { name: "does nothing when all is well", children: [child(1), child(2), governor], wanted: [] },
  {
    name: "leaves a seat in back-off empty, and starts the governor meanwhile",
    children: [child(1)],
    actual: { seats: [{ role: "worker", id: 2, notBefore: now + 1 }] },
    wanted: [{ type: "start", role: "governor", id: 1, generation: 1 }],
  },
  {
    name: "fills the seat when the back-off is over",
    children: [child(1), governor],
    actual: { seats: [{ role: "worker", id: 2, notBefore: now }] },
    wanted: [{ type: "start", role: "worker", id: 2, generation: 1 }],
  },
  {
    name: "gives up on a worker that does not get ready",
    children: [child(1, { state: "starting", startedAt: now - 30_001, listening: false }), governor],
    wanted: [{ type: "hang", serial: 1, cause: "not ready within 30 s" }],
  },
  {
    name: "steers new connections away from a silent worker before it counts as hung",
    children: [child(1, { silentMs: 300 }), child(2), governor],
    wanted: [{ type: "steerAway", serial: 1, via: 2 }],
  },
  {
    name: "does not steer away twice",
    children: [child(1, { silentMs: 300 }), child(2), governor],
    actual: { steered: 1 },
    wanted: [],
  },
  {
    name: "steers away again when the group has changed",
    children: [child(1, { silentMs: 300 }), child(2), governor],
    actual: { steered: 1, steeringStale: true },
    wanted: [{ type: "steerAway", serial: 1, via: 2 }],
  },
  {
    name: "ends the steering when the worker is back",
    children: [child(1), child(2), governor],
    actual: { steered: 1 },
    wanted: [{ type: "unsteer", via: 1 }],
  },
  {
    name: "cannot steer away from the only worker",
    goal: { workers: 1 },
    children: [child(1, { silentMs: 300 }), governor],
    wanted: [],
  },
  {
    name: "marks a silent worker as hung",
    goal: { workers: 1 },
    children: [child(1, { silentMs: 2100 }), governor],
    wanted: [{ type: "hang", serial: 1, cause: "hang 2.1 s" }],
  },
  {
    name: "replaces a hung worker before it is killed",
    goal: { workers: 1 },
    children: [child(1, { state: "hung", doomed: "hang 2.1 s", stack: "pending" }), governor],
    wanted: [{ type: "start", role: "worker", id: 1, generation: 1 }],
  },
  {
    name: "kills a hung worker when its stack is taken",
    goal: { workers: 1 },
    children: [
      child(1, { state: "hung", doomed: "hang 2.1 s", stack: "done" }),
      child(2, { id: 1 }),
      governor,
    ],
    actual: { steered: 1 },
    wanted: [{ type: "kill", serial: 1, cause: "hang 2.1 s" }],
  },
  {
    name: "condemns one worker over its memory, not two",
    children: [child(1, { rssBytes: 2 * 1024 * 1024 }), child(2, { rssBytes: 3 * 1024 * 1024 }), governor],
    goal: { limits: { ...goal.limits, memoryBytes: 1024 * 1024 } },
    wanted: [{ type: "doom", serial: 1, cause: "memory 2 MiB > 1 MiB" }],
  },
  {
    name: "condemns by age",
    children: [child(1), child(2, { maxAgeMs: 48_000 }), governor],
    wanted: [{ type: "doom", serial: 2, cause: "age" }],
  },
  {
    name: "condemns by requests",
    children: [child(1, { requests: 11, maxRequests: 10 }), child(2), governor],
    wanted: [{ type: "doom", serial: 1, cause: "11 requests" }],
  },
  {
    name: "condemns nobody while another worker is being replaced",
    children: [
      child(1, { doomed: "age" }),
      child(2, { rssBytes: 2000 }),
      child(3, { id: 1, state: "starting", startedAt: now }),
      governor,
    ],
    wanted: [],
  },
  {
    name: "starts the replacement first",
    children: [child(1, { doomed: "age" }), child(2), governor],
    wanted: [{ type: "start", role: "worker", id: 1, generation: 1 }],
  },
  {
    name: "drains the condemned worker when its replacement is ready",
    children: [child(1, { doomed: "age" }), child(2), child(3, { id: 1 }), governor],
    wanted: [{ type: "drain", serial: 1, cause: "age" }],
  },
  {
    name: "keeps the condemned worker while the replacement is in back-off",
    children: [child(1, { doomed: "age" }), child(2), governor],
    actual: { seats: [{ role: "worker", id: 1, notBefore: now + 1 }] },
    wanted: [],
  },
  {
    name: "starts the new generation one by one beside the old",
    goal: { next: { generation: 2, workers: 2 } },
    children: [child(1), child(2), governor, child(3, { id: 1, generation: 2 })],
    wanted: [{ type: "start", role: "worker", id: 2, generation: 2 }],
  },
  {
    name: "commits when the whole new generation is ready",
    goal: { next: { generation: 2, workers: 2 } },
    children: [
      child(1),
      child(2),
      governor,
      child(3, { id: 1, generation: 2 }),
      child(4, { id: 2, generation: 2 }),
    ],
    wanted: [{ type: "commit" }],
  },
  {
    name: "drains the old generation one by one, the governor at once",
    goal: { generation: 2 },
    children: [
      child(1),
      child(2),
      governor,
      child(3, { id: 1, generation: 2 }),
      child(4, { id: 2, generation: 2 }),
    ],
    wanted: [
      { type: "drain", serial: 1, cause: "reload" },
      { type: "drain", serial: 9, cause: "reload" },
    ],
  },
  {
    name: "drains the next old worker as soon as the last one has left the group",
    goal: { generation: 2, governor: false },
    children: [
      child(1, { state: "draining", listening: false }),
      child(2),
      child(3, { id: 1, generation: 2 }),
      child(4, { id: 2, generation: 2 }),
    ],
    wanted: [{ type: "drain", serial: 2, cause: "reload" }],
  },
  {
    name: "lets who leaves next steer for itself when the last one is gone",
    goal: { generation: 2, governor: false },
    children: [child(2), child(3, { id: 1, generation: 2 }), child(4, { id: 2, generation: 2 })],
    actual: { steered: 1, steeringStale: true },
    wanted: [{ type: "drain", serial: 2, cause: "reload" }],
  },
  {
    name: "lets nobody leave while the steering is being changed",
    goal: { generation: 2, governor: false },
    children: [child(2), child(3, { id: 1, generation: 2 }), child(4, { id: 2, generation: 2 })],
    actual: { steered: 1, steeringStale: true, steeringBusy: true },
    wanted: [],
  },
  {
    name: "removes what a given-up reload has started",
    children: [
      child(1),
      child(2),
      governor,
      child(3, { id: 1, generation: 2 }),
      child(4, { id: 2, generation: 2, state: "starting", startedAt: now }),
    ],
    wanted: [
      { type: "drain", serial: 3, cause: "reload" },
      { type: "kill", serial: 4, cause: "reload" },
    ],
  },
  {
    name: "replaces a worker of the old generation that dies during a reload",
    goal: { next: { generation: 2, workers: 2 } },
    children: [child(1), governor],
    wanted: [{ type: "start", role: "worker", id: 2, generation: 1 }],
  },
  {
    name: "drains workers beyond the count",
    goal: { workers: 1 },
    children: [child(1), child(2), governor],
    wanted: [{ type: "drain", serial: 2, cause: "reload" }],
  },
  {
    name: "drains all workers at once when the service stops, the governor not yet",
    goal: { phase: "drain" },
    children: [child(1), child(2), governor],
    wanted: [
      { type: "drain", serial: 1, cause: "drain" },
      { type: "drain", serial: 2, cause: "drain" },
    ],
  },
  {
    name: "drains the governor last",
    goal: { phase: "drain" },
    children: [governor],
    wanted: [{ type: "drain", serial: 9, cause: "drain" }],
  },
  {
    name: "kills what is only starting when the service stops",
    goal: { phase: "drain" },
    children: [child(1, { state: "starting", startedAt: now })],
    wanted: [{ type: "kill", serial: 1, cause: "drain" }],
  },
  {
    name: "kills who drains too long",
    goal: { phase: "drain" },
    children: [child(1, { state: "draining", deadline: now - 1 })],
    wanted: [{ type: "kill", serial: 1, cause: "drain took too long" }],
  },
  {
    name: "kills everything when it stops at once",
    goal: { phase: "stop" },
    children: [child(1, { state: "draining" }), governor, child(3, { killed: true })],
    wanted: [
      { type: "kill", serial: 1, cause: "stop" },
      { type: "kill", serial: 9, cause: "stop" },
    ],
  },
  {
    name: "waits for who is killed",
    goal: { phase: "stop" },
    children: [child(1, { killed: true })],
    wanted: [],
  },
  {
    name: "is finished when nobody is left",
    goal: { phase: "drain" },
    children: [],
    wanted: [{ type: "finished" }],
  },
];

for (const { name, goal: change, children, actual, wanted } of cases) {
  Deno.test(`reconcile() ${name}`, () => {
    const all = { children, seats: [], steered: null, steeringStale: false, steeringBusy: false, ...actual };
    assert.deepEqual(reconcile({ ...goal, ...change }, all, now), wanted);
  });
}
