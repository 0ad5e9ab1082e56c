/**
 * Apache Kafka for tests: its jars from Maven Central, copied once into `.cache/kafka-<version>` together with an archive
 * of its loaded classes, with which a broker starts in half the time. Processes that ask at once wait for one another.
 */
import { join } from "node:path";
import { findOrInstall } from "./provision.ts";

export const kafkaVersion = "4.2.1";

/** Kafka uses slf4j 1.7; what it warns of is what a failed start is explained with. */
const artifacts = [
  ["org.apache.kafka", "kafka_2.13", kafkaVersion],
  ["org.slf4j", "slf4j-simple", "1.7.36"],
];

const copyMs = 300_000;
const archiveMs = 60_000;

/** What a Kafka is run with. */
export interface KafkaProgram {
  /** Path of `java`. */
  readonly java: string;
  /** Its arguments before the main class. */
  readonly arguments: readonly string[];
}

/** Brings Kafka into the cache where it is missing. Throws Error with what cannot be had. */
export async function installKafka(): Promise<KafkaProgram> {
  const java = await findOrInstall({ program: "java", package: "default-jre-headless" });
  const cache = new URL("../.cache/", import.meta.url).pathname;
  const folder = join(cache, `kafka-${kafkaVersion}`);
  await Deno.mkdir(cache, { recursive: true });
  using lock = await Deno.open(`${folder}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (!await exists(folder)) await copyJars(folder);
  const program = { java, arguments: javaArguments(folder) };
  await archiveClasses(program, folder);
  return program;
}

/** Small and quick to start: the compiler that optimises for long runs is left out. */
function javaArguments(folder: string): string[] {
  return [
    ...["-Xms64m", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"],
    `-XX:SharedArchiveFile=${archive(folder)}`,
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ...["-cp", join(folder, "*")],
  ];
}

const archive = (folder: string) => join(folder, "classes.jsa");

async function copyJars(folder: string): Promise<void> {
  const maven = await findOrInstall({ program: "mvn", package: "maven" });
  const temporary = await Deno.makeTempDir({ dir: join(folder, ".."), prefix: "kafka-" });
  try {
    const dependencies = artifacts.map(([group, artifact, version]) =>
      `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
    );
    await Deno.writeTextFile(
      join(temporary, "pom.xml"),
      `<project><modelVersion>4.0.0</modelVersion>` +
        `<groupId>tests</groupId><artifactId>kafka</artifactId><version>1</version>` +
        `<dependencies>${dependencies.join("")}</dependencies></project>`,
    );
    const args = ["-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars"];
    const trouble = await run(maven, args, temporary, copyMs);
    if (trouble) {
      throw new Error(`Cannot run this test: Maven does not bring Kafka ${kafkaVersion}: ${trouble}`);
    }
    await Deno.rename(join(temporary, "jars"), folder);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

/** Without the archive a broker starts all the same; the tools load the classes of a broker in part. */
async function archiveClasses({ java, arguments: args }: KafkaProgram, folder: string): Promise<void> {
  const path = archive(folder);
  if (await exists(path)) return;
  const rest = args.filter((argument) => !argument.startsWith("-XX:SharedArchiveFile"));
  const temporary = await Deno.makeTempDir({ prefix: "weir-kafka-archive-" });
  try {
    const script = join(temporary, "broker.properties");
    await Deno.writeTextFile(
      script,
      [
        "process.roles=broker,controller",
        "node.id=1",
        "controller.quorum.voters=1@127.0.0.1:1",
        "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
        "controller.listener.names=CONTROLLER",
        `log.dirs=${join(temporary, "data")}`,
      ].join("\n"),
    );
    const tool = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", script];
    await run(java, [...rest, ...tool], temporary, archiveMs);
    const broker = new Deno.Command(java, {
      args: [...rest, `-XX:ArchiveClassesAtExit=${path}.new`, "kafka.Kafka", script],
      cwd: temporary,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const end = setTimeout(() => broker.kill("SIGTERM"), 4000);
    const limit = setTimeout(() => broker.kill("SIGKILL"), archiveMs);
    await broker.status;
    clearTimeout(end);
    clearTimeout(limit);
    if (await exists(`${path}.new`)) await Deno.rename(`${path}.new`, path);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

/** Runs a program to its end; what went wrong, or an empty text. */
export async function run(program: string, args: string[], cwd: string, limitMs: number): Promise<string> {
  const signal = AbortSignal.timeout(limitMs);
  const command = new Deno.Command(program, {
    ...{ args, cwd, signal },
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  });
  const { success, stdout, stderr } = await command.output();
  if (success) return "";
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return said.trim().slice(-2000) || (signal.aborted ? `no end within ${limitMs} ms` : "it said nothing");
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}
