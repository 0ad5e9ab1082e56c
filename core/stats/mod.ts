/**
 * Statistics in shared memory. One file per service with a slot per process; each process writes its own slot with plain
 * stores, anybody reads all of them at any time. See layout.ts for the bytes, stats_memory.ts for opening,
 * slot_writer.ts for writing, read_series.ts and read_tables.ts for reading.
 */
export {
  chooseStatsMode,
  createStatsFile,
  localStatsMemory,
  openStatsFile,
  openThreadView,
  removeStatsFile,
  statsFilePath,
  StatsMemory,
  type StatsMode,
  type StatsThreadView,
} from "./stats_memory.ts";
export { MappingUnavailable } from "./map_file.ts";
export { Slot, type SlotInfo } from "./slot.ts";
export { type SlotState, slotStates, SlotWriter, type WriterIdentity } from "./slot_writer.ts";
export { Counter, Gauge } from "./instruments.ts";
export { Distribution, Histogram, type HistogramUnit } from "./histogram.ts";
export { Distinct } from "./distinct.ts";
export { InflightTable } from "./inflight_table.ts";
export { ConnectionTable } from "./connection_table.ts";
export {
  type EndpointFigures,
  EndpointRow,
  type EndpointStateName,
  endpointStates,
  EndpointTable,
} from "./endpoint_table.ts";
export { type LoopFigures, type LoopStateName, loopStates, LoopTable } from "./loop_table.ts";
export { StreamTable } from "./stream_table.ts";
export { readStreams, type WorkerStream } from "./read_streams.ts";
export { type UpstreamFigures, UpstreamTable } from "./upstream_table.ts";
export { blockLength, SharedInt32, SharedNumbers } from "./shared_numbers.ts";
export type { Labels } from "./label_text.ts";
export type { GaugeMerge, SeriesKind } from "./series_directory.ts";
export { readSeries, type ReadSeriesOptions, type Series } from "./read_series.ts";
export {
  type InflightRequest,
  type OpenConnection,
  readConnections,
  readEndpoints,
  readInflight,
  readLoops,
  readSlots,
  readUpstreams,
  type Rows,
  type WorkerEndpoint,
  type WorkerLoop,
  type WorkerUpstream,
} from "./read_tables.ts";
export { renderPrometheus } from "./render_prometheus.ts";
export { History, type HistoryPoint, type HistorySpan } from "./history.ts";
export { HeartbeatWatch } from "./heartbeat_watch.ts";
